"""JSON patches: operations as Talos's library does them, and the text that is written."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bootgrant.machines.talos.composing import compose
from bootgrant.machines.talos.documents import ComposeError, Part, Reason
from bootgrant.machines.yaml.writing import write_documents
from support.go_yaml_form import compared

BASE = Part("base", b"version: v1alpha1\nmachine: {type: worker, certSANs: [a, b, c], env: {x: '1'}}\n")


def _patched(*operations: dict[str, Any]) -> Any:
    return yaml.safe_load(compose([BASE, Part("patch", json.dumps(operations).encode())]).config)


@pytest.mark.parametrize(
    ("operation", "sans"),
    [
        ({"op": "add", "path": "/machine/certSANs/-", "value": "d"}, ["a", "b", "c", "d"]),
        ({"op": "add", "path": "/machine/certSANs/-1", "value": "d"}, ["a", "b", "c", "d"]),
        ({"op": "add", "path": "/machine/certSANs/0", "value": "d"}, ["d", "a", "b", "c"]),
        ({"op": "replace", "path": "/machine/certSANs/-1", "value": "d"}, ["a", "b", "d"]),
        ({"op": "remove", "path": "/machine/certSANs/-3"}, ["b", "c"]),
        ({"op": "move", "from": "/machine/certSANs/-1", "path": "/machine/certSANs/0"}, ["c", "a", "b"]),
        ({"op": "move", "from": "/machine/certSANs/0", "path": "/machine/certSANs/-1"}, ["b", "c", "a"]),
        ({"op": "copy", "from": "/machine/certSANs/0", "path": "/machine/certSANs/-1"}, ["a", "b", "c", "a"]),
        ({"op": "copy", "from": "/machine/certSANs", "path": "/machine/certSANs"}, ["a", "b", "c"]),
        ({"op": "test", "path": "/machine/nothing", "value": None}, ["a", "b", "c"]),
    ],
)
def test_operations_on_a_list(operation: dict[str, Any], sans: list[str]) -> None:
    assert _patched(operation)["machine"]["certSANs"] == sans


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        ({"op": "remove", "path": "/machine/nothing"}, "no such path"),
        ({"op": "test", "path": "/machine/type", "value": "x"}, "has a different value there"),
        ({"op": "replace", "path": "/machine/type/deeper", "value": "x"}, "no such path"),
        ({"op": "add", "path": "/machine/certSANs/-9", "value": "x"}, "no such path"),
        ({"op": "add", "path": "machine", "value": "x"}, "no such path"),
        ({"op": "add", "value": "x"}, "needs op"),
        ({"op": "move", "path": "/machine"}, "needs op"),
        ({"op": 5, "path": "/machine"}, "needs op"),
    ],
)
def test_a_failing_operation_is_numbered_and_explained(operation: dict[str, Any], words: str) -> None:
    with pytest.raises(ComposeError, match=words) as refused:
        _patched({"op": "add", "path": "/debug", "value": True}, operation)
    assert refused.value.reason is Reason.JSON_PATCH
    assert "operation 2 of this JSON patch fails" in refused.value.message


def test_a_number_that_json_does_not_have_is_rejected_with_its_line() -> None:
    with pytest.raises(ComposeError) as refused:
        compose([Part("base", b"machine:\n  a: .inf\n"), Part("patch", b"[]")])
    assert (refused.value.part, refused.value.line) == ("base", 2)


_TEXTS = st.text(max_size=20) | st.text(alphabet=" \n\ta-:#'\"\\|>1e.~yno0x_\u2028\x85\ufeff", max_size=12)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(_VALUES)
def test_every_patched_value_is_read_back_unchanged(value: Any) -> None:
    patch = json.dumps([{"op": "add", "path": "", "value": {"x": value}}]).encode()
    assert compared(compose([BASE, Part("patch", patch)]).config) == compared(write_documents([{"x": value}]))
