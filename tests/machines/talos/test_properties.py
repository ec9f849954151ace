"""Properties of every composed configuration."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bootgrant.machines.talos.composing import compose
from bootgrant.machines.talos.documents import Part
from bootgrant.machines.yaml.writing import write_documents
from support.go_yaml_form import compared

# A busy computer must not fail a test.
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
def test_without_patches_nothing_changes(content: bytes) -> None:
    assert compose([Part("base", content)]).config == content


@settings(PATIENT, max_examples=150)
@given(st.dictionaries(_KEYS.filter(lambda key: key != "$patch"), _FREE, min_size=1, max_size=4))
def test_free_yaml_of_a_patch_is_read_back_unchanged(extra: dict[str, Any]) -> None:
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
def test_patches_of_different_fields_commute(order: list[str]) -> None:
    def composed(names: list[str]) -> bytes:
        return compose([Part("base", _BASE), *(Part(name, _PATCHES[name].encode()) for name in names)]).config

    assert compared(composed(order)) == compared(composed(sorted(_PATCHES)))


@settings(PATIENT, max_examples=60)
@given(st.lists(st.sampled_from(sorted(_PATCHES)), unique=True, min_size=1))
def test_writing_a_written_configuration_again_changes_nothing(names: list[str]) -> None:
    once = compose([Part("base", _BASE), *(Part(name, _PATCHES[name].encode()) for name in names)]).config
    assert compose([Part("base", once), Part("nothing", b"machine: {}\n")]).config == once
