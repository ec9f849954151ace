"""Which releases of Talos know a kind or a key, for the message about one that the chosen release does not know."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bootgrant.machines.talos.container_types import Free, ListOf, MapOf, Pointer, Struct
from bootgrant.machines.talos.scalar_types import GoType
from bootgrant.machines.talos.tables import RELEASES, TalosTables, talos_tables

_INDEX = re.compile(r"\[\d+\]")
_KEY_END = re.compile(r"(?=[.\[])")


def known_elsewhere(tables: TalosTables, api_version: str, kind: str, path: str = "") -> str:
    """Return a message that names the release in which a kind, or a path in it, appears or was last, else "".

    ``path`` is as in ``machine.network.interfaces[0].mtu``. Only releases other than that of ``tables`` are looked at.
    """
    knowing = [release for release in RELEASES if _knows(talos_tables(release), api_version, kind, path)]
    return message(path or kind, tables.release, knowing)


def message(shown: str, release: str, knowing: Sequence[str]) -> str:
    """Return the message for something that ``release`` does not know and those of ``knowing`` do; "" if none does."""
    at = RELEASES.index(release)
    later = next((known for known in knowing if RELEASES.index(known) > at), "")
    earlier = next((known for known in reversed(knowing) if RELEASES.index(known) < at), "")
    if not later and not earlier:
        return ""
    found = f"appears in Talos {later}" if later else f"was last in Talos {earlier}"
    advice = f'remove it, or set talos: "{later or earlier}" if that is what the machine runs'
    return f"{shown} {found}, and this is for Talos {release}: {advice}"


def _knows(tables: TalosTables, api_version: str, kind: str, path: str) -> bool:
    known = tables.kinds.get((api_version, kind))
    return known is not None and (not path or has_path(known.type, path))


def has_path(type_: GoType, path: str) -> bool:
    """Return whether a type has a path that ends with a field.

    Keys of maps may contain dots, so each way to read one is tried.
    """
    match type_:
        case Free():
            return True
        case Pointer():
            return has_path(type_.target, path)
        case ListOf():
            index = _INDEX.match(path)
            return index is not None and _has_rest(type_.element, path[index.end() :])
        case Struct():
            name = _KEY_END.split(path, maxsplit=1)[0]
            known = type_.fields.get(name)
            return known is not None and _has_rest(known.type, path[len(name) :])
        case MapOf():
            ends = [found.start() for found in _KEY_END.finditer(path, 1)]
            return any(has_path(type_.element, path[end:].removeprefix(".")) for end in ends)
        case _:
            return False


def _has_rest(type_: GoType, rest: str) -> bool:
    return not rest or has_path(type_, rest.removeprefix("."))
