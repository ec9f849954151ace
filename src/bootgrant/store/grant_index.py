"""The live grants in memory, found by everything that machines and people ask for."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from bootgrant.approval.grant import VOTE_LIFETIME, DeviceGrant
from bootgrant.approval.transitions import UNDELIVERED, GrantState
from bootgrant.ports.grants import DECISION_KEPT
from bootgrant.wire.identity import MachineIdentity

ENDED_KEPT: Final = 600.0
"""Seconds that an ended grant stays in memory, so that a late poll gets the right answer."""

DENIAL_KEPT: Final = 24 * 3600.0
"""Seconds that a denial stays in memory: the longest cool-down that a site may set."""


def forgotten_at(grant: DeviceGrant) -> float:
    """Return when memory no longer needs this grant."""
    ended_at = max(grant.expires_at, grant.token_expires_at)
    if grant.decision is not None:
        ended_at = max(ended_at, grant.decision.at + max(DENIAL_KEPT, DECISION_KEPT))
    elif grant.state is GrantState.PENDING and grant.votes:
        ended_at = max(ended_at, grant.votes[-1].at + VOTE_LIFETIME)
    return ended_at + ENDED_KEPT


class GrantIndex:
    """Grants by id, by the digests of their codes and token, and by identity. About 1 KB each."""

    def __init__(self) -> None:
        self.by_id: dict[str, DeviceGrant] = {}
        self._by_device: dict[bytes, str] = {}
        self._by_user: dict[bytes, str] = {}
        self._by_token: dict[bytes, str] = {}
        self._pending: dict[str, None] = {}
        # Pending grants by each strong variable, oldest first.
        self._pending_by_variable = _Groups()
        # Pending grants by machine and address: those that a new request of the machine replaces.
        self._pending_by_machine = _Groups()
        # Approved, and the configuration was not fetched yet.
        self._unfetched: dict[str, None] = {}
        # Decided grants by identity key.
        self._decided = _Groups()
        # Denied grants, and those by each strong variable. Undenied ones are in neither.
        self._denied: dict[str, None] = {}
        self._denied_by_variable = _Groups()
        self._ends: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self.by_id)

    def has_code(self, grant: DeviceGrant) -> bool:
        """Return whether another grant has the same user code or device code."""
        return grant.user_code_digest in self._by_user or grant.device_code_digest in self._by_device

    def put(self, grant: DeviceGrant) -> None:
        """Add a grant, or replace it by its new state."""
        grant_id = grant.grant_id
        known = grant_id in self.by_id
        self.by_id[grant_id] = grant
        if not known:
            self._by_device[grant.device_code_digest] = grant_id
            self._by_user[grant.user_code_digest] = grant_id
            heapq.heappush(self._ends, (forgotten_at(grant), grant_id))
        if grant.state is GrantState.PENDING:
            self._pending[grant_id] = None
            for variable in grant.identity.strong():
                self._pending_by_variable.add(variable, grant_id)
            self._pending_by_machine.add(_machine(grant), grant_id)
            return
        self._no_longer_pending(grant)
        if grant.decision is not None:
            self._decided.add(_decided(grant), grant_id)
        if grant.state in UNDELIVERED:
            self._unfetched[grant_id] = None
        else:
            self._unfetched.pop(grant_id, None)
        if grant.state is GrantState.DENIED:
            self._put_denied(grant)
        elif grant.token_digest:
            self._by_token[grant.token_digest] = grant_id

    def drop(self, grant_id: str) -> None:
        """Remove a grant, if it is here."""
        grant = self.by_id.pop(grant_id, None)
        if grant is None:
            return
        self._no_longer_pending(grant)
        del self._by_device[grant.device_code_digest]
        del self._by_user[grant.user_code_digest]
        self._by_token.pop(grant.token_digest, None)
        self._unfetched.pop(grant_id, None)
        if grant.decision is not None:
            self._decided.remove(_decided(grant), grant_id)
        self._no_longer_denied(grant)

    def forget_ended(self, now: float) -> None:
        """Drop the grants that memory no longer needs. One whose end has moved is checked again at its new end."""
        while self._ends and self._ends[0][0] <= now:
            _, grant_id = heapq.heappop(self._ends)
            grant = self.by_id.get(grant_id)
            if grant is None:
                continue
            at = forgotten_at(grant)
            if at > now:
                heapq.heappush(self._ends, (at, grant_id))
            else:
                self.drop(grant_id)

    def with_device_code(self, digest: bytes) -> DeviceGrant | None:
        return self._get(self._by_device.get(digest))

    def with_user_code(self, digest: bytes) -> DeviceGrant | None:
        return self._get(self._by_user.get(digest))

    def with_token(self, digest: bytes) -> DeviceGrant | None:
        return self._get(self._by_token.get(digest))

    def pending(self, now: float, limit: int) -> Sequence[DeviceGrant]:
        """Return the grants that wait for a person, newest first."""
        waiting = (self.by_id[grant_id] for grant_id in self._pending)
        live = (grant for grant in waiting if grant.expires_at > now)
        return heapq.nlargest(limit, live, key=lambda grant: grant.opened_at)

    def pending_since(self, opened_after: float, now: float, limit: int) -> list[DeviceGrant]:
        """Return those opened after ``opened_after``, newest first, without looking at the older ones."""
        newest = (self.by_id[grant_id] for grant_id in reversed(self._pending))
        fresh = itertools.takewhile(lambda grant: grant.opened_at > opened_after, newest)
        return list(itertools.islice((grant for grant in fresh if grant.expires_at > now), limit))

    def waiting(self) -> list[str]:
        """Return a copy of the ids of pending grants, expired or not."""
        return list(self._pending)

    def unfetched(self, now: float) -> int:
        """Return how many grants are approved, not expired, and without a fetched configuration."""
        return len(self.undelivered(now))

    def undelivered(self, now: float) -> list[DeviceGrant]:
        """Return those grants."""
        return [grant for grant_id in self._unfetched if may_fetch(grant := self.by_id[grant_id], now)]

    def last_decision(self, identity: MachineIdentity, since: float) -> DeviceGrant | None:
        """Return the grant of this identity that was decided last, if that was after ``since``."""
        ids = self._decided.get((identity.key, ""))
        return newest_decision((self.by_id[grant_id] for grant_id in ids), since)

    def denial(self, identity: MachineIdentity, address: str, since: float) -> DeviceGrant | None:
        """Return the newest denial after ``since`` that applies to this machine (GrantStore.find_denial)."""
        if not self._denied:
            return None
        ids = dict.fromkeys(
            grant_id for variable in identity.strong() for grant_id in self._denied_by_variable.get(variable)
        )
        return newest_denial((self.by_id[grant_id] for grant_id in ids), identity, address, since)

    def denials(self, since: float, limit: int) -> Sequence[DeviceGrant]:
        """Return the denials after ``since``, newest first (GrantStore.denials)."""
        return newest_denials((self.by_id[grant_id] for grant_id in self._denied), since)[:limit]

    def pending_with(self, identity: MachineIdentity, now: float) -> Iterator[DeviceGrant]:
        """Return the pending, unexpired grants that share a strong variable with ``identity``, each once."""
        ids: dict[str, None] = {}
        for variable in identity.strong():
            ids.update(dict.fromkeys(self._pending_by_variable.get(variable)))
        return (grant for grant_id in ids if (grant := self.by_id[grant_id]).expires_at > now)

    def replaced_by(self, grant: DeviceGrant) -> list[DeviceGrant]:
        """Return the pending grants of the same machine (identity key and address), which ``grant`` replaces."""
        return [self.by_id[grant_id] for grant_id in self._pending_by_machine.get(_machine(grant))]

    def _get(self, grant_id: str | None) -> DeviceGrant | None:
        return None if grant_id is None else self.by_id.get(grant_id)

    def _put_denied(self, grant: DeviceGrant) -> None:
        if grant.undenied is not None:
            self._no_longer_denied(grant)
            return
        self._denied[grant.grant_id] = None
        for variable in grant.identity.strong():
            self._denied_by_variable.add(variable, grant.grant_id)

    def _no_longer_denied(self, grant: DeviceGrant) -> None:
        if self._denied.pop(grant.grant_id, self) is self:
            return
        for variable in grant.identity.strong():
            self._denied_by_variable.remove(variable, grant.grant_id)

    def _no_longer_pending(self, grant: DeviceGrant) -> None:
        if self._pending.pop(grant.grant_id, self) is self:
            return
        for variable in grant.identity.strong():
            self._pending_by_variable.remove(variable, grant.grant_id)
        self._pending_by_machine.remove(_machine(grant), grant.grant_id)


def may_fetch(grant: DeviceGrant, now: float) -> bool:
    """Return whether a configuration that was not delivered can still be fetched."""
    if grant.state is GrantState.REDEEMED:
        return grant.token_expires_at > now
    return grant.state_at(now) is GrantState.APPROVED


def newest_denial(
    denied: Iterable[DeviceGrant], identity: MachineIdentity, address: str, since: float
) -> DeviceGrant | None:
    """Return the newest of ``denied`` after ``since`` that applies to ``identity`` at ``address``."""
    applying = (grant for grant in denied if _applies(grant, identity, address))
    return next(iter(newest_denials(applying, since)), None)


def newest_denials(denied: Iterable[DeviceGrant], since: float) -> list[DeviceGrant]:
    """Return those of ``denied`` that were denied after ``since`` and not undenied, newest first."""
    found = [
        (grant.decision.at, grant)
        for grant in denied
        if grant.undenied is None and grant.decision is not None and grant.decision.at > since
    ]
    return [grant for _, grant in sorted(found, key=lambda pair: pair[0], reverse=True)]


def _applies(denial: DeviceGrant, identity: MachineIdentity, address: str) -> bool:
    is_here = denial.source_address == address and denial.identity.may_be(identity)
    return is_here or denial.identity.key == identity.key


def newest_decision(decided: Iterable[DeviceGrant], since: float) -> DeviceGrant | None:
    """Return the grant of ``decided`` that was decided last, if that was after ``since``."""
    found = [(grant.decision.at, grant.grant_id, grant) for grant in decided if grant.decision is not None]
    last = max(found, key=lambda each: each[:2], default=None)
    return last[2] if last is not None and last[0] > since else None


def _decided(grant: DeviceGrant) -> tuple[str, str]:
    return grant.identity.key, ""


def _machine(grant: DeviceGrant) -> tuple[str, str]:
    return grant.identity.key, grant.source_address


class _Groups:
    """Sets of ids by key, in insertion order. Nearly every set has one id, which is stored without a dictionary."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str], str | dict[str, None]] = {}

    def __bool__(self) -> bool:
        return bool(self._groups)

    def add(self, key: tuple[str, str], grant_id: str) -> None:
        group = self._groups.setdefault(key, grant_id)
        if isinstance(group, dict):
            group[grant_id] = None
        elif group != grant_id:
            self._groups[key] = {group: None, grant_id: None}

    def remove(self, key: tuple[str, str], grant_id: str) -> None:
        group = self._groups[key]
        if isinstance(group, dict):
            del group[grant_id]
        if not group or group == grant_id:
            del self._groups[key]

    def get(self, key: tuple[str, str]) -> Iterable[str]:
        group = self._groups.get(key, ())
        return (group,) if isinstance(group, str) else group
