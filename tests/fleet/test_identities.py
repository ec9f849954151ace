from __future__ import annotations

import uuid

import pytest

from bootgrant.fleet.identities import Run
from bootgrant.wire.identity import MachineIdentity


def test_an_identity_is_one_that_a_server_takes_and_keeps_as_it_is() -> None:
    identity = Run("0a1b2c3d").identity(77)
    kept = MachineIdentity.from_claim(identity.variables())
    assert (kept.uuid, kept.serial, kept.mac) == (identity.uuid, identity.serial, identity.mac)
    assert kept.identifies()


def test_a_uuid_is_of_the_version_for_own_use_and_says_what_it_is() -> None:
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


def test_a_run_has_a_name_that_fits() -> None:
    with pytest.raises(ValueError, match="eight hexadecimal digits"):
        Run("rehearsal")
