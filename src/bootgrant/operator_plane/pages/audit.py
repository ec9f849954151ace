"""``/audit``: the events, newest first, with filters. Read-only and without secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from starlette.responses import Response

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.changed_rights import RIGHTS, has_rights, rights_in
from bootgrant.approval.claim_reasons import explained_details
from bootgrant.approval.evidence import Verdict
from bootgrant.operator_plane.pages.machine_view import reported
from bootgrant.operator_plane.permissions import Permission, is_allowed
from bootgrant.operator_plane.visit import Visit, actor_of
from bootgrant.operator_plane.wording import text
from bootgrant.ports.audit import AuditFilter

_PAGE: Final = 50
_LENGTH: Final = 100
_HIDDEN: Final = frozenset({"asked", "voted", "client", "size", "delivery", *RIGHTS})
"""Details that are only for programs, or shown in another form."""
_GROUPS: Final[Mapping[str, tuple[AuditKind, ...]]] = {
    "decisions": (
        AuditKind.VOTED, AuditKind.VOTE_MOVED, AuditKind.VOTE_WITHDRAWN, AuditKind.APPROVED, AuditKind.DENIED,
        AuditKind.UNDENIED, AuditKind.REVOKED, AuditKind.VOIDED,
    ),
    "deliveries": (
        AuditKind.DELIVERED, AuditKind.OTHER_ADDRESS, AuditKind.PREVIEW_REVEALED, AuditKind.MINTED, AuditKind.UNMINTED,
    ),
    "requests": (AuditKind.OPENED, AuditKind.STORM, AuditKind.CODE_AGAIN),
    "machines": (AuditKind.ASSIGNED, AuditKind.UNASSIGNED, AuditKind.ARMED, AuditKind.DISARMED),
    "people": (
        AuditKind.SIGNED_IN, AuditKind.SIGNED_OUT, AuditKind.SIGN_IN_REFUSED, AuditKind.TOKEN_REFUSED,
        AuditKind.OPERATOR_CHANGED, AuditKind.TOKEN_CHANGED,
    ),
    "server": (AuditKind.CONFIG_SNAPSHOT, AuditKind.CONFIG_ACCEPTED, AuditKind.SEALED),
}  # fmt: skip


async def show(visit: Visit) -> Response:
    """Show events by ``?what=decisions&who=ana&entry=cp-1&request=ID``, older than the number ``before``."""
    asked = {name: visit.query(name)[:_LENGTH].strip() for name in ("what", "who", "entry", "request", "before")}
    asked["what"] = asked["what"] if asked["what"] in _GROUPS else ""
    before = int(asked["before"]) if asked["before"].isascii() and asked["before"].isdigit() else None
    which = AuditFilter(
        kinds=_GROUPS.get(asked["what"], ()), actor=asked["who"], grant_id=asked["request"], entry=asked["entry"]
    )
    found = await visit.plane.audit.newest(which, _PAGE + 1, before if before and before < 2**53 else None)
    rows = [(record.event, reported(record.event.identity), _facts(record.event)) for record in found[:_PAGE]]
    return visit.page(
        "audit.html",
        rows=rows,
        asked=asked,
        groups=tuple(_GROUPS),
        older=_link({**asked, "before": str(found[_PAGE - 1].seq)}) if len(found) > _PAGE else "",
        newest=_link({**asked, "before": ""}) if before else "",
        may_see_refused=is_allowed(actor_of(visit), Permission.ADMIN),
        may_undo=is_allowed(actor_of(visit), Permission.ADMIN_OF_ALL),
        undo_query=f"?{urlencode({'by': asked['who']})}" if asked["who"] else "",
    )


def _link(asked: Mapping[str, str]) -> str:
    query = urlencode({name: value for name, value in asked.items() if value})
    return f"/audit?{query}" if query else "/audit"


def _facts(event: AuditEvent) -> list[tuple[str, str]]:
    """Return pairs of a name and a possibly untrusted text."""
    values = {
        "entry": f"{event.entry} @ {event.revision[:12]}" if event.revision else event.entry,
        "address": event.address,
        "via": event.via,
        "reason": event.reason,
        "sha256": event.digest[:16],
        "mismatches": "; ".join(check.detail for check in event.evidence if check.verdict is Verdict.MISMATCH),
    }
    facts = [(text(f"audit.fact_{name}"), value) for name, value in values.items() if value]
    hidden = _HIDDEN | explained_details(event.details)
    details = [(name.replace("_", " "), str(value)) for name, value in event.details.items() if name not in hidden]
    return facts + details + _rights(event)


def _rights(event: AuditEvent) -> list[tuple[str, str]]:
    """Return what an operator or a token could do before and after the change."""
    if not has_rights(event.details):
        return []
    before, after = (rights or text("audit.no_rights") for rights in rights_in(event.details))
    return [(text("audit.fact_before"), before), (text("audit.fact_after"), after)]
