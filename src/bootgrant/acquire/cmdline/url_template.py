"""The variables in ``talos.config``: ``${uuid}``, ``${serial}``, ``${mac}``, ``${hostname}``, ``${code}``.

Talos (``platform/metal/url/``) replaces them in decoded query values and serialises the whole URL again: sorted, and
without the pairs that Go cannot decode. That is ``compat``. By default only the placeholders change, which keeps signed
URLs valid; a byte that a URL cannot contain is percent-encoded. docs/acquire-differences.md lists the differences.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from bootgrant.acquire.errors import BadParameter
from bootgrant.acquire.facts import VARIABLES
from bootgrant.wire import go_url
from bootgrant.wire.go_text import trim_space

# Go's (?i) uses Unicode's simple case folding: the long s (U+017F) is an s. No other letter of the names has a third
# form (the Kelvin sign is a k, and there is no k).
_LONG_S: Final = "\u017f"


def _letter(char: str) -> str:
    return f"[{char}{char.upper()}{_LONG_S}]" if char == "s" else f"[{char}{char.upper()}]"


def _encoded_letter(char: str) -> str:
    """One character of a placeholder, plain or percent-encoded."""
    forms = {char, char.upper()} | ({_LONG_S} if char == "s" else set())
    written = [re.escape(form) for form in sorted(forms)]
    written += ["".join(f"%(?i:{byte:02x})" for byte in form.encode()) for form in sorted(forms)]
    return f"(?:{'|'.join(written)})"


_DECODED = {name: re.compile(r"\$\{" + "".join(map(_letter, name)) + r"\}") for name in VARIABLES}
_WRITTEN = re.compile(
    _encoded_letter("$") + _encoded_letter("{")
    + "(?:" + "|".join(f"(?P<{name}>{''.join(map(_encoded_letter, name))})" for name in VARIABLES) + ")"
    + _encoded_letter("}")
)  # fmt: skip


def _parse(url: str) -> go_url.GoUrl:
    try:
        return go_url.parse_url(url)
    except go_url.UrlError as error:
        raise BadParameter(f"failed to parse URL: {error}", "correct talos.config") from error


def wanted_variables(url: str, *, compat: bool = False) -> tuple[str, ...]:
    """The variables that ``url`` has placeholders for, in the order of VARIABLES. Raises BadParameter if not a URL."""
    parsed = _parse(url)
    if compat:
        query = parsed.query()
        return tuple(name for name in VARIABLES if _takes(query, name))
    values = (pair.partition("=")[2] for pair in _raw_pairs(url))
    found = {match.lastgroup for value in values for match in _WRITTEN.finditer(value)}
    legacy = _legacy_uuid(url)
    return tuple(name for name in VARIABLES if name in found or (name == "uuid" and legacy))


def populate(url: str, values: Mapping[str, str], *, compat: bool = False) -> str:
    """Replace the placeholders in the query of ``url`` by ``values``; one without a value stays, escaped.

    Without placeholders the URL is returned byte for byte. Raises BadParameter if it is not a URL; its ``what`` is
    Talos's text.
    """
    parsed = _parse(url)
    wanted = wanted_variables(url, compat=compat)
    if not wanted:
        return url
    known = {name: values[name] for name in wanted if values.get(name)}
    return _as_talos(parsed, known) if compat else _in_place(url, known)


def _blank_uuid(values: list[str]) -> bool:
    """Whether Talos's old form of templating applies: key ``uuid`` without exactly one value that is not blank."""
    return not (len(values) == 1 and trim_space(values[0]))


def _takes(query: Mapping[str, list[str]], name: str) -> bool:
    if name == "uuid" and "uuid" in query and _blank_uuid(query["uuid"]):
        return True
    return any(_DECODED[name].search(value) for values in query.values() for value in values)


def _as_talos(url: go_url.GoUrl, known: Mapping[str, str]) -> str:
    query = url.query()
    for name, value in known.items():
        for key, texts in query.items():
            if name == "uuid" and key == "uuid" and _blank_uuid(texts):
                query[key] = [value]
            else:
                query[key] = [_DECODED[name].sub(_go_template(value), text) for text in texts]
    return str(url.with_query(go_url.encode_query(query)))


def _go_template(value: str) -> Callable[[re.Match[str]], str]:
    """Expand ``$1``, ``${name}`` and ``$$`` in the value as ``regexp.ReplaceAllString`` does: a bug of the reference.

    Only group 0 exists, so every other name expands to nothing.
    """

    def expanded(placeholder: re.Match[str]) -> str:
        before, *rest = value.split("$")
        text = before
        while rest:
            part = rest.pop(0)
            if not part and rest:
                text += "$" + rest.pop(0)
                continue
            name, after = _template_name(part)
            if name:
                text += (placeholder[0] if name == "0" else "") + after
            else:
                text += "$" + part
        return text

    return expanded


def _template_name(text: str) -> tuple[str, str]:
    """Split into the name after a ``$`` (bare or in braces) and the rest; the name is empty if it is malformed."""
    brace = text.startswith("{")
    start = end = int(brace)
    while end < len(text) and (text[end].isalpha() or text[end].isdecimal() or text[end] == "_"):
        end += 1
    name, after = text[start:end], text[end:]
    if brace:
        return (name, after[1:]) if after.startswith("}") else ("", text)
    return name, after


def _raw_pairs(url: str) -> list[str]:
    return url.partition("#")[0].partition("?")[2].split("&")


def _decoded(text: str) -> str:
    try:
        return go_url.unescape_query(text)
    except ValueError:
        return text


def _is_uuid_pair(pair: str) -> bool:
    return _decoded(pair.partition("=")[0]) == "uuid"


def _legacy_uuid(url: str) -> bool:
    pairs = [pair for pair in _raw_pairs(url) if _is_uuid_pair(pair)]
    return bool(pairs) and _blank_uuid([_decoded(pair.partition("=")[2]) for pair in pairs])


def _in_place(url: str, known: Mapping[str, str]) -> str:
    def written(match: re.Match[str]) -> str:
        return go_url.escape_query(known.get(match.lastgroup or "", _decoded(match[0])))

    legacy = _legacy_uuid(url) and "uuid" in known
    pairs: list[str] = []
    uuid_seen = False
    for pair in _raw_pairs(url):
        key, equals, value = pair.partition("=")
        if not (legacy and _is_uuid_pair(pair)):
            pairs.append(key + equals + _WRITTEN.sub(written, value))
        elif not uuid_seen:
            pairs.append(f"uuid={go_url.escape_query(known['uuid'])}")
            uuid_seen = True
    rest, mark, fragment = url.partition("#")
    return go_url.escape(f"{rest.partition('?')[0]}?{'&'.join(pairs)}{mark}{fragment}", go_url.ANYWHERE)
