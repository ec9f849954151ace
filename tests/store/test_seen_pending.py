"""A pending grant is remembered for polls until a newer version is heard of."""

from __future__ import annotations

from bootgrant.approval.transitions import GrantState
from bootgrant.store.postgres.watching import SeenPending
from support.grants import NOW, decision_by, pending_grant

GRANT, _ = pending_grant()
DENIED = GRANT._replace(state=GrantState.DENIED, decision=decision_by("ana", NOW))


def test_a_pending_grant_is_found_by_id_and_by_code() -> None:
    seen = SeenPending()
    seen.put(GRANT, 1)
    assert seen.get(GRANT.grant_id) == seen.with_code(GRANT.device_code_digest) == (GRANT, 1)


def test_a_decided_grant_is_not_remembered_and_removes_the_pending_one() -> None:
    seen = SeenPending()
    seen.put(GRANT, 1)
    seen.put(DENIED, 2)
    assert seen.get(GRANT.grant_id) is None
    assert seen.with_code(GRANT.device_code_digest) is None


def test_news_of_a_newer_version_removes_a_grant_and_of_the_same_does_not() -> None:
    seen = SeenPending()
    seen.put(GRANT, 2)
    seen.changed(GRANT.grant_id, 2)
    assert seen.get(GRANT.grant_id) == (GRANT, 2)
    seen.changed(GRANT.grant_id, 3)
    assert seen.get(GRANT.grant_id) is None


def test_a_read_that_was_overtaken_by_news_is_not_remembered() -> None:
    seen = SeenPending()
    seen.changed(GRANT.grant_id, 2)
    seen.put(GRANT, 1)
    assert seen.get(GRANT.grant_id) is None


def test_an_older_read_does_not_replace_a_newer_one() -> None:
    seen = SeenPending()
    seen.put(GRANT, 3)
    seen.put(GRANT, 2)
    assert seen.get(GRANT.grant_id) == (GRANT, 3)


def test_the_oldest_grants_are_dropped_when_there_are_too_many() -> None:
    seen = SeenPending(seen=2, heard=2)
    grants = [
        pending_grant(grant_id=f"{number:032x}", device_code_digest=bytes([number]) * 32)[0] for number in range(3)
    ]
    for grant in grants:
        seen.put(grant, 1)
        seen.changed(grant.grant_id, 1)
    assert [seen.get(grant.grant_id) is not None for grant in grants] == [False, True, True]
    seen.clear()
    assert all(seen.get(grant.grant_id) is None for grant in grants)
