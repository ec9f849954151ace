"""Which proxy a request goes through: ``http_proxy``, ``https_proxy``, ``all_proxy``, ``no_proxy``, as curl and Go do.

Loopback is never sent through a proxy (as in Go's ``httpproxy``). An upper-case ``HTTP_PROXY`` counts, because a boot
environment is no CGI program.
"""

from __future__ import annotations

from collections.abc import Mapping

from bootgrant.acquire.errors import BadParameter
from bootgrant.acquire.facts.network import is_loopback
from bootgrant.acquire.http.endpoint import Endpoint, EndpointError, parse_endpoint


def proxy_for(endpoint: Endpoint, environ: Mapping[str, str]) -> Endpoint | None:
    """The proxy to dial for ``endpoint``, None for a direct connection. Raises BadParameter for an unusable one."""
    name, value = _named(environ, f"{endpoint.scheme}_proxy", "all_proxy")
    if not value or is_loopback(endpoint.host) or _exempt(endpoint, _named(environ, "no_proxy")[1]):
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


def _exempt(endpoint: Endpoint, no_proxy: str) -> bool:
    return any(_matches(endpoint, rule.strip().lower()) for rule in no_proxy.split(",") if rule.strip())


def _matches(endpoint: Endpoint, rule: str) -> bool:
    """One entry of ``no_proxy``: ``*``, a network, an address, a domain (with what is below it), each with a port."""
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
    from ipaddress import ip_address, ip_network  # rarely needed, and start-up time is a promise

    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False
