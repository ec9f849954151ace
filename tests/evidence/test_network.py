"""The address of a request compared with the networks of its entry."""

from __future__ import annotations

import ipaddress

import pytest

from bootgrant.approval.evidence import Verdict
from bootgrant.approval.policy import NetworkNames
from bootgrant.evidence.network import NetworkEvidence
from bootgrant.ports.configurations import MachineEntry
from bootgrant.ports.evidence import Claim
from support.grants import pending_grant

pytestmark = pytest.mark.anyio
NAMES = NetworkNames(
    {"fra": [ipaddress.ip_network("10.20.0.0/16")], "fra-rack4": [ipaddress.ip_network("10.20.4.0/24")]}
)


async def evidence(address: str, *networks: str) -> tuple[Verdict, str]:
    entry = MachineEntry("cp-1", "uuid", networks=networks)
    (check,) = await NetworkEvidence(NAMES).check(Claim(pending_grant(source_address=address)[0], entry))
    return check.verdict, check.detail


async def test_an_address_in_an_expected_network_is_a_match() -> None:
    verdict, detail = await evidence("10.20.4.7", "10.9.0.0/16", "10.20.0.0/16")
    assert verdict is Verdict.MATCH
    assert "10.20.4.7 (fra-rack4)" in detail


async def test_an_address_elsewhere_is_a_mismatch_that_names_the_expected_networks() -> None:
    verdict, detail = await evidence("10.30.0.1", "10.20.0.0/16", "fd00::/8")
    assert verdict is Verdict.MISMATCH
    assert "10.20.0.0/16, fd00::/8" in detail


async def test_an_entry_without_networks_is_unknown() -> None:
    assert (await evidence("10.20.4.7"))[0] is Verdict.UNKNOWN


async def test_a_machine_without_an_entry_is_unknown() -> None:
    (check,) = await NetworkEvidence(NAMES).check(Claim(pending_grant()[0], None))
    assert check.verdict is Verdict.UNKNOWN


def test_an_address_has_the_name_of_the_smallest_network() -> None:
    assert [NAMES.name_of(address) for address in ("10.20.4.1", "10.20.5.1", "10.21.0.1", "unknown")] == [
        "fra-rack4",
        "fra",
        "",
        "",
    ]
