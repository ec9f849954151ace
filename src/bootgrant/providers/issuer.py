"""Addresses of an issuer: where its metadata is, and what is wrong with a name or an endpoint in it."""

from __future__ import annotations

from typing import Final
from urllib.parse import SplitResult, urlsplit

from bootgrant.providers.arrived import kind_of, quoted
from bootgrant.providers.settings import is_safe_url

_OPENID: Final = "/.well-known/openid-configuration"
_OAUTH: Final = "/.well-known/oauth-authorization-server"
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}


def metadata_urls(issuer: str) -> tuple[str, ...]:
    """The places of OpenID Discovery section 4 and RFC 8414 section 3.1 (before the path), and RFC 8414's after it."""
    parts = urlsplit(issuer)
    base, path = issuer.rstrip("/"), parts.path.rstrip("/")
    before = f"{parts.scheme}://{parts.netloc}{_OAUTH}{path}"
    return tuple(dict.fromkeys((f"{base}{_OPENID}", before, f"{base}{_OAUTH}")))


def issuer_problem(named: object, issuer: str) -> str:
    """Return why metadata with the issuer ``named`` is not that of ``issuer`` (OpenID Discovery section 4.3), or ""."""
    if named == issuer and "{" not in issuer:
        return ""
    if named is None:
        return "its metadata has no issuer; check that issuer is the address of an OpenID provider"
    if not isinstance(named, str) or not named:
        return (
            f"the issuer in its metadata is {kind_of(named)}, not a URL; configure the provider with its public address"
        )
    if "{" in named:
        # Entra ID's common and organizations: a token of any tenant of the world would fit.
        return (
            f"its metadata names the issuer {quoted(named)}, which stands for the accounts of every tenant; write the "
            "id of one tenant in issuer (https://login.microsoftonline.com/TENANT-ID/v2.0), and one table for each "
            "tenant"
        )
    return (
        f"its metadata names another issuer, {quoted(named)}; if that is right, set issuer to exactly that text. "
        f"The setting is {quoted(issuer)}: {_difference(named, issuer)}"
    )


def _difference(named: str, issuer: str) -> str:
    """Return how two issuers differ, and what usually causes it."""
    if named.rstrip("/") == issuer.rstrip("/"):
        return "they differ in the slash at the end"
    if named.casefold() == issuer.casefold():
        return "they differ in upper and lower case"
    try:
        there, here = urlsplit(named), urlsplit(issuer)
        ports = _port(there), _port(here)
    except ValueError:
        return "the issuer in the metadata is not a URL"
    if not there.hostname:
        return "the issuer in the metadata is not a URL"
    if there.hostname != here.hostname:
        return "they differ in the host; the provider may have to be configured with its public address"
    if there.scheme != here.scheme:
        return (
            f"they differ in {there.scheme} and {here.scheme}; a provider behind a proxy must be configured with its "
            "public address, or believe the proxy's X-Forwarded-Proto"
        )
    if ports[0] != ports[1]:
        return f"they differ in the port ({ports[0]} and {ports[1]}); configure the provider with its public address"
    return "they differ in the path; check the realm or tenant"


def _port(parts: SplitResult) -> int | None:
    return parts.port or _DEFAULT_PORTS.get(parts.scheme)


def endpoint_problem(url: object, issuer: str) -> str:
    """Return why an endpoint in the metadata cannot be used, or ""."""
    if url is None:
        return "it is missing"
    if not isinstance(url, str) or not url:
        return f"it is {kind_of(url)}"
    if not (url.isascii() and url.isprintable()) or " " in url or "#" in url:
        return f"it is {quoted(url)}, which has characters that do not belong there"
    # Only a provider on this computer may point to another of its ports.
    if not is_safe_url(url) or (_is_https(issuer) and not _is_https(url)):
        return f"it is {quoted(url)}"
    try:
        urlsplit(url).port  # noqa: B018  (reading it raises for a port that is not a number)
    except ValueError:
        return f"it is {quoted(url)}, which has no valid port"
    return ""


def _is_https(url: str) -> bool:
    return urlsplit(url).scheme == "https"
