"""Words for what arrived from a provider: names and kinds for a message, on one line, never a token or a secret."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from bootgrant.wire.secret import Secret

_LONGEST: Final = 300
"""Characters of a text of a provider in a message or on a page."""
_LONGEST_NAME: Final = 60
_MOST_NAMES: Final = 12
_SHORTEST_HIDDEN: Final = 8
"""Characters. A shorter secret is also a part of ordinary words."""
_USER_INFO: Final = re.compile(r"(?<=//)[^/?#@\s]+@")
"""The user and the password of a URL (RFC 3986 section 3.2.1)."""


def cleaned(text: object, most: int = _LONGEST, hidden: Iterable[Secret] = ()) -> str:
    """Return a text of a provider as one printable line of at most ``most`` characters, empty if it is not a text.

    The secrets in ``hidden`` are replaced: some providers repeat in an error what they were sent. So are user and
    password of a URL.
    """
    if not isinstance(text, str):
        return ""
    text = _USER_INFO.sub("…@", without(text, hidden)[: 4 * most])
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def without(text: str, hidden: Iterable[Secret]) -> str:
    """Return a text with the secrets replaced that it repeats."""
    for secret in hidden:
        if len(secret.reveal()) >= _SHORTEST_HIDDEN:
            text = text.replace(secret.reveal(), "…")
    return text


def kind_of(value: object) -> str:
    """Return what a JSON value is, such as ``a list``."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case "":
            return "an empty text"
        case str():
            return "a text"
        case list() | tuple():
            return "a list"
        case _:
            return "an object"


def names_of(members: Mapping[str, Any]) -> str:
    """Return the names of the members of an answer, without their values."""
    names = [cleaned(name, _LONGEST_NAME) for name in sorted(members)]
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{', '.join(names[:_MOST_NAMES])}{more}" if names else "no members"


def quoted(value: object) -> str:
    """Return a text or a list of texts in quotes, for values that may be shown; of another value, its kind."""
    if isinstance(value, str) and value:
        return f"'{cleaned(value, _LONGEST_NAME * 2)}'"
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        more = f" and {len(value) - 5} more" if len(value) > 5 else ""
        return f"[{', '.join(quoted(item) for item in value[:5])}]{more}"
    return kind_of(value)


def span(seconds: float) -> str:
    """Return how long something is: ``75 s``, or days if it is long."""
    if seconds < 2 * 86400:
        return f"{seconds:.0f} s"
    days = seconds / 86400
    return f"{days:.0f} days" if days < 100_000 else "more than 100000 days"
