"""``[[audit.sinks]]``: the kinds of sinks, and their keys."""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from bootgrant.messengers.audit_file import FileSink
from bootgrant.messengers.audit_http import Body, HttpSink
from bootgrant.messengers.audit_syslog import SyslogSink
from bootgrant.messengers.posting import Address
from bootgrant.ports.audit_sinks import AuditSink
from bootgrant.service.settings import forms
from bootgrant.service.settings.forms import FILE, FLAG, NAME, SHORTEST_SECRET, TEXT, hidden, if_given, one_of, secret
from bootgrant.service.settings.posting import posting_address
from bootgrant.service.settings.setting import read_row, rows_of, setting
from bootgrant.service.system import SystemClock
from bootgrant.trust import client_context
from bootgrant.wire.secret import Secret
from bootgrant.workflows.record.stream_audit import SinkTarget

_TABLE: Final = "audit.sinks"
_SYSLOG_TLS_PORT: Final = 6514


class _Start(StrEnum):
    """Which records a new sink gets."""

    OLDEST = "oldest"
    NEWEST = "newest"


class _Security(StrEnum):
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sink:
    """What every sink has."""

    kind: str = setting(TEXT)
    name: str | None = setting(if_given(NAME), ())
    start: _Start = setting(one_of(_Start), "oldest")

    @abstractmethod
    def sink(self) -> AuditSink:
        """What sends the records. Raises ValueError."""

    def target(self) -> SinkTarget:
        return SinkTarget(self.name or self.kind, self.sink(), self.start is _Start.NEWEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class _File(_Sink):
    path: Path = setting(FILE)
    sync: bool = setting(FLAG, default=True)

    def sink(self) -> AuditSink:
        if not self.path.parent.is_dir():
            raise ValueError(f"path: the folder {self.path.parent} does not exist; create it")
        if self.path.exists() and not self.path.is_file():
            raise ValueError(f"path: {self.path} is not a regular file")
        return FileSink(self.path, self.sync)


def _place(value: object) -> tuple[str, int]:
    """Host and port; the port of syslog over TLS if there is none."""
    written = forms.text(value)
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{1,5}))?", written)
    port = int(found[3] or _SYSLOG_TLS_PORT) if found else 0
    if found is None or not 0 < port < 65536:
        raise ValueError('not a host and port; write "logs.example.org:6514" or "[fd00::1]:6514"')
    return found[1] or found[2], port


@dataclass(frozen=True, slots=True, kw_only=True)
class _Syslog(_Sink):
    address: tuple[str, int] = setting(hidden("host:port", _place))
    security: _Security = setting(one_of(_Security), "tls")
    ca_file: Path | None = setting(if_given(FILE), ())
    certificate: Path | None = setting(if_given(FILE), ())
    key: Path | None = setting(if_given(FILE), ())

    def sink(self) -> AuditSink:
        host, port = self.address
        name = re.sub(r"[^!-~]", "", socket.gethostname())[:255] or "-"
        if self.security is _Security.NONE:
            if self.ca_file or self.certificate or self.key:
                raise ValueError('ca_file, certificate, and key need security = "tls"')
            if not _is_loopback(host):
                raise ValueError(f'{host} is another computer, which needs security = "tls"')
            return SyslogSink(host, port, None, name)
        if (self.certificate is None) is not (self.key is None):
            raise ValueError("set certificate and key, or neither")
        self._context()
        return SyslogSink(host, port, self._context, name)

    def _context(self) -> ssl.SSLContext:
        """The TLS settings, from the files as they are now."""
        try:
            context = client_context(self.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ValueError(f"ca_file: {self.ca_file} cannot be used: {error.strerror or error}") from None
        if self.certificate is not None:
            try:
                context.load_cert_chain(self.certificate, self.key, password="")
            except (OSError, ssl.SSLError, ValueError) as error:
                reason = getattr(error, "strerror", None) or error
                raise ValueError(f"certificate, key: {self.certificate} cannot be used: {reason}") from None
        return context


@dataclass(frozen=True, slots=True, kw_only=True)
class _Http(_Sink):
    url: str | None = setting(if_given(TEXT), ())
    url_file: Secret | None = setting(if_given(secret()), ())
    body: Body = setting(one_of(Body), "lines")
    authorization_file: Secret | None = setting(if_given(secret()), ())
    secret_file: Secret | None = setting(if_given(secret(SHORTEST_SECRET)), ())

    def sink(self) -> AuditSink:
        if self.authorization_file and not _is_header(self.authorization_file.reveal()):
            raise ValueError('authorization_file: its first line is not a header value such as "Bearer …"')
        return HttpSink(self._address(), self.body, SystemClock().now, self.authorization_file, self.secret_file)

    def _address(self) -> Address:
        """Where to post. The errors do not repeat the URL, which may hold a secret."""
        address = posting_address(self.url, self.url_file)
        parts = urlsplit(address.url.reveal())
        if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
            raise ValueError("the url is that of another computer, which needs https")
        return address


_KINDS: Final[Mapping[str, type[_Sink]]] = {"file": _File, "syslog": _Syslog, "http": _Http}


def parse_sinks(value: object, base: Path) -> tuple[SinkTarget, ...]:
    """``[[audit.sinks]]``. Raises ValueError; no secret is repeated in it."""
    targets = tuple(_target(row, base) for row in rows_of(value, _TABLE))
    names = [target.name for target in targets]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"two [[{_TABLE}]] tables are called {twice[0]!r}: give each a name")
    return targets


def _target(row: Mapping[str, object], base: Path) -> SinkTarget:
    kind = row.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(f"each [[{_TABLE}]] needs a kind: {', '.join(_KINDS)}")
    try:
        return read_row(_KINDS[kind], row, base, _TABLE).target()
    except ValueError as error:
        raise ValueError(f"{row.get('name', kind)}: {error}") from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_header(text: str) -> bool:
    return text.isascii() and text.isprintable()
