"""The values of a provider's claims, in the forms in which providers send them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Final

from bootgrant.approval.claim_texts import plain

Claims = Mapping[str, object]

_BITS: Final = 256
"""The longest whole number that is read as a value."""


def claim_of(claims: Claims, name: str) -> object:
    """Return the claim ``name`` as it came; None when it did not come.

    A name is looked up as a whole first, because ``https://example.com/groups`` is one name. Then it is split at each
    dot, the longest beginning first: ``resource_access.web.roles`` is three nested names. ``groups.name`` of a list of
    objects is a list of their names. A claim that is null did not come (OpenID Connect Core section 5.3.2).
    """
    found = claims.get(name)
    if found is not None:
        return found
    for dot in reversed([at for at, character in enumerate(name) if character == "."]):
        found = _inside(claims.get(name[:dot]), name[dot + 1 :])
        if found is not None:
            return found
    return None


def _inside(outer: object, rest: str) -> object:
    if isinstance(outer, Mapping):
        return claim_of(outer, rest)
    if isinstance(outer, (list, tuple)) and all(isinstance(each, Mapping) for each in outer):
        found = [claim_of(each, rest) for each in outer]
        return [value for each in found for value in (each if isinstance(each, list) else [each])]
    return None


def values_of(claims: Claims, name: str) -> Sequence[str]:
    """Return the texts of a claim; none when it did not come.

    Of a list, its texts, numbers and booleans as JSON writes them; of an object, the names of the members that are
    objects or true (the roles of Zitadel). A text is one value, whatever separators are in it. Objects in a list have
    no value: ``groups.name`` says which of their members counts.
    """
    return texts_of(claim_of(claims, name))


def texts_of(found: object) -> tuple[str, ...]:
    """Return the texts of a claim that came."""
    if isinstance(found, Mapping):
        return tuple(name for name, held in found.items() if held is True or (held and isinstance(held, Mapping)))
    each = found if isinstance(found, (list, tuple)) else (found,)
    if set(map(type, each)) == {str}:
        return tuple(each)
    return tuple(text for one in each if (text := _text(one)) is not None)


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return json.dumps(value) if math.isfinite(value) else None
    if isinstance(value, int):
        return json.dumps(value) if value.bit_length() <= _BITS else None
    return None


def why_left_out(claims: Claims, left_out: Mapping[str, str], name: str) -> str:
    """Return why the provider left the claim ``name`` out, as far as it says so; otherwise an empty text.

    ``left_out`` has what is known already (ports.providers.ProviderPerson). Entra ID leaves out the groups of a person
    who is in too many, and says so in ``_claim_names`` (OpenID Connect Core section 5.6.2) or ``hasgroups``.
    """
    beginnings = [name, *(name[:at] for at, character in enumerate(name) if character == ".")]
    if known := next((left_out[each] for each in beginnings if each in left_out), ""):
        return known
    elsewhere = claims.get("_claim_names")
    if isinstance(elsewhere, Mapping) and any(each in elsewhere for each in beginnings):
        return f"_claim_names: {_TOO_MANY}"
    if "groups" in beginnings and claims.get("hasgroups") in (True, "true"):
        return f"hasgroups: {_TOO_MANY}"
    marked = next((claim for claim in claims for each in beginnings if str(claim).startswith(f"{each}:src")), "")
    return f"{plain(marked)}: {_TOO_MANY}" if marked else ""


_TOO_MANY: Final = (
    "the person is in too many groups for one token; use app roles, or send only groups that are assigned to the "
    "application"
)


def is_unknown(claims: Claims, left_out: Mapping[str, str], name: str) -> bool:
    """Return whether nothing is known about the claim: it did not come, or the provider says that it is incomplete."""
    return claim_of(claims, name) is None or bool(why_left_out(claims, left_out, name))
