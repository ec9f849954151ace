"""Where a request goes: a URL split into what is dialled and what is sent, and the proxy to go through.

URLs are split by hand, because nothing may be re-encoded: a server may sign its query. Sources: RFC 3986, RFC 6874
(zone ids), and Go's ``net/http``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Final
from urllib.parse import unquote, urljoin

from bootgrant.acquire.errors import BadParameter
from bootgrant.acquire.facts.network import is_loopback

DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*)://(?P<authority>[^/?#]*)(?P<target>[^#]*)")
_AUTHORITY = re.compile(r"(?:(?P<userinfo>.*)@)?(?P<host>\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{0,5}))?", re.DOTALL)
_UNSENDABLE = re.compile(rb"[^\x21-\x7e]")


class EndpointError(ValueError):
    """The URL cannot be requested. The text says why, without the URL."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One HTTP(S) resource. ``host`` (with zone, no brackets) is dialled, ``target`` is for the request line."""

    scheme: str
    host: str
    port: int
    target: str
    user: str | None = None
    password: str = ""

    @property
    def origin(self) -> tuple[str, str, int]:
        """What two URLs must have in common before one may receive the other's secrets (RFC 6454)."""
        return (self.scheme, self.host.lower(), self.port)

    @property
    def name(self) -> str:
        """The host without its zone, for TLS and the Host header."""
        return self.host.partition("%")[0]

    @property
    def host_header(self) -> str:
        """The Host header: IPv6 in brackets, and the port unless it is the scheme's default."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port == DEFAULT_PORTS[self.scheme] else f"{name}:{self.port}"

    @property
    def request_target(self) -> bytes:
        """Path and query for the request line, with bytes that are not allowed there percent-encoded."""
        raw = self.target.encode("utf-8", "surrogateescape")
        return _UNSENDABLE.sub(lambda match: b"%%%02X" % match[0][0], raw)

    def shown(self) -> str:
        """``scheme://host:port`` for messages, without user, password, path and query."""
        return f"{self.scheme}://{self.host_header}"


def parse_endpoint(url: str) -> Endpoint:
    """Split ``url``. Raises EndpointError unless it is an http or https URL with a host."""
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
    """The endpoint in ``parameter``. Raises BadParameter."""
    try:
        return parse_endpoint(url)
    except EndpointError as error:
        raise BadParameter(f"{parameter} cannot be used: {error}", "write https://host/path") from None


def redirected(here: Endpoint, location: str) -> Endpoint:
    """The target of a redirect. Raises EndpointError if ``location`` is not a URL that can be requested."""
    try:
        return parse_endpoint(urljoin(f"{here.shown()}{here.target}", location))
    except ValueError as error:
        raise EndpointError(str(error)) from None


def _host(written: str) -> str:
    """The name or address to dial: without brackets and ``%25``, and in its DNS form (IDNA)."""
    bracketed = written.startswith("[")
    host = written[1:-1].replace("%25", "%", 1) if bracketed else unquote(written)
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            raise EndpointError("its host is not a valid DNS name") from None
    strange = r"[\x00-\x20\x7f/?#@\\{}<>]" if bracketed else r"[\x00-\x20\x7f/?#@\\{}<>:%]"
    if not host or re.search(strange, host) or (bracketed and ":" not in host):
        raise EndpointError("it names no host" if not host else "its host has invalid characters")
    return host


def without_password(url: str) -> str:
    """``url`` for display: a password in it is replaced, the rest stays as written."""
    return re.sub(r"(?<=://)([^/?#@:]*):[^/?#]*@", r"\1:xxxxx@", url, count=1)


def proxy_for(endpoint: Endpoint, environ: Mapping[str, str]) -> Endpoint | None:
    """The proxy for ``endpoint``, or None for a direct connection. Raises BadParameter if the proxy cannot be used.

    The variables are those of curl and Go, in upper or lower case. Loopback never goes through a proxy, as in Go.
    """
    name, value = _named(environ, f"{endpoint.scheme}_proxy", "all_proxy")
    exempt = _named(environ, "no_proxy")[1].lower().split(",")
    if not value or is_loopback(endpoint.host) or any(_matches(endpoint, rule.strip()) for rule in exempt):
        return None
    try:
        proxy = parse_endpoint(value if "://" in value else f"http://{value}")
    except EndpointError as error:
        raise BadParameter(f"the proxy in {name} cannot be used: {error}", "write http://host:port") from None
    if proxy.scheme != "http":
        raise BadParameter(f"the proxy in {name} cannot be used", "only proxies at http:// are supported")
    return proxy


def _named(environ: Mapping[str, str], *names: str) -> tuple[str, str]:
    for name in names:
        for spelling in (name, name.upper()):
            if value := environ.get(spelling, "").strip():
                return spelling, value
    return "", ""


def _matches(endpoint: Endpoint, rule: str) -> bool:
    """Match one entry of ``no_proxy``: ``*``, a network, an address or a domain with its subdomains; port optional."""
    if rule == "*":
        return True
    host = endpoint.name.lower()
    if "/" in rule:
        return _in_network(host, rule)
    name, colon, port = rule.rpartition(":")
    if colon and port.isdigit() and ":" not in name.strip("[]"):
        if int(port) != endpoint.port:
            return False
        rule = name
    rule = rule.strip("[]")
    domain = rule.removeprefix("*").removeprefix(".")
    return host == rule or (bool(domain) and (host.endswith("." + domain) or (host == domain and rule == domain)))


def _in_network(host: str, network: str) -> bool:
    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False
