"""URLs as Go's ``net/url`` parses and prints them (Go 1.26), as far as Talos uses it.

It differs from Python's ``urllib.parse`` in what is an error, what is escaped, and which query pairs are dropped. Texts
are ``str`` with surrogate escapes for bytes that are not UTF-8; the escaping works on bytes.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address

from bootgrant.wire.go_text import quote

_UNRESERVED = frozenset((string.ascii_letters + string.digits + "-_.~").encode())
_HOST_EXTRA = frozenset(b"!$&'()*+,;=:[]<>\"")
# The bytes that need no escape in each part of a URL.
PATH = _UNRESERVED | frozenset(b"$&+,/:;=@")
HOST = _UNRESERVED | _HOST_EXTRA
USER_PASSWORD = _UNRESERVED | frozenset(b"$&+,;=")
QUERY_COMPONENT = _UNRESERVED
FRAGMENT = _UNRESERVED | frozenset(b"$&+,/:;=?@!()*")
# The bytes that RFC 3986 allows anywhere in a URL.
ANYWHERE = _UNRESERVED | frozenset(b":/?#[]@!$&'()*+,;=%")
# The bytes, besides those above, of an encoded path or fragment that is kept as it was written.
_ALREADY_ENCODED = frozenset(b"!$&'()*+,;=:@[]%")
_USERINFO = re.compile(r"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_PORT = re.compile(r"(:[0-9]*)?")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})?")
_CONTROL = re.compile("[\x00-\x1f\x7f]")
MAX_QUERY_PAIRS = 10_000


class UrlError(ValueError):
    """Go does not accept the text as a URL. The message is Go's and quotes the URL."""


class _PartError(ValueError):
    """The reason why a part of the URL is refused, without the URL."""


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


def escape(text: str, allowed: frozenset[int]) -> str:
    """Percent-encode every byte that is not in ``allowed``, one of the sets above."""
    return "".join(chr(byte) if byte in allowed else f"%{byte:02X}" for byte in _bytes(text))


def escape_query(text: str) -> str:
    """``url.QueryEscape``: encode a space as ``+``, and percent-encode all but letters, digits and ``-_.~``."""
    return escape(text, QUERY_COMPONENT | {0x20}).replace(" ", "+")


def unescape(text: str) -> str:
    """Undo percent-encoding. Raises ValueError, with Go's text, for a ``%`` without two hexadecimal digits."""
    content = _bytes(text)

    def decoded(match: re.Match[bytes]) -> bytes:
        if match[1] is None:
            raise _PartError(f"invalid URL escape {quote(_text(content[match.start() :][:3]))}")
        return bytes.fromhex(match[1].decode())

    return _text(_ESCAPE.sub(decoded, content))


def unescape_query(text: str) -> str:
    """``url.QueryUnescape``: ``unescape``, with ``+`` as a space."""
    return unescape(text.replace("+", " "))


def _unescape_host(text: str, *, zone: bool = False) -> str:
    """In a host only bytes above ASCII may be escaped; in a zone only bytes that a host may contain, and a space."""
    content = _bytes(text)
    at = 0
    while at < len(content):
        if content[at] == ord("%"):
            part = content[at : at + 3]
            unescape(_text(part))
            value = int(part[1:], 16)
            allowed = value in HOST or value == ord(" ") if zone else value >= 0x80
            if part != b"%25" and not allowed:
                raise _PartError(f"invalid URL escape {quote(_text(part))}")
            at += 3
            continue
        if content[at] < 0x80 and content[at] not in HOST:
            raise _PartError(f"invalid character {quote(chr(content[at]))} in host name")
        at += 1
    return unescape(text)


@dataclass(frozen=True, slots=True)
class GoUrl:
    """A parsed URL: path, host, user, password and fragment are decoded; ``raw_*`` are as they were written.

    ``user`` is None without userinfo, ``password`` None without a colon in it. ``opaque`` is the text after
    ``scheme:`` if that does not start with a slash.
    """

    scheme: str = ""
    opaque: str = ""
    user: str | None = None
    password: str | None = None
    host: str = ""
    path: str = ""
    raw_path: str = ""
    raw_query: str = ""
    force_query: bool = False
    omit_host: bool = False
    fragment: str = ""
    raw_fragment: str = ""

    def with_path(self, path: str) -> GoUrl:
        """The same URL with another (decoded) path; an opaque URL does not print it."""
        return replace(self, path=path)

    def with_query(self, raw_query: str) -> GoUrl:
        """The same URL with another encoded query."""
        return replace(self, raw_query=raw_query)

    def query(self) -> dict[str, list[str]]:
        """The decoded query by key. Pairs with ``;`` or a bad escape are dropped, as in Go."""
        pairs = self.raw_query.split("&")
        if len(pairs) > MAX_QUERY_PAIRS:
            return {}
        found: dict[str, list[str]] = {}
        for key, value in _decoded_pairs(pairs):
            found.setdefault(key, []).append(value)
        return found

    def hostname(self) -> str:
        """The host without port and brackets."""
        host, _ = self._host_and_port()
        return host[1:-1] if host.startswith("[") and host.endswith("]") else host

    def port(self) -> str:
        """The port as it was written, empty without one."""
        return self._host_and_port()[1]

    def _host_and_port(self) -> tuple[str, str]:
        host, colon, port = self.host.rpartition(":")
        return (host, port) if colon and _PORT.fullmatch(colon + port) else (self.host, "")

    def __str__(self) -> str:
        """The URL as Go prints it."""
        text = f"{self.scheme}:" if self.scheme else ""
        text += self.opaque or self._authority_and_path(bare=not text)
        if self.force_query or self.raw_query:
            text += f"?{self.raw_query}"
        if self.fragment:
            text += "#" + _as_written(self.raw_fragment, self.fragment, FRAGMENT)
        return text

    def _authority_and_path(self, *, bare: bool) -> str:
        authority = self._authority()
        path = self.escaped_path()
        if path and not path.startswith("/") and self.host:
            path = "/" + path
        if bare and not authority and ":" in path.partition("/")[0]:
            path = "./" + path
        return authority + path

    def _authority(self) -> str:
        if not (self.scheme or self.host or self.user is not None):
            return ""
        if self.omit_host and not self.host and self.user is None:
            return ""
        userinfo = "" if self.user is None else escape(self.user, USER_PASSWORD)
        if self.password is not None:
            userinfo += ":" + escape(self.password, USER_PASSWORD)
        if self.user is not None:
            userinfo += "@"
        slashes = "//" if self.host or self.path or self.user is not None else ""
        return slashes + userinfo + escape(self.host, HOST)

    def escaped_path(self) -> str:
        """The path as it was written if that is a valid encoding of it, otherwise encoded again."""
        return "*" if self.path == "*" else _as_written(self.raw_path, self.path, PATH)


def _as_written(raw: str, decoded: str, allowed: frozenset[int]) -> str:
    if raw and all(byte in allowed or byte in _ALREADY_ENCODED for byte in _bytes(raw)) and unescape(raw) == decoded:
        return raw
    return escape(decoded, allowed)


def _decoded_pairs(pairs: Sequence[str]) -> Iterator[tuple[str, str]]:
    for pair in pairs:
        if not pair or ";" in pair:
            continue
        key, _, value = pair.partition("=")
        try:
            yield unescape_query(key), unescape_query(value)
        except _PartError:
            continue


def encode_query(query: Mapping[str, Sequence[str]]) -> str:
    """``url.Values.Encode``: keys sorted by their bytes, the values of a key in order."""
    keys = sorted(query, key=_bytes)
    return "&".join(f"{escape_query(key)}={escape_query(value)}" for key in keys for value in query[key])


def parse_url(text: str, *, strict_colons: bool = True) -> GoUrl:
    """``url.Parse``. Raises UrlError, with Go's message, also for a text that cannot be encoded (a lone surrogate).

    Without ``strict_colons`` a host of http and https may have several colons, as in programs made for Go before 1.26.
    """
    try:
        _bytes(text)
    except UnicodeEncodeError as error:
        raise UrlError(f"parse {quote(text)}: not a text that can be encoded") from error
    rest, _, fragment = text.partition("#")
    try:
        url = _parse_without_fragment(rest, strict_colons)
    except _PartError as reason:
        raise UrlError(f"parse {quote(rest)}: {reason}") from None
    if not fragment:
        return url
    try:
        return replace(url, fragment=unescape(fragment), raw_fragment=fragment)
    except _PartError as reason:
        raise UrlError(f"parse {quote(text)}: {reason}") from None


def parse_request_uri(text: str, *, strict_colons: bool = True) -> GoUrl:
    """``url.ParseRequestURI``: an absolute URL or path, in which ``#`` starts no fragment. Raises UrlError."""
    try:
        _bytes(text)
        if text.startswith("//"):
            url = _parse_without_fragment("/" + text.lstrip("/"), strict_colons)
            return replace(url, path=unescape(text.partition("?")[0]))
        url = _parse_without_fragment(text, strict_colons)
    except (UnicodeEncodeError, _PartError) as reason:
        raise UrlError(f"parse {quote(text)}: {reason}") from None
    if not url.scheme and not text.startswith("/") and text != "*":
        raise UrlError(f"parse {quote(text)}: invalid URI for request")
    return url


def _parse_without_fragment(text: str, strict_colons: bool) -> GoUrl:
    if _CONTROL.search(text):
        raise _PartError("net/url: invalid control character in URL")
    if text == "*":
        return GoUrl(path="*")
    if text.startswith(":"):
        raise _PartError("missing protocol scheme")
    match = _SCHEME.match(text)
    scheme = match[1].lower() if match else ""
    rest, mark, raw_query = text[match.end() if match else 0 :].partition("?")
    url = GoUrl(scheme=scheme, raw_query=raw_query, force_query=bool(mark) and not raw_query)
    if not rest.startswith("/"):
        if scheme:
            return replace(url, opaque=rest)
        if ":" in rest.partition("/")[0]:
            raise _PartError("first path segment in URL cannot contain colon")
    if rest.startswith("//") and (scheme or not rest.startswith("///")):
        authority, slash, path = rest[2:].partition("/")
        url, rest = _with_authority(url, authority, strict_colons), slash + path
    elif scheme and rest.startswith("/"):
        url = replace(url, omit_host=True)
    return replace(url, path=unescape(rest), raw_path=rest)


def _with_authority(url: GoUrl, authority: str, strict_colons: bool) -> GoUrl:
    userinfo, at, host = authority.rpartition("@")
    url = replace(url, host=_parse_host(host, strict=strict_colons and url.scheme in {"http", "https"}))
    if not at:
        return url
    if not _USERINFO.fullmatch(userinfo):
        raise _PartError("net/url: invalid userinfo")
    user, colon, password = userinfo.partition(":")
    return replace(url, user=unescape(user), password=unescape(password) if colon else None)


def _check_port(text: str) -> None:
    if not _PORT.fullmatch(text):
        raise _PartError(f"invalid port {quote(text)} after host")


def _parse_host(host: str, *, strict: bool) -> str:
    bracket = host.rfind("[")
    if bracket > 0:
        raise _PartError("invalid IP-literal")
    if bracket == 0:
        return _parse_bracketed(host)
    if ":" in host:
        # Go refuses a second colon only for http and https; elsewhere the last colon starts the port.
        _check_port(host[host.index(":") if strict else host.rindex(":") :])
    return _unescape_host(host)


def _parse_bracketed(host: str) -> str:
    close = host.rfind("]")
    if close < 0:
        raise _PartError("missing ']' in host")
    port = host[close + 1 :]
    _check_port(port)
    name, zone = host[1:close], ""
    if "%25" in name:
        name, _, zone = name.partition("%25")
        zone = _unescape_host("%25" + zone, zone=True)
    address = _unescape_host(name) + zone
    _check_ip_literal(address)
    return f"[{address}]{port}"


def _check_ip_literal(address: str) -> None:
    """Accept an IPv6 address, with or without a zone, as Go's ``net/netip.ParseAddr`` does."""
    name, percent, zone = address.partition("%")
    try:
        version = ip_address(name).version if zone or not percent else 0
    except ValueError:
        version = 0
    if version == 4 and not percent:
        raise _PartError("invalid IP-literal")
    if version != 6:
        raise _PartError(f"invalid host: ParseAddr({quote(address)}): unable to parse IP")
