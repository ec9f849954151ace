"""What holds for every configuration."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bootgrant.machines.talos.composing import compose
from bootgrant.machines.talos.documents import Part
from bootgrant.machines.yaml.scalars import float_text, plain_value
from bootgrant.machines.yaml.writing import compare_keys, write_documents
from support.go_yaml_form import compared

# A busy machine is no fault of the code.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
_KEYS = st.text(alphabet="abz019.-_/ ~:#\n\té'\"", max_size=8)
_TEXTS = st.text(max_size=30) | st.text(alphabet=" \n\ta-:#'\"\\|>1e.~yno\u2028\x85\ufeff", max_size=20)
_SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | _TEXTS | st.floats(allow_nan=False, width=32)
_FREE = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=12,
)
_BASE = b"version: v1alpha1\nmachine:\n  type: worker\n  token: t\n  kubelet: {extraConfig: {}}\n  sysctls: {x: '0'}\n"


@settings(PATIENT, max_examples=200)
@given(st.binary(max_size=200))
def test_no_patch_changes_nothing_byte_for_byte(content: bytes) -> None:
    assert compose([Part("base", content)]).config == content


@settings(PATIENT, max_examples=150)
@given(st.dictionaries(_KEYS.filter(lambda key: key != "$patch"), _FREE, min_size=1, max_size=4))
def test_what_a_patch_says_is_read_back_whole(extra: dict[str, Any]) -> None:
    patch = write_documents([{"machine": {"kubelet": {"extraConfig": extra}}}])
    made = compose([Part("base", _BASE), Part("patch", patch)]).config
    (said,), (after,) = compared(patch), compared(made)
    assert after["('text', 'machine')"]["('text', 'kubelet')"] == said["('text', 'machine')"]["('text', 'kubelet')"]


_PATCHES = {
    "type": "machine: {type: controlplane}\n",
    "sysctl": "machine: {sysctls: {a: '1'}}\n",
    "label": "machine: {nodeLabels: {rack: r1}}\n",
    "san": "machine: {certSANs: [a.example.org]}\n",
    "hostname": "apiVersion: v1alpha1\nkind: HostnameConfig\nhostname: w-1\n",
    "delete": "machine: {sysctls: {x: {$patch: delete}}}\n",
    "cluster": "cluster: {clusterName: lab}\n",
}


@settings(PATIENT, max_examples=60)
@given(st.permutations(sorted(_PATCHES)))
def test_patches_that_touch_different_things_commute(order: list[str]) -> None:
    def composed(names: list[str]) -> bytes:
        return compose([Part("base", _BASE), *(Part(name, _PATCHES[name].encode()) for name in names)]).config

    assert compared(composed(order)) == compared(composed(sorted(_PATCHES)))


@settings(PATIENT, max_examples=60)
@given(st.lists(st.sampled_from(sorted(_PATCHES)), unique=True, min_size=1))
def test_writing_what_was_written_changes_nothing(names: list[str]) -> None:
    once = compose([Part("base", _BASE), *(Part(name, _PATCHES[name].encode()) for name in names)]).config
    assert compose([Part("base", once), Part("nothing", b"machine: {}\n")]).config == once


@settings(PATIENT, max_examples=300)
@given(_TEXTS)
def test_every_text_is_read_back_as_it_was_written(text: str) -> None:
    (back,) = compared(write_documents([{text: [{"list": [text, [text]], "map": {"deep": text}}]}]))
    shown = ("text", text)
    inner = {"('text', 'list')": [shown, [shown]], "('text', 'map')": {"('text', 'deep')": shown}}
    assert back == {str(shown): [inner]}


@settings(PATIENT)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_read_back_as_it_was_written(value: float) -> None:
    back = plain_value(float_text(value))
    assert isinstance(back, (int, float))
    assert math.isclose(back, value, rel_tol=0)


@settings(PATIENT, max_examples=300)
@given(st.text(alphabet="a019.-Z", max_size=6), st.text(alphabet="a019.-Z", max_size=6))
def test_the_order_of_keys_does_not_depend_on_which_is_asked_first(one: str, other: str) -> None:
    assert (compare_keys(one, other) > 0) == (compare_keys(other, one) < 0)
    assert (compare_keys(one, other) == 0) == (one == other)
