"""Entries that need two people: control planes, and those with the keys of a cluster."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from bootgrant.approval.claims import NotAllowed, OutsideRule, Person, allowing_rule
from bootgrant.approval.policy import needed_approvals, parse_selector, person_needed
from bootgrant.ports.configurations import MachineEntry

WORKER = MachineEntry("w", "serial", {"b": "2", "a": "1"}, machine_type="worker")
CP = replace(WORKER, machine_type="controlplane")
KEYS = ("machine.ca.key",)


@pytest.mark.parametrize(
    ("entry", "needed"),
    [(WORKER, 1), (CP, 2), (replace(WORKER, precious=KEYS), 2), (replace(WORKER, precious=KEYS, approvals=3), 3)],
)
def test_a_precious_entry_needs_two_people_and_no_rule_may_have_it(entry: MachineEntry, needed: int) -> None:
    assert needed_approvals(entry) == needed
    assert bool(person_needed(entry, [])) is (needed > 1)


@pytest.mark.parametrize("entry", [WORKER, CP, replace(CP, precious=KEYS)])
def test_the_fingerprint_of_workers_and_control_planes_is_what_it_was(entry: MachineEntry) -> None:
    stored = hashlib.sha256(json.dumps(["w", [["a", "1"], ["b", "2"]], entry.machine_type]).encode()).hexdigest()
    assert entry.fingerprint == stored


def test_an_approval_of_an_ordinary_worker_is_not_valid_once_it_has_keys() -> None:
    assert replace(WORKER, precious=KEYS).fingerprint != WORKER.fingerprint
    assert replace(WORKER, precious=("a", "b")).fingerprint == replace(WORKER, precious=KEYS).fingerprint


def test_a_token_of_a_provider_gets_a_precious_worker_only_by_a_rule_for_control_planes() -> None:
    ana = Person("corp", "1", "ana", {"groups": "ops"}, None)
    rule = OutsideRule((("groups", ("ops",)),), (parse_selector("w"),))
    assert allowing_rule([rule], ana, WORKER) is rule
    with pytest.raises(NotAllowed, match="has keys of a cluster") as refused:
        allowing_rule([rule], ana, replace(WORKER, precious=KEYS))
    assert refused.value.only_control_plane
    for_control_planes = replace(rule, control_plane=True)
    assert allowing_rule([for_control_planes], ana, replace(WORKER, precious=KEYS)) is for_control_planes
