"""The grants that machines and people may still ask about, found in memory by everything they are asked by."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from bootgrant.approval.grant import DeviceGrant, GrantState
from bootgrant.wire.identity import MachineIdentity

UNASKED: Final = 600.0
"""Seconds after its end in which a grant stays in memory, so that who asks late is told what happened."""

DENIAL_KEPT: Final = 24 * 3600.0
"""Seconds in which a denial stays in memory: the longest cool-down that a site may set."""


_UNFETCHED: Final = frozenset({GrantState.APPROVED, GrantState.REDEEMED})


def forgotten_at(grant: DeviceGrant) -> float:
    """When nobody needs this grant in memory any more."""
    over_at = max(grant.expires_at, grant.token_expires_at)
    if grant.state is GrantState.DENIED and grant.decision is not None:
        over_at = max(over_at, grant.decision.at + DENIAL_KEPT)
    return over_at + UNASKED


class GrantIndex:
    """Grants by id, by the digests of their codes and token, by identity. About 1 KB each."""

    def __init__(self) -> None:
        self.by_id: dict[str, DeviceGrant] = {}
        self._by_device: dict[bytes, str] = {}
        self._by_user: dict[bytes, str] = {}
        self._by_token: dict[bytes, str] = {}
        # Pending grants by each strong variable, in the order in which they were opened.
        self._asking = _Groups()
        # The same by machine and address: whom a new request of this machine replaces.
        self._asking_as = _Groups()
        self._pending: dict[str, None] = {}
        # Approved, and nobody came for the configuration yet.
        self._unfetched: dict[str, None] = {}
        # Denied grants by each strong variable.
        self._denied = _Groups()
        self._ends: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self.by_id)

    def has_code(self, grant: DeviceGrant) -> bool:
        """Whether another grant has the same user code or device code."""
        return grant.user_code_digest in self._by_user or grant.device_code_digest in self._by_device

    def put(self, grant: DeviceGrant) -> None:
        """Add a grant, or take its new state over."""
        grant_id = grant.grant_id
        known = grant_id in self.by_id
        self.by_id[grant_id] = grant
        if not known:
            self._by_device[grant.device_code_digest] = grant_id
            self._by_user[grant.user_code_digest] = grant_id
            heapq.heappush(self._ends, (forgotten_at(grant), grant_id))
        if grant.state is GrantState.PENDING:
            self._pending[grant_id] = None
            for key in grant.identity.strong():
                self._asking.join(key, grant_id)
            self._asking_as.join(_as(grant), grant_id)
            return
        self._no_longer_pending(grant)
        if grant.state in _UNFETCHED:
            self._unfetched[grant_id] = None
        else:
            self._unfetched.pop(grant_id, None)
        if grant.state is GrantState.DENIED:
            for key in grant.identity.strong():
                self._denied.join(key, grant_id)
        elif grant.token_digest:
            self._by_token[grant.token_digest] = grant_id

    def drop(self, grant_id: str) -> None:
        """Forget a grant; harmless when it is not here."""
        grant = self.by_id.pop(grant_id, None)
        if grant is None:
            return
        self._no_longer_pending(grant)
        del self._by_device[grant.device_code_digest]
        del self._by_user[grant.user_code_digest]
        self._by_token.pop(grant.token_digest, None)
        self._unfetched.pop(grant_id, None)
        if grant.state is GrantState.DENIED:
            for key in grant.identity.strong():
                self._denied.leave(key, grant_id)

    def forget_ended(self, now: float) -> None:
        """Drop what nobody needs any more; a grant that lives longer than it once seemed is looked at again then."""
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
        return self._of(self._by_device.get(digest))

    def with_user_code(self, digest: bytes) -> DeviceGrant | None:
        return self._of(self._by_user.get(digest))

    def with_token(self, digest: bytes) -> DeviceGrant | None:
        return self._of(self._by_token.get(digest))

    def pending(self, now: float, limit: int) -> Sequence[DeviceGrant]:
        """Those that wait for a person, newest first."""
        waiting = (self.by_id[grant_id] for grant_id in self._pending)
        live = (grant for grant in waiting if grant.expires_at > now)
        return heapq.nlargest(limit, live, key=lambda grant: grant.opened_at)

    def pending_since(self, opened_after: float, now: float, limit: int) -> list[DeviceGrant]:
        """Those opened after ``opened_after``, newest first; it looks at no older one but the first that it meets."""
        newest = (self.by_id[grant_id] for grant_id in reversed(self._pending))
        fresh = itertools.takewhile(lambda grant: grant.opened_at > opened_after, newest)
        return list(itertools.islice((grant for grant in fresh if grant.expires_at > now), limit))

    def waiting(self) -> list[str]:
        """A copy of the ids of what waits for a person, expired or not."""
        return list(self._pending)

    def unfetched(self, now: float) -> int:
        """How many are approved, in time, and have not fetched their configuration."""
        grants = (self.by_id[grant_id] for grant_id in self._unfetched)
        return sum(1 for grant in grants if _may_fetch(grant, now))

    def denial(self, identity: MachineIdentity, address: str, since: float) -> DeviceGrant | None:
        """The newest denial after ``since`` that holds for this machine (ports.grant_store.find_denial)."""
        if not self._denied:
            return None
        ids = dict.fromkeys(grant_id for key in identity.strong() for grant_id in self._denied.of(key))
        return newest_denial((self.by_id[grant_id] for grant_id in ids), identity, address, since)

    def asking_with(self, identity: MachineIdentity, now: float) -> Iterator[DeviceGrant]:
        """Pending, unexpired grants that share a strong variable with ``identity``, each once."""
        ids: dict[str, None] = {}
        for key in identity.strong():
            ids.update(dict.fromkeys(self._asking.of(key)))
        return (grant for grant_id in ids if (grant := self.by_id[grant_id]).expires_at > now)

    def replaced_by(self, grant: DeviceGrant) -> list[DeviceGrant]:
        """The pending grants of the same machine (identity key and address), which ``grant`` replaces."""
        return [self.by_id[grant_id] for grant_id in self._asking_as.of(_as(grant))]

    def _of(self, grant_id: str | None) -> DeviceGrant | None:
        return None if grant_id is None else self.by_id.get(grant_id)

    def _no_longer_pending(self, grant: DeviceGrant) -> None:
        if self._pending.pop(grant.grant_id, self) is self:
            return
        for key in grant.identity.strong():
            self._asking.leave(key, grant.grant_id)
        self._asking_as.leave(_as(grant), grant.grant_id)


def _may_fetch(grant: DeviceGrant, now: float) -> bool:
    if grant.state is GrantState.REDEEMED:
        return grant.token_expires_at > now
    return grant.state_at(now) is GrantState.APPROVED


def newest_denial(
    denied: Iterable[DeviceGrant], identity: MachineIdentity, address: str, since: float
) -> DeviceGrant | None:
    """The newest of ``denied`` after ``since`` that holds for ``identity`` at ``address``."""
    holding = [
        (grant.decision.at, grant)
        for grant in denied
        if grant.decision is not None
        and grant.decision.at > since
        and (
            grant.identity.key == identity.key or (grant.source_address == address and grant.identity.may_be(identity))
        )
    ]
    return max(holding, key=lambda held: held[0])[1] if holding else None


def _as(grant: DeviceGrant) -> tuple[str, str]:
    return grant.identity.key, grant.source_address


class _Groups:
    """Ids by a key, in the order in which they joined. Nearly every group is of one, and has no dictionary then."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str], str | dict[str, None]] = {}

    def __bool__(self) -> bool:
        return bool(self._groups)

    def join(self, key: tuple[str, str], grant_id: str) -> None:
        group = self._groups.setdefault(key, grant_id)
        if isinstance(group, dict):
            group[grant_id] = None
        elif group != grant_id:
            self._groups[key] = {group: None, grant_id: None}

    def leave(self, key: tuple[str, str], grant_id: str) -> None:
        group = self._groups[key]
        if isinstance(group, dict):
            del group[grant_id]
        if not group or group == grant_id:
            del self._groups[key]

    def of(self, key: tuple[str, str]) -> Iterable[str]:
        group = self._groups.get(key, ())
        return (group,) if isinstance(group, str) else group
