"""Where a URL points, and what goes on the request line: split by hand, because nothing may be re-encoded.

Talos sends ``/device/code?uuid=${uuid}`` as it was written; a server may sign its query. Source: RFC 3986, RFC 6874
(zone ids), and ``net/http`` for what a client makes of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from bootgrant.acquire.errors import BadParameter

DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*)://(?P<authority>[^/?#]*)(?P<target>[^#]*)")
_AUTHORITY = re.compile(r"(?:(?P<userinfo>.*)@)?(?P<host>\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{0,5}))?", re.DOTALL)
_UNSENDABLE = re.compile(rb"[^\x21-\x7e]")


class EndpointError(ValueError):
    """The URL cannot be requested; the text says why and does not repeat it."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One HTTP(S) resource. ``host`` is what is dialled (zone included, no brackets), ``target`` the request line's."""

    scheme: str
    host: str
    port: int
    target: str
    user: str | None = None
    password: str = ""

    @property
    def origin(self) -> tuple[str, str, int]:
        """What two URLs must share before one may see the other's secrets (RFC 6454)."""
        return (self.scheme, self.host.lower(), self.port)

    @property
    def name(self) -> str:
        """The host without its zone: for TLS and for the Host header, where a zone means nothing."""
        return self.host.partition("%")[0]

    @property
    def host_header(self) -> str:
        """The Host header: brackets around IPv6, the port where it is not the scheme's own."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port == DEFAULT_PORTS[self.scheme] else f"{name}:{self.port}"

    @property
    def request_target(self) -> bytes:
        """Path and query for the request line. Bytes that no request line can carry are percent-encoded."""
        raw = self.target.encode("utf-8", "surrogateescape")
        return _UNSENDABLE.sub(lambda match: b"%%%02X" % match[0][0], raw)

    def shown(self) -> str:
        """``scheme://host:port`` for a message: no user, no password, no query."""
        return f"{self.scheme}://{self.host_header}"


def parse_endpoint(url: str) -> Endpoint:
    """Split ``url``. Raises EndpointError for anything but an http or https URL with a host."""
    match = _URL.fullmatch(url.partition("#")[0])
    scheme = match["scheme"].lower() if match else ""
    if match is None or scheme not in DEFAULT_PORTS:
        raise EndpointError("it is not an http:// or https:// URL")
    authority = _AUTHORITY.fullmatch(match["authority"])
    if authority is None:
        raise EndpointError("its host or port cannot be read")
    host = _host(authority["host"])
    port = int(authority["port"] or DEFAULT_PORTS[scheme])
    if not 0 < port < 65536:
        raise EndpointError("its port is not between 1 and 65535")
    target = match["target"]
    if not target.startswith("/"):
        target = "/" + target
    user, password = None, ""
    if authority["userinfo"] is not None:
        user, _, password = (unquote(part) for part in authority["userinfo"].partition(":"))
    return Endpoint(scheme, host, port, target, user, password)


def endpoint_of(url: str, parameter: str) -> Endpoint:
    """The endpoint that ``parameter`` names. Raises BadParameter."""
    try:
        return parse_endpoint(url)
    except EndpointError as error:
        raise BadParameter(f"{parameter} cannot be used: {error}", "write https://host/path") from None


def _host(written: str) -> str:
    """The name or address to dial: brackets and ``%25`` undone, a name beyond ASCII in its DNS form."""
    bracketed = written.startswith("[")
    host = written[1:-1].replace("%25", "%", 1) if bracketed else unquote(written)
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            raise EndpointError("its host is no name that DNS knows") from None
    strange = r"[\x00-\x20\x7f/?#@\\{}<>]" if bracketed else r"[\x00-\x20\x7f/?#@\\{}<>:%]"
    if not host or re.search(strange, host) or (bracketed and ":" not in host):
        raise EndpointError("it names no host" if not host else "its host has characters that no host has")
    return host


def without_password(url: str) -> str:
    """``url`` as it may be printed: a password in it is replaced, the rest stays as written."""
    return re.sub(r"(?<=://)([^/?#@:]*):[^/?#]*@", r"\1:xxxxx@", url, count=1)
