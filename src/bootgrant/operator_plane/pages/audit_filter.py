"""Which events the audit page shows: the filter in its address, read and written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

from bootgrant.approval.audit import AuditKind
from bootgrant.approval.moments import BadMoment, read_moment
from bootgrant.operator_plane.visit import Visit
from bootgrant.operator_plane.wording import sentence, text
from bootgrant.ports.audit import AuditFilter
from bootgrant.wire.identity import MachineIdentity, canonical_mac, canonical_uuid

GROUPS: Final[Mapping[str, tuple[AuditKind, ...]]] = {
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
    "server": (AuditKind.CONFIG_SNAPSHOT, AuditKind.CONFIG_ACCEPTED, AuditKind.SEALED, AuditKind.RESTORED),
}  # fmt: skip
SPANS: Final = {"hour": 3600.0, "today": 0.0, "week": 7 * 86400.0}
"""Seconds before now. Today begins at midnight: of UTC, or of the person's zone if a script has added ``since``."""

FOLDED: Final = (AuditKind.OPENED,)
"""Machines keep asking; these events are counted, and shown after a tap."""

_NAMES: Final = ("what", "who", "entry", "machine", "request", "span", "since", "until", "asked")
LENGTH: Final = 100
"""Characters of a field."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The fields of the address. ``machine`` is a serial, a MAC address or a UUID. ``problem`` is a sentence."""

    fields: Mapping[str, str]
    since: float | None = None
    until: float | None = None
    problem: str = ""
    which: AuditFilter = field(default_factory=AuditFilter)

    @property
    def folds(self) -> bool:
        """Whether the requests of machines are left out."""
        return not (self.fields["what"] or self.fields["asked"] or self.fields["request"])

    @property
    def shown(self) -> AuditFilter:
        """What the page lists."""
        return replace(self.which, without=FOLDED) if self.folds else self.which

    @property
    def folded(self) -> AuditFilter:
        """What it counts instead."""
        return replace(self.which, kinds=FOLDED)

    @property
    def is_story(self) -> bool:
        """Whether this is everything about one machine, entry or person, and not narrowed by anything else."""
        names = [name for name in _NAMES if self.fields[name] and name != "asked"]
        return names in (["who"], ["entry"], ["machine"])

    def link(self, page: str = "/audit", **changed: str) -> str:
        """Return the address of this filter with some fields changed."""
        query = urlencode({name: value for name, value in {**self.fields, **changed}.items() if value})
        return f"{page}?{query}" if query else page


async def read_filter(visit: Visit) -> Asked:
    """Read the filter. An unreadable time is not applied, and named in ``problem``."""
    fields = {name: visit.query(name)[:LENGTH].strip() for name in _NAMES}
    fields["what"] = fields["what"] if fields["what"] in GROUPS else ""
    fields["span"] = fields["span"] if fields["span"] in SPANS else ""
    if found := visit.query("find")[:LENGTH].strip():
        # A link to a machine never becomes one to an entry: what a machine reports can be the name of an entry.
        is_entry = await _is_entry(visit, found)
        fields["entry"], fields["machine"] = (found, "") if is_entry else ("", found)
    since, until, problem = _times(fields, visit.plane.clock.now())
    which = AuditFilter(
        kinds=GROUPS.get(fields["what"], ()),
        actor=fields["who"],
        grant_id=fields["request"],
        entry=fields["entry"],
        machine=_machine(fields["machine"]) if fields["machine"] else None,
        since=since,
        until=until,
    )
    return Asked(fields, since, until, problem, which)


def _machine(words: str) -> MachineIdentity:
    """Return every reading of a serial, a MAC address or a UUID. One that nothing matches finds nothing."""
    return MachineIdentity.from_claim(dict.fromkeys(MachineIdentity.STRONG, words))


async def _is_entry(visit: Visit, words: str) -> bool:
    """Return whether this is the name of an entry in the audit, and not what is printed on a machine."""
    if canonical_mac(words) or canonical_uuid(words):
        return False
    return await visit.plane.audit.count(AuditFilter(entry=words), 1) > 0


def _times(fields: Mapping[str, str], now: float) -> tuple[float | None, float | None, str]:
    """Return the beginning, the end, and a problem with one of them."""
    midnight = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    since = None
    if fields["span"]:
        since = midnight if fields["span"] == "today" else now - SPANS[fields["span"]]
    until = None
    try:
        if fields["since"]:
            since = read_moment(fields["since"], now, UTC)
        if fields["until"]:
            until = _end(fields["until"])
    except (BadMoment, ValueError) as error:
        words = str(error) if isinstance(error, BadMoment) else text("audit.bad_until", until=fields["until"])
        return since, None, sentence(words)
    return since, until, ""


def _end(words: str) -> float:
    """Return an ISO 8601 time, which may be in the future. Raises ValueError."""
    moment = datetime.fromisoformat(words)
    end = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    # With its zone, the first or last day that can be written may be one that cannot be shown in UTC.
    datetime.fromtimestamp(end, UTC)
    return end
