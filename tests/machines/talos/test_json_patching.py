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
        ({"op": "replace", "path": "/machine/certSANs/+01", "value": "d"}, ["a", "d", "c"]),
        ({"op": "remove", "path": "/machine/certSANs/-0"}, ["b", "c"]),
        ({"op": "move", "from": "/machine/certSANs/0", "path": "/machine/certSANs/0"}, ["a", "b", "c"]),
        ({"op": "copy", "from": "/machine/nothing", "path": "/machine/certSANs/-"}, ["a", "b", "c", None]),
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
        ({"op": "add", "path": "machine/x", "value": "x"}, "a path begins with /"),
        ({"op": "add", "path": "", "value": {}}, "no such path"),
        ({"op": "copy", "from": "", "path": "/x"}, "no such path"),
        ({"op": "copy", "from": "/nothing/a", "path": "/x"}, "no such path"),
        ({"op": "move", "from": "/machine", "path": "/machine/env/y"}, "no such path"),
        ({"op": "move", "from": "/nothing", "path": "/x"}, "no such path"),
        ({"op": "remove", "path": "/machine/certSANs/1.0"}, "no such path"),
        ({"op": "remove", "path": "/machine/certSANs/-"}, "no such path"),
        ({"op": "replace", "path": "", "value": "x"}, "can only be replaced by a mapping"),
        ({"op": "test", "path": "/machine/certSANs", "value": [None, None, None]}, "Talos crashes"),
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
    assert refused.value.line == 1


@pytest.mark.parametrize(
    ("patch", "line"),
    [
        ('[\n  {"op": "add", "path": "/x"},\n  {"op": "remove",\n   "path": "/y"}]', 3),
        ("- {op: add, path: /x}\n- op: remove\n  path: /y\n", 2),
        ('[{"op": "add", "path": "/x"},\n{"op": "remove", "path": "/y"},\n]', 2),
    ],
    ids=["JSON", "YAML", "YAML that looks like JSON"],
)
def test_the_line_of_a_failing_operation_is_named(patch: str, line: int) -> None:
    with pytest.raises(ComposeError) as refused:
        compose([BASE, Part("patch", patch.encode())])
    assert (refused.value.part, refused.value.line) == ("patch", line)


@pytest.mark.parametrize(
    ("base", "value", "is_equal"),
    [
        ("1", "1", True),
        ("1", "1.0", False),
        ("1", "1e0", False),
        ("1.0", "1", True),
        ("0x10", "16", True),
        ("a<b", '"a<b"', False),
        ("a<b", '"a\\u003cb"', True),
        ("{a: 1, b: [x]}", '{"b": ["x"], "a": 1}', True),
        ("'1'", "1", False),
        ("true", "true", True),
        ("true", "1", False),
        ("[]", "{}", False),
    ],
)
def test_values_are_tested_as_they_are_written(base: str, value: str, is_equal: bool) -> None:
    parts = [
        Part("base", f"x: {base}\n".encode()),
        Part("patch", f'[{{"op":"test","path":"/x","value":{value}}}]'.encode()),
    ]
    if is_equal:
        assert compose(parts).config
    else:
        with pytest.raises(ComposeError, match="has a different value there"):
            compose(parts)


def test_dates_and_numbers_of_a_patch_in_yaml_are_those_of_go() -> None:
    patch = b"- {op: add, path: /x, value: [2024-1-2, 2024-01-02 03:04:05.50, 0x1f, 1.50, 1e21]}\n"
    made = yaml.load(compose([BASE, Part("patch", patch)]).config, Loader=yaml.BaseLoader)
    assert made["x"] == ["2024-01-02T00:00:00Z", "2024-01-02T03:04:05.5Z", "31", "1.5", "1e+21"]


_DOUBLING = b'[\n{"op": "add", "path": "/machine/pods", "value": [{"a": "b"}]},\n' + b",\n".join(
    [b'{"op": "copy", "from": "/machine/pods", "path": "/machine/pods/-"}'] * 64
)  # fmt: skip
_AGAIN = b'[{"op": "add", "path": "/x", "value": %s}' % json.dumps(["x" * 1000] * 1000).encode() + (
    b',\n{"op": "copy", "from": "/x", "path": "/y"}, {"op": "remove", "path": "/y"}' * 64
)


@pytest.mark.parametrize(("patch", "most"), [(_DOUBLING, 30), (_AGAIN, 40)], ids=["doubling", "again and again"])
def test_a_patch_that_grows_beyond_one_file_is_stopped_at_the_operation(patch: bytes, most: int) -> None:
    with pytest.raises(ComposeError, match=r"grows beyond 1,000,000 values or 16 MiB: add less") as refused:
        compose([BASE, Part("patch", patch + b"]")])
    assert refused.value.reason is Reason.TOO_LARGE
    assert refused.value.line is not None
    assert refused.value.line < most


def test_a_few_copies_are_copies_and_not_the_same_value() -> None:
    made = _patched(
        {"op": "copy", "from": "/machine/env", "path": "/machine/sysctls"},
        {"op": "add", "path": "/machine/sysctls/y", "value": "2"},
    )
    assert (made["machine"]["env"], made["machine"]["sysctls"]) == ({"x": "1"}, {"x": "1", "y": "2"})


def test_a_patch_adds_less_than_one_file_in_all() -> None:
    texts = [
        Part(f"patch {n}", b'[{"op": "add", "path": "/x%d", "value": "%s"}]' % (n, b"x" * 9_000_000)) for n in (1, 2)
    ]
    with pytest.raises(ComposeError) as refused:
        compose([BASE, *texts])
    assert (refused.value.part, refused.value.reason) == ("patch 2", Reason.TOO_LARGE)


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
    patch = json.dumps([{"op": "replace", "path": "", "value": {"x": value}}]).encode()
    assert compared(compose([BASE, Part("patch", patch)]).config) == compared(write_documents([{"x": value}]))
