"""The rights of an operator or an API token before and after a change, as the details of an audit record.

``role_before``, ``labels_before``, ``role_after`` and ``labels_after`` are in each record of such a change: without the
first two where it was made, without the last two where it was revoked. Older records have none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from bootgrant.approval.operators import Label, Role

EVERY_MACHINE: Final = "every machine"
"""The labels of an operator or token without limits. No label looks like it."""

RIGHTS: Final = ("role_before", "labels_before", "role_after", "labels_after")


class HasRights(Protocol):
    """An operator, an API token, or what claims give a person."""

    @property
    def role(self) -> Role: ...
    @property
    def labels(self) -> tuple[Label, ...]: ...


def changed_rights(before: HasRights | None, after: HasRights | None) -> dict[str, str]:
    """Return the details of a change; None for what did not exist before, or no longer exists."""
    return {**_named(before, "before"), **_named(after, "after")}


def _named(rights: HasRights | None, when: str) -> dict[str, str]:
    if rights is None:
        return {}
    labels = " ".join(map(str, rights.labels)) or EVERY_MACHINE
    return {f"role_{when}": rights.role.value, f"labels_{when}": labels}


def has_rights(details: Mapping[str, str | int]) -> bool:
    """Return whether these are the details of a change of rights."""
    return any(name in details for name in RIGHTS)


def rights_in(details: Mapping[str, str | int]) -> tuple[str, str]:
    """Return the rights before and after as "approver, site=fra"; empty where the details have none."""
    role_before, labels_before, role_after, labels_after = (str(details.get(name, "")) for name in RIGHTS)
    return _joined(role_before, labels_before), _joined(role_after, labels_after)


def _joined(role: str, labels: str) -> str:
    return f"{role}, {labels}" if role else ""
