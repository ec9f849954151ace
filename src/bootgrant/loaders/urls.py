"""URLs for machines: with a host in ASCII, and refused here if Talos, which is written in Go, would refuse them."""

from __future__ import annotations

import re
from typing import Final

from bootgrant.acquire.cmdline.damage import url_problem
from bootgrant.acquire.http.endpoint import EndpointError, parse_endpoint
from bootgrant.wire.go_url import GoUrl, UrlError, escape, parse_url
from bootgrant.wire.origin import ascii_host

_AUTHORITY: Final = re.compile(
    r"(?P<before>[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#]*@)?)(?P<host>[^/?#@]*)(?P<after>.*)", re.DOTALL
)
_NAME_AND_PORT: Final = re.compile(r"(?P<name>[^\[\]:]+)(?P<port>:[0-9]*)?")
_ASCII: Final = frozenset(range(0x80))
_WITHOUT_REQUEST: Final = ("file", "tftp")


class CannotWrite(Exception):
    """A parameter cannot be written for a boot loader. The message says which one, and what to do."""


def machine_url(written: str, what: str, *, is_config: bool = False) -> str:
    """Return the URL as a machine can request it; ``what`` names it in errors, which do not repeat the URL.

    A host of another alphabet is in its ASCII form, because Go sends a host as it is written, and other characters
    beyond ASCII are percent-encoded. ``is_config``: files and tftp are allowed, too. Raises CannotWrite.
    """
    try:
        ascii_url = escape(_with_ascii_host(written, what), _ASCII)
    except UnicodeEncodeError:
        raise CannotWrite(f"{what} is not text; {_advice('')}") from None
    problem, scheme = _problem(ascii_url, is_config=is_config)
    if not problem and scheme not in _WITHOUT_REQUEST:
        try:
            parse_endpoint(ascii_url)
        except EndpointError as error:
            problem = str(error)
    if problem:
        raise CannotWrite(f"{what} cannot be used by a machine: {problem}; {_advice(ascii_url)}")
    return ascii_url


def _problem(url: str, *, is_config: bool) -> tuple[str, str]:
    found: GoUrl | UrlError
    try:
        found = parse_url(url)
    except UrlError as error:
        found = error
    schemes = ("http", "https", *(_WITHOUT_REQUEST if is_config else ()))
    return url_problem(found, schemes), found.scheme if isinstance(found, GoUrl) else ""


def _with_ascii_host(written: str, what: str) -> str:
    parts = _AUTHORITY.fullmatch(written)
    host = _NAME_AND_PORT.fullmatch(parts["host"]) if parts else None
    if parts is None or host is None or (host["name"].isascii() and "%" not in host["name"]):
        return written
    try:
        name = ascii_host(host["name"])
    except ValueError:
        raise CannotWrite(f"{what} has a host name that is not valid: {_advice(written)}") from None
    return f"{parts['before']}{name}{host['port'] or ''}{parts['after']}"


def _advice(url: str) -> str:
    parts = _AUTHORITY.fullmatch(url)
    host = parts["host"] if parts else ""
    if host.count(":") > 1 and not host.startswith("["):
        return "write an IPv6 address in brackets: https://[fd00::1]:8443"
    if "[" in host and "%" in host:
        return "write an interface as https://[fe80::1%25eth0]"
    if "%" in url:
        return "write % as %25 where it is not followed by two hexadecimal digits"
    return "write https://boot.example.org, with a port of 1 to 65535 if it needs one"
