"""``/audit/refused``: refused sign-ins, newest first, with what the providers sent. For admins."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.operators import via_oidc
from bootgrant.operator_plane.plane import OperatorPlane
from bootgrant.operator_plane.visit import Visit
from bootgrant.ports.audit import AuditFilter

_PAGE: Final = 25
_REFUSED: Final = AuditFilter(kinds=(AuditKind.SIGN_IN_REFUSED,))
_NUMBERED: Final = re.compile(r"(came|rule)_(\d{1,3})")


@dataclass(frozen=True, slots=True)
class Refused:
    """One refused sign-in. All texts are untrusted. ``many`` counts those that were not recorded one by one."""

    at: float
    via: str
    account: str
    address: str
    why: str
    said: str
    problem: str
    came: tuple[str, ...]
    rules: tuple[str, ...]
    claims: str
    nearest: str
    many: int


async def show(visit: Visit) -> Response:
    """Show refused sign-ins older than the record number ``before``."""
    asked = visit.query("before")
    before = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 16 else None
    found = await visit.plane.audit.newest(_REFUSED, _PAGE + 1, before)
    return visit.page(
        "refused.html",
        rows=[_refused(visit.plane, record.event) for record in found[:_PAGE]],
        older=f"/audit/refused?before={found[_PAGE - 1].seq}" if len(found) > _PAGE else "",
        newest="/audit/refused" if before else "",
    )


def _refused(plane: OperatorPlane, event: AuditEvent) -> Refused:
    def text(name: str) -> str:
        return str(event.details.get(name, ""))

    many = event.details.get("refused", 0)
    labels = {via_oidc(one.provider_id): one.label for one in plane.oidc.providers.values()}
    return Refused(
        event.at,
        labels.get(event.via, event.via),
        text("account") or event.actor,
        event.address or text("from"),
        event.reason,
        text("provider_said"),
        text("problem"),
        _numbered(event.details, "came"),
        _numbered(event.details, "rule"),
        text("claims"),
        text("nearest"),
        many if isinstance(many, int) else 0,
    )


def _numbered(details: Mapping[str, str | int], name: str) -> tuple[str, ...]:
    found = [(match, str(value)) for each, value in details.items() if (match := _NUMBERED.fullmatch(each))]
    return tuple(value for match, value in sorted(found, key=lambda one: int(one[0][2])) if match[1] == name)
