"""``[tls]``: whether and with which certificate the server serves HTTPS, without a proxy."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from bootgrant.service.settings import forms
from bootgrant.service.settings.forms import OPTIONAL_FILE, SHORTEST_SECRET, SWITCH, list_of, one_of, optional, shown
from bootgrant.service.settings.setting import BadSetting, setting
from bootgrant.service.settings.urls import server_url
from bootgrant.wire.origin import ascii_host
from bootgrant.wire.secret import Secret

_NAME: Final = re.compile(r"(?=.{1,253}$)(?:(?!-)[a-z0-9_-]{1,63}(?<!-)\.)*(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NOT_PUBLIC: Final = (".localhost", ".local", ".internal", ".lan", ".home.arpa")
_BY_THE_PROXY: Final = 'Use tls.mode = "own", or a proxy that gets a certificate by DNS-01 (docs/https.md)'


class TlsMode(StrEnum):
    """Where the server's certificate comes from."""

    FILES = "files"
    OWN = "own"
    ACME = "acme"


class AcmeChallenge(StrEnum):
    """How an ACME authority finds out that a name is this server (RFC 8555 section 8.3, RFC 8737)."""

    TLS_ALPN_01 = "tls-alpn-01"
    HTTP_01 = "http-01"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """A certificate chain and its key, both PEM; one file may contain both. ``password`` opens the key."""

    certificate: Path
    key: Path
    password: Secret | None = None


def is_address(host: str) -> bool:
    """Return whether a host is an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _host(value: object) -> str:
    """A host name in ASCII, or an IP address."""
    try:
        host = ascii_host(forms.text(value).strip("[]"))
    except ValueError:
        host = ""
    if host.startswith("*."):
        raise ValueError(f"{value!r}: a wildcard is not possible here. Name each host, or let a proxy have it")
    if not is_address(host) and not _NAME.fullmatch(host):
        raise ValueError(f'{value!r} is not a host; write "boot.example.org" or "10.20.0.5"')
    return host


def _https_url(value: object) -> str:
    written = forms.text(value)
    parts = urlsplit(written)
    if parts.scheme != "https" or not parts.hostname or parts.username is not None:
        raise ValueError(f"{written!r} is not the https URL of an ACME directory")
    return written


def _email(value: object) -> str:
    if value and (not isinstance(value, str) or not re.fullmatch(r"[^@\s,?]+@[^@\s,?]+", value)):
        raise ValueError(f'{value!r} is not an e-mail address; write "ops@example.org"')
    return str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acme:
    """``[tls.acme]``: a certificate from an ACME authority (RFC 8555)."""

    directory: str = setting(
        shown("URL", _https_url),
        "https://acme-v02.api.letsencrypt.org/directory",
        "The directory of the ACME authority.",
    )
    agree_to_terms: bool = setting(
        SWITCH, "false", "`true`: you have read the authority's terms of service, and agree to them. Required."
    )
    email: str = setting(shown("e-mail address, or empty", _email), "", "Where the authority can reach you.")
    challenge: AcmeChallenge = setting(
        one_of(AcmeChallenge),
        "tls-alpn-01",
        "How the authority checks that the name is this server's: `tls-alpn-01` by a connection to port 443, which "
        "must reach `listen`, or `http-01` by a request to port 80, which must reach `tls.acme.http_listen`.",
    )
    http_listen: tuple[str, int] = setting(
        forms.LISTEN,
        ":80",
        "For `http-01`: address and port to listen on. Requests that are not the authority's are redirected to "
        "`public_url`.",
    )
    ca_file: Path | None = setting(
        OPTIONAL_FILE, "", "The certificate (PEM) to trust when the directory is a private one. Empty: public ones."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """``[tls]``: to serve HTTPS without a proxy."""

    mode: TlsMode = setting(
        one_of(TlsMode),
        "files",
        "Where the server's certificate comes from (docs/https.md): `files` (`tls.certificate` and `tls.key`; without "
        "them the server serves plain HTTP, for a proxy), `own` (from an authority of this site in `data`), or `acme`.",
    )
    certificate: Path | None = setting(
        OPTIONAL_FILE,
        "",
        "A certificate chain (PEM), to serve HTTPS without a proxy; read again when it changes.",
    )
    key: Path | None = setting(OPTIONAL_FILE, "", "The private key of the certificate (PEM).")
    hosts: tuple[str, ...] = setting(
        list_of("list of hosts", _host),
        (),
        "More host names and addresses that a certificate of mode `own` or `acme` is for. Those in `public_url` and "
        "`operators.public_url` always are.",
    )
    passphrase_file: Secret | None = setting(
        optional(forms.secret(SHORTEST_SECRET)),
        "",
        "A file whose first line encrypts the private keys of mode `own` and `acme`, such as a systemd credential. "
        "Empty: the code key does.",
    )
    hsts: float = setting(
        forms.DURATION,
        "365d",
        "How long browsers use only HTTPS for this host name, on every port (Strict-Transport-Security), if the public "
        'URL is https, also behind a proxy. "0s": the header is not sent.',
    )
    acme: Acme = field(default_factory=Acme)

    @property
    def files(self) -> TlsFiles | None:
        """The files of the settings, or None if there are none."""
        return TlsFiles(self.certificate, self.key) if self.certificate and self.key else None

    @property
    def needs_http(self) -> bool:
        """Whether an ACME authority makes requests in plain HTTP."""
        return self.mode is TlsMode.ACME and self.acme.challenge is AcmeChallenge.HTTP_01

    def check(self, urls: tuple[str, ...]) -> None:
        """Check that the settings fit together, and to the ``urls`` of the server. Raises BadSetting."""
        if (self.certificate is None) is not (self.key is None):
            key = "tls.certificate" if self.certificate else "tls.key"
            raise BadSetting(key, "set tls.certificate and tls.key, or neither")
        if self.mode is TlsMode.FILES:
            return
        if self.certificate is not None:
            raise BadSetting("tls.certificate", f'leave it empty with tls.mode = "{self.mode}"')
        for key, url in zip(("public_url", "operators.public_url"), urls, strict=True):
            if not url.startswith("https:"):
                raise BadSetting(key, f'{url} must begin with https://, because tls.mode is "{self.mode}"')
        if self.mode is TlsMode.ACME:
            self._check_acme(certificate_hosts(urls, self.hosts))

    def _check_acme(self, hosts: tuple[str, ...]) -> None:
        if not self.acme.agree_to_terms:
            raise BadSetting(
                "tls.acme.agree_to_terms",
                f"read the terms of service of {self.acme.directory}, and set it to true if you agree to them",
            )
        for host in hosts:
            if is_address(host) or "." not in host or host.endswith(_NOT_PUBLIC):
                raise BadSetting("tls.mode", f"an ACME authority cannot reach {host} by a public name. {_BY_THE_PROXY}")


def certificate_hosts(urls: Iterable[str], more: tuple[str, ...]) -> tuple[str, ...]:
    """Return the hosts of URLs and ``more``, each once: names in ASCII, and addresses without brackets."""
    return tuple(dict.fromkeys((*(ascii_host(urlsplit(url).hostname or "") for url in urls), *more)))


def is_plain_http(url: str) -> bool:
    """Return whether a URL is plain HTTP at another address than loopback."""
    parts = urlsplit(server_url(url))
    host = ascii_host(parts.hostname or "")
    if parts.scheme != "http" or host == "localhost" or host.endswith(".localhost"):
        return False
    return not (is_address(host) and ipaddress.ip_address(host).is_loopback)
