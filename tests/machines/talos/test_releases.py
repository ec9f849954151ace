"""Composing for a chosen release of Talos."""

from __future__ import annotations

import pytest

from bootgrant.machines.talos.composing import compose
from bootgrant.machines.talos.documents import ComposeError, Part, Reason
from bootgrant.machines.talos.releases import has_path, message
from bootgrant.machines.talos.tables import LEGACY, talos_tables

BASE = Part("base.yaml", b"machine:\n  type: worker\n")


def _composed(release: str, base: str, *patches: str) -> str:
    parts = [Part("base.yaml", base.encode()), *(Part("patch.yaml", patch.encode()) for patch in patches)]
    return compose(parts, release).config.decode()


@pytest.mark.parametrize(
    ("release", "patch", "reason", "expected"),
    [
        (
            "1.11",
            "apiVersion: v1alpha1\nkind: HostnameConfig\nhostname: a\n",
            Reason.UNKNOWN_DOCUMENT,
            'HostnameConfig appears in Talos 1.12, and this is for Talos 1.11: remove it, or set talos: "1.12"',
        ),
        (
            "1.11",
            "machine: {install: {grubUseUKICmdline: true}}",
            Reason.UNKNOWN_KEY,
            "machine.install.grubUseUKICmdline appears in Talos 1.12, and this is for Talos 1.11",
        ),
        ("1.12", "machine: {instal: {}}", Reason.UNKNOWN_KEY, "Talos 1.12 has no machine.instal in its configuration"),
        ("1.12", "apiVersion: v1\nkind: Pod\n", Reason.UNKNOWN_DOCUMENT, "Talos 1.12 has no kind Pod"),
    ],
)
def test_what_the_release_does_not_know_names_the_one_that_does(
    release: str, patch: str, reason: Reason, expected: str
) -> None:
    with pytest.raises(ComposeError) as raised:
        compose([BASE, Part("patch.yaml", patch.encode())], release)
    assert raised.value.reason is reason
    assert raised.value.message.startswith(expected)


@pytest.mark.parametrize(
    ("knowing", "expected"),
    [
        ([], ""),
        (["1.13", "1.14"], "x appears in Talos 1.13, and this is for Talos 1.12"),
        (["1.11"], "x was last in Talos 1.11, and this is for Talos 1.12"),
        (["1.11", "1.14"], "x appears in Talos 1.14, and this is for Talos 1.12"),
    ],
)
def test_the_nearest_release_that_knows_it_is_named(knowing: list[str], expected: str) -> None:
    assert message("x", "1.12", knowing).partition(":")[0] == expected


def test_keys_of_maps_may_have_dots() -> None:
    legacy = talos_tables("1.14").kinds["", LEGACY].type
    assert has_path(legacy, "machine.registries.config.my.registry.example.tls.insecureSkipVerify")
    assert has_path(legacy, "machine.network.interfaces[3].vlans[0].mtu")
    assert not has_path(legacy, "machine.registries.config.my.registry.example.nothing")
    assert not has_path(legacy, "machine.network.interfaces.mtu")


def test_zero_behind_a_pointer_replaces_from_1_12_on() -> None:
    base, patch = "machine: {network: {kubespan: {mtu: 1400}}}", "machine: {network: {kubespan: {mtu: 0}}}"
    assert "mtu: 1400" in _composed("1.11", base, patch)
    assert "mtu: 0" in _composed("1.12", base, patch)


def test_a_routing_rule_cannot_be_patched_in_1_13() -> None:
    rule = "apiVersion: v1alpha1\nkind: RoutingRuleConfig\nname: '1000'\ntable: main\n"
    assert "table: main" in _composed("1.14", rule, rule)
    with pytest.raises(ComposeError, match="RoutingRuleConfig cannot be patched"):
        _composed("1.13", rule, rule)
