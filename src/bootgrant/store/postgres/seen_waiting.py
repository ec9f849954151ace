"""Grants that this server has seen waiting: a poll of one is answered without asking the database again.

Only for polls. Who takes a step still makes one conditional statement, so what is too old here gives nobody anything;
it can only let a poll wait until the next look at the table (news.py).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from bootgrant.approval.grant import DeviceGrant, GrantState

SEEN: Final = 100_000
HEARD: Final = 10_000
"""How many grants, and how many of the newest versions heard of, are remembered."""


class SeenWaiting:
    """Pending grants by id and by device code, each until a newer version of it is heard of."""

    def __init__(self, seen: int = SEEN, heard: int = HEARD) -> None:
        self._most = seen
        self._most_heard = heard
        self._seen: OrderedDict[str, tuple[DeviceGrant, int]] = OrderedDict()
        self._ids: dict[bytes, str] = {}
        # News can overtake the answer to a read that was under way: such an answer is old when it arrives.
        self._heard: OrderedDict[str, int] = OrderedDict()

    def put(self, grant: DeviceGrant, version: int) -> None:
        """A row as it was read or written."""
        known = self._seen.get(grant.grant_id)
        if known is not None and known[1] > version:
            return
        self.drop(grant.grant_id)
        if grant.state is not GrantState.PENDING or self._heard.get(grant.grant_id, 0) > version:
            return
        self._seen[grant.grant_id] = (grant, version)
        self._ids[grant.device_code_digest] = grant.grant_id
        if len(self._seen) > self._most:
            self.drop(next(iter(self._seen)))

    def changed(self, grant_id: str, version: int) -> None:
        """News of a version."""
        self._heard[grant_id] = max(version, self._heard.pop(grant_id, 0))
        if len(self._heard) > self._most_heard:
            self._heard.popitem(last=False)
        known = self._seen.get(grant_id)
        if known is not None and version > known[1]:
            self.drop(grant_id)

    def drop(self, grant_id: str) -> None:
        """Forget it; harmless when it is not here."""
        known = self._seen.pop(grant_id, None)
        if known is not None:
            del self._ids[known[0].device_code_digest]

    def clear(self) -> None:
        """Forget them all: changes may have been missed."""
        self._seen.clear()
        self._ids.clear()

    def of(self, grant_id: str) -> tuple[DeviceGrant, int] | None:
        """The grant and the version that was seen."""
        return self._seen.get(grant_id)

    def of_code(self, digest: bytes) -> tuple[DeviceGrant, int] | None:
        """The same by the digest of the device code."""
        grant_id = self._ids.get(digest)
        return None if grant_id is None else self._seen.get(grant_id)
