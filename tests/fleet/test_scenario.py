from __future__ import annotations

import random
import uuid

import pytest

from bootgrant.fleet.scenario import Curve, Run, arrivals
from bootgrant.wire.identity import MachineIdentity


@pytest.mark.parametrize("curve", list(Curve))
def test_every_machine_arrives_within_the_span_and_in_order(curve: Curve) -> None:
    moments = arrivals(101, 60.0, curve, random.Random(1))
    assert len(moments) == 101
    assert moments == sorted(moments)
    assert 0.0 <= moments[0] <= moments[-1] < 60.0


def test_a_wave_is_highest_in_the_middle() -> None:
    moments = arrivals(1000, 90.0, Curve.WAVE, random.Random(1))
    middle = sum(30.0 <= moment < 60.0 for moment in moments)
    assert middle > 600


def test_racks_arrive_forty_at_a_time() -> None:
    moments = arrivals(100, 30.0, Curve.RACKS, random.Random(1))
    assert [moments.count(moment) for moment in sorted(set(moments))] == [40, 40, 20]


def test_the_same_dice_make_the_same_arrivals() -> None:
    assert arrivals(50, 9.0, Curve.RANDOM, random.Random(7)) == arrivals(50, 9.0, Curve.RANDOM, random.Random(7))


def test_a_server_accepts_and_keeps_an_identity_unchanged() -> None:
    identity = Run("0a1b2c3d").identity(77)
    kept = MachineIdentity.from_claim(identity.variables())
    assert (kept.uuid, kept.serial, kept.mac) == (identity.uuid, identity.serial, identity.mac)
    assert kept.identifies()


def test_a_uuid_is_of_version_8_and_recognizable() -> None:
    found = uuid.UUID(Run("ffffffff").identity(1).uuid)
    assert found.variant == uuid.RFC_4122
    assert found.version == 8
    assert str(found).startswith("b0075eed-")


def test_machines_of_one_run_differ_in_everything() -> None:
    run = Run("00000000")
    identities = [run.identity(index) for index in range(300)]
    for name in ("uuid", "serial", "mac"):
        assert len({getattr(identity, name) for identity in identities}) == 300


def test_a_run_knows_its_own_machines() -> None:
    run, other = Run("0a1b2c3d"), Run("0a1b2c3e")
    assert run.has(run.identity(5).uuid)
    assert not run.has(other.identity(5).uuid)
    assert not run.has("40dcbd19-3b10-444e-bfff-aaee44a51fda")
    assert not run.has("")


def test_a_run_needs_a_name_of_eight_hexadecimal_digits() -> None:
    with pytest.raises(ValueError, match="eight hexadecimal digits"):
        Run("rehearsal")
