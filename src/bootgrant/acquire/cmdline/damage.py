"""Marks that a shell, a boot loader or a web page leaves in a kernel command line that passed through it.

Talos removes no quotes and no backslashes (go-procfs), and replaces ``${name}`` only in the values of a query
(``platform/metal/url``): what is left over is sent to the server as it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterator
from ipaddress import IPv6Address
from typing import Final

from bootgrant.acquire.cmdline import settings as param
from bootgrant.acquire.cmdline.findings import Finding, Level, Subject
from bootgrant.acquire.facts import VARIABLES
from bootgrant.wire.go_text import quote, trim_space
from bootgrant.wire.go_url import GoUrl, UrlError, parse_url, unescape

_NAMES: Final = "|".join(VARIABLES)
_QUOTES: Final = re.compile("[\"'`\u00ab\u00bb\u2018-\u201f\u2032\u2033\u2039\u203a]")
_ENTITY: Final = re.compile(r"&(?:amp|lt|gt|quot|apos|nbsp|#[0-9]+|#x[0-9a-f]+);", re.IGNORECASE)
_ENCODED_TWICE: Final = re.compile(r"%25(?:24|7b|7d)", re.IGNORECASE)
_UNCLOSED: Final = re.compile(r"\$\{[^}]*$")
_GLUED: Final = re.compile(r"\$\{[^}]*\}.*?(\w+)=")
_PLACEHOLDER: Final = re.compile(rf"\$\{{(?:{_NAMES})\}}", re.IGNORECASE)
_NUL: Final = "\0"
"""Replaces a variable: nothing on a kernel command line is one."""
_LEFT_OVER: Final = re.compile(rf"\$+{_NUL}|{_NUL}\}}+|\$$")
_LEFT_PLACEHOLDER: Final = re.compile(rf"(?:\\*\$\{{|%24%7B)(?:{_NAMES})(?:\}}|%7D)", re.IGNORECASE)
_OTHER_SPELLING: Final = re.compile(
    rf"\$(?:{_NAMES})\b|\$\((?:{_NAMES})\)|(?<!\$)\{{+ *(?:{_NAMES}) *\}}+|<(?:{_NAMES})>|%(?:{_NAMES})%", re.IGNORECASE
)
_HIDDEN_IN_VALUE: Final = re.compile(r"[^\w.-](talos\.(?:platform|config(?:\.oauth\.\w+)?))=")
_WEB: Final = frozenset({"http", "https"})
_ENCODED_CONTENT: Final = (param.INLINE, param.EARLY)


def plain(text: str) -> str:
    """Undo the percent-encoding of a part of a URL; return it unchanged if Go would refuse it."""
    try:
        return unescape(text)
    except ValueError:
        return text


def _values(subject: Subject) -> Iterator[tuple[str, str]]:
    """The parameters that are texts, each with its joined values."""
    for key, values in subject.cmdline.parameters:
        if key.startswith(param.CONFIG) and key not in _ENCODED_CONTENT:
            yield key, " ".join(values)


def _query(subject: Subject) -> str:
    return (subject.config_url or "").partition("#")[0].partition("?")[2]


def _arriving(key: str, value: str) -> str:
    """A value as the server gets it: Talos undoes the percent-encoding of a query, and then sees the same marks."""
    return plain(value) if key == param.CONFIG else value


def _hidden_parameter(subject: Subject) -> Iterator[Finding]:
    for key, values in subject.cmdline.parameters:
        at = key.find(param.CONFIG) if param.CONFIG in key else key.find(param.PLATFORM)
        if at > 0:
            message = f"{quote(key[:at])} before {key[at:]} hides the parameter, so it is ignored"
            yield Finding("hidden-parameter", Level.ERROR, message, f"remove it: a parameter begins with {key[at:]}=")
        for found in filter(None, map(_HIDDEN_IN_VALUE.search, values)):
            message = f"{found[1]} is in the value of {key}, after {quote(found[0][0])}, so it is ignored"
            yield Finding("hidden-parameter", Level.ERROR, message, f"write a space before {found[1]}=")


def _quotes(subject: Subject) -> Iterator[Finding]:
    for key, value in _values(subject):
        if _QUOTES.search(_arriving(key, value)):
            message = f"the quotes in {key} are not removed; they become part of its value"
            fix = "remove them; write a space as %20, or repeat the parameter"
            yield Finding("quotes", Level.WARNING, message, fix)


def _backslash(subject: Subject) -> Iterator[Finding]:
    for key, raw in _values(subject):
        value = _arriving(key, raw)
        if "\\" in value:
            what = "a backslash before a variable" if "\\$" in value or "\\{" in value else "a backslash"
            message = f"{key} has {what}, which a shell or iPXE did not remove: the server gets it, too"
            yield Finding("backslash", Level.WARNING, message, "remove it: ?uuid=${uuid}")
    if subject.cmdline.first("\\") is not None:
        message = "a lone backslash is on the line: it continued a line in a shell, and is a parameter here"
        yield Finding("backslash", Level.WARNING, message, "remove it, and write all parameters on one line")


def _entity(subject: Subject) -> Iterator[Finding]:
    for key, value in _values(subject):
        if (found := _ENTITY.search(value)) is not None:
            message = f"{key} has {found[0]}, copied out of HTML or XML: Talos drops the query's value after it"
            yield Finding("html-entity", Level.WARNING, message, "write the character itself: & between two variables")


def _semicolon(subject: Subject) -> Iterator[Finding]:
    if any(";" in pair for pair in _ENTITY.sub("", _query(subject)).split("&")):
        message = f"a semicolon is in the query of {param.CONFIG}: Talos drops the value that contains it"
        yield Finding("semicolon", Level.WARNING, message, "separate values with &, or write %3B")


def _invisible(subject: Subject) -> Iterator[Finding]:
    for key, values in subject.cmdline.parameters:
        text = key + "".join(values)
        hidden = next((letter for letter in text if unicodedata.category(letter) in ("Cc", "Cf", "Co", "Cn")), "")
        if hidden and "talos." in key:
            message = f"{quote(key)} has a character that nobody can see, U+{ord(hidden):04X}, copied from a document"
            yield Finding("invisible-character", Level.WARNING, message, "type the parameter again")


def _unclosed(subject: Subject) -> Iterator[Finding]:
    if any(_UNCLOSED.search(plain(pair)) for pair in _query(subject).split("&")):
        message = f"a variable in {param.CONFIG} has no closing brace and is sent unchanged"
        yield Finding("unclosed-variable", Level.WARNING, message, "write ${uuid}")


def _other_spelling(subject: Subject) -> Iterator[Finding]:
    for key, value in _values(subject):
        found = _OTHER_SPELLING.search(plain(value)) if key != param.EXTRA_VARIABLE else None
        if found is not None:
            message = f"{found[0]} in {key} is not a variable for Talos and is sent unchanged"
            yield Finding("variable-spelling", Level.WARNING, message, "write ${uuid}, in a value of the query")


def _left_over(subject: Subject) -> Iterator[Finding]:
    for pair in _query(subject).split("&"):
        value = _PLACEHOLDER.sub(_NUL, plain(pair.partition("=")[2]))
        if (found := _LEFT_OVER.search(value)) is not None:
            message = f"{quote(found[0].strip(_NUL))} is next to a variable in {param.CONFIG}: the server gets it, too"
            yield Finding("left-over", Level.WARNING, message, "remove it, in what writes the line: ?uuid=${uuid}")
            return


def _encoded_twice(subject: Subject) -> Iterator[Finding]:
    for key, value in _values(subject):
        if _ENCODED_TWICE.search(value):
            message = f"a variable in {key} is percent-encoded twice, so it is sent unchanged"
            yield Finding("encoded-twice", Level.WARNING, message, "write ${uuid}, or %24%7Buuid%7D for iPXE")


def _lost_ampersand(subject: Subject) -> Iterator[Finding]:
    fix = "write & between the values: ?uuid=${uuid}&mac=${mac}, in single quotes in a shell"
    for pair in _query(subject).split("&"):
        if (found := _GLUED.search(plain(pair.partition("=")[2]))) is not None:
            message = f"the & before {found[1]}= is missing in {param.CONFIG}"
            yield Finding("lost-ampersand", Level.WARNING, message, fix)
    for key, values in subject.cmdline.parameters:
        if key.lstrip("&?;").lower() in VARIABLES and any(map(_LEFT_PLACEHOLDER.fullmatch, values)):
            message = f"{quote(key)} is a parameter of its own: it was separated from the URL in {param.CONFIG}"
            yield Finding("lost-ampersand", Level.WARNING, message, fix)


def _emptied_variable(subject: Subject) -> Iterator[Finding]:
    for pair in _query(subject).split("&"):
        name, equals, value = pair.partition("=")
        if name in VARIABLES and name != "uuid" and equals and not trim_space(plain(value)):
            message = f"{name} in the query of {param.CONFIG} is empty: a shell or iPXE may have replaced ${{{name}}}"
            yield Finding(
                "emptied-variable", Level.WARNING, message, "quote the line with single quotes, or write %24%7B"
            )


def _trailing(subject: Subject) -> Iterator[Finding]:
    for key, values in subject.cmdline.parameters:
        if key in (param.CONFIG, param.DEVICE_AUTH_URL, param.TOKEN_URL) and values[0].endswith((",", ".", ";", "\\")):
            message = f"the URL in {key} ends with {quote(values[0][-1])}, which the server gets, too"
            yield Finding("trailing-character", Level.WARNING, message, "remove it")


def urls(subject: Subject) -> Iterator[tuple[str, GoUrl | UrlError]]:
    """The URLs that will be requested, each with the parameter that sets it, as Go reads it."""
    oauth, config_url = subject.oauth, subject.config_url
    named = {} if config_url in (None, "", "none", "metal-iso") else {param.CONFIG: config_url or ""}
    if oauth is not None:
        own = {param.DEVICE_AUTH_URL: oauth.device_auth_url, param.TOKEN_URL: oauth.token_url}
        named |= {key: url for key, url in own.items() if subject.cmdline.first(key)}
    for key, url in named.items():
        try:
            yield key, parse_url(url)
        except UrlError as error:
            yield key, error


def url_problem(url: GoUrl | UrlError, schemes: Container[str] = _WEB) -> str:
    """Why Go cannot request this URL, without the URL itself, in which there may be a secret; empty if it can."""
    if isinstance(url, UrlError):
        return str(url).rpartition('": ')[2]
    if url.scheme not in schemes:
        return f"its scheme is {quote(url.scheme)}" if url.scheme else "it has no scheme"
    if url.scheme not in _WEB:
        return ""
    if not url.hostname():
        return "it names no host"
    return "its port is not between 1 and 65535" if url.port() and not 0 < int(url.port()) < 65536 else ""


def _zone(subject: Subject) -> Iterator[Finding]:
    for key, url in urls(subject):
        if isinstance(url, UrlError):
            continue
        address, percent, zone = url.hostname().partition("%")
        if percent:
            message = f"the address in {key} names the network interface {quote(zone)}, as only this machine calls it"
            yield Finding("zone", Level.WARNING, message, "use a name, or an address that is valid on every interface")
        elif _is_link_local(address):
            message = f"the address in {key} is link-local, and works only with the name of an interface (%25eth0)"
            yield Finding("zone", Level.WARNING, message, "use a name, or an address that is valid on every interface")


def _is_link_local(address: str) -> bool:
    try:
        return IPv6Address(address).is_link_local
    except ValueError:
        return False


DAMAGE: Final = (
    _hidden_parameter,
    _quotes,
    _backslash,
    _entity,
    _semicolon,
    _invisible,
    _unclosed,
    _other_spelling,
    _left_over,
    _encoded_twice,
    _lost_ampersand,
    _emptied_variable,
    _trailing,
    _zone,
)
