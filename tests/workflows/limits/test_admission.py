"""How many requests may wait, and how polls are held and released."""

from __future__ import annotations

import asyncio

import pytest

from bootgrant.approval.grant import DeviceGrant
from bootgrant.workflows.limits.admission import Admission, HeldPolls, TooMany
from support.grants import NOW, other_machine, pending_grant

pytestmark = pytest.mark.anyio


def request(number: int, address: str = "10.20.0.11", at: float = NOW) -> DeviceGrant:
    return pending_grant(identity=other_machine(number), source_address=address, opened_at=at, expires_at=at + 600)[0]


def admitted(admission: Admission, grant: DeviceGrant, now: float = NOW) -> TooMany | None:
    """Check the request, and count it when there is room."""
    refused = admission.check(grant.identity, grant.source_address, now)
    if refused is None:
        admission.add(grant)
    return refused


def test_an_address_has_a_number_of_places_and_hurts_no_other_address() -> None:
    admission = Admission(2, 100)
    assert [admitted(admission, request(number)) for number in range(3)] == [None, None, TooMany.FROM_ADDRESS]
    assert admitted(admission, request(3, "10.20.0.12")) is None


def test_there_is_a_number_of_places_in_total() -> None:
    admission = Admission(100, 2)
    outcomes = [admitted(admission, request(number, f"10.20.0.{number}")) for number in range(3)]
    assert outcomes == [None, None, TooMany.IN_ALL]


def test_a_machine_that_is_waiting_already_has_room_for_its_next_request() -> None:
    admission = Admission(1, 1)
    assert admitted(admission, request(1)) is None
    assert admission.check(other_machine(1), "10.20.0.11", NOW) is None
    assert admission.check(other_machine(1), "10.20.0.12", NOW) is TooMany.IN_ALL


def test_a_released_and_an_expired_request_give_their_place_back() -> None:
    admission = Admission(2, 100)
    first, second = request(1), request(2, at=NOW + 60)
    admission.add_all([second, first])
    assert admission.check(other_machine(3), "10.20.0.11", NOW + 60) is TooMany.FROM_ADDRESS
    admission.release("unknown", second.grant_id, second.grant_id)
    assert admission.check(other_machine(3), "10.20.0.11", NOW + 60) is None
    admission.add(second)
    assert admission.check(other_machine(3), "10.20.0.11", NOW + 599) is TooMany.FROM_ADDRESS
    assert admission.check(other_machine(3), "10.20.0.11", NOW + 600) is None
    assert admission.check(other_machine(1), "10.20.0.11", NOW + 600) is None
    admission.add(request(3, at=NOW + 600))
    assert admission.check(other_machine(4), "10.20.0.11", NOW + 659) is TooMany.FROM_ADDRESS
    assert admission.check(other_machine(4), "10.20.0.11", NOW + 660) is None


def test_an_address_may_ask_four_times_as_often_as_it_has_places() -> None:
    admission = Admission(1, 100, window=600.0)
    outcomes = [admission.check(other_machine(1), "10.20.0.11", NOW) for _ in range(5)]
    assert outcomes == [None] * 4 + [TooMany.OFTEN]
    assert admission.check(other_machine(1), "10.20.0.12", NOW) is None
    assert admission.check(other_machine(1), "10.20.0.11", NOW + 599) is TooMany.OFTEN
    assert admission.check(other_machine(1), "10.20.0.11", NOW + 600) is None


def test_a_request_that_is_refused_for_its_places_does_not_count_as_often() -> None:
    admission = Admission(1, 100)
    admission.add(request(1))
    assert [admission.check(other_machine(2), "10.20.0.11", NOW) for _ in range(9)] == [TooMany.FROM_ADDRESS] * 9
    assert admission.check(other_machine(1), "10.20.0.11", NOW) is None


def test_a_clock_that_was_set_back_starts_a_new_window() -> None:
    admission = Admission(1, 100)
    for _ in range(4):
        admission.check(other_machine(1), "10.20.0.11", NOW)
    assert admission.check(other_machine(1), "10.20.0.11", NOW - 1) is None


def test_all_addresses_of_an_ipv6_network_are_one_address() -> None:
    admission = Admission(1, 100)
    assert admitted(admission, request(1, "2001:db8::1")) is None
    assert admitted(admission, request(2, "2001:db8::ffff:2")) is TooMany.FROM_ADDRESS
    assert admitted(admission, request(3, "2001:db8:0:1::1")) is None


async def test_a_poll_is_held_until_it_is_woken() -> None:
    held, wake = HeldPolls(1), asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(held.wait(wake, 60))
    await asyncio.sleep(0)
    assert (len(held), held.has_room) == (1, False)
    wake.set_result(None)
    assert await waiting is True
    assert (len(held), held.has_room) == (0, True)


async def test_a_poll_is_not_held_beyond_its_time_or_without_room() -> None:
    held, loop = HeldPolls(1), asyncio.get_running_loop()
    assert await held.wait(loop.create_future(), 0.001) is False
    assert await held.wait(loop.create_future(), 0) is False
    first = asyncio.create_task(held.wait(loop.create_future(), 60))
    await asyncio.sleep(0)
    assert await held.wait(loop.create_future(), 60) is False
    assert not held.draining
    held.drain()
    assert await first is False
    assert (held.draining, held.has_room) == (True, False)
    assert await held.wait(loop.create_future(), 60) is False
