"""A waiting grant is remembered for polls, and never beyond the news of a newer version."""

from __future__ import annotations

from bootgrant.approval.grant import GrantState
from bootgrant.store.postgres.watching import SeenPending
from support.grants import NOW, decision_by, pending_grant

GRANT, _ = pending_grant()
DENIED = GRANT._replace(state=GrantState.DENIED, decision=decision_by("ana", NOW))


def test_what_was_read_waiting_is_found_by_id_and_by_code() -> None:
    seen = SeenPending()
    seen.put(GRANT, 1)
    assert seen.get(GRANT.grant_id) == seen.with_code(GRANT.device_code_digest) == (GRANT, 1)


def test_a_decided_grant_is_not_kept_and_replaces_what_was() -> None:
    seen = SeenPending()
    seen.put(GRANT, 1)
    seen.put(DENIED, 2)
    assert seen.get(GRANT.grant_id) is None
    assert seen.with_code(GRANT.device_code_digest) is None


def test_news_of_a_newer_version_ends_it_and_of_the_same_does_not() -> None:
    seen = SeenPending()
    seen.put(GRANT, 2)
    seen.changed(GRANT.grant_id, 2)
    assert seen.get(GRANT.grant_id) == (GRANT, 2)
    seen.changed(GRANT.grant_id, 3)
    assert seen.get(GRANT.grant_id) is None


def test_a_read_that_the_news_overtook_is_old_when_it_arrives() -> None:
    seen = SeenPending()
    seen.changed(GRANT.grant_id, 2)
    seen.put(GRANT, 1)
    assert seen.get(GRANT.grant_id) is None


def test_an_older_read_does_not_take_the_place_of_a_newer_one() -> None:
    seen = SeenPending()
    seen.put(GRANT, 3)
    seen.put(GRANT, 2)
    assert seen.get(GRANT.grant_id) == (GRANT, 3)


def test_the_oldest_go_when_there_are_too_many() -> None:
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
