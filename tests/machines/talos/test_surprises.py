"""Surprises: results that the author of a patch probably did not intend."""

from __future__ import annotations

import pytest

from bootgrant.machines.talos.composing import compose
from bootgrant.machines.talos.documents import Part
from bootgrant.machines.talos.patching import Surprise

PAIR = "machine: {ca: {crt: YQ==, key: Yg==}}\n"
VOLUME = """apiVersion: v1alpha1
kind: VolumeConfig
name: EPHEMERAL
provisioning: {diskSelector: {match: disk.rotational}, minSize: 10GB, maxSize: 70GiB}
"""
ACTION = "apiVersion: v1alpha1\nkind: NetworkDefaultActionConfig\ningress: block\n"
ENDPOINT = "cluster: {controlPlane: {endpoint: 'https://old:6443/path?q=1'}}\n"


def _surprises(base: str, *patches: str) -> list[Surprise]:
    parts = [Part("base", base.encode()), *(Part(f"patch {at}", text.encode()) for at, text in enumerate(patches, 1))]
    return list(compose(parts).surprises)


@pytest.mark.parametrize(
    ("base", "patch", "path", "words"),
    [
        (PAIR, "machine: {ca: {crt: Yw==}}\n", "v1alpha1/machine.ca.key", "becomes empty"),
        (ENDPOINT, "cluster: {controlPlane: {endpoint: 'https://new:6443'}}\n",
         "v1alpha1/cluster.controlPlane.endpoint", "keeps the path and the query of the old URL"),
        (ACTION, ACTION.replace("block", "accept"), "NetworkDefaultActionConfig/ingress", "stays block"),
        ("machine: {token: t}\n", "machine: {token: ''}\n", "v1alpha1/machine.token", "an empty text never overrides"),
        ("machine: {certSANs: [a]}\n", "machine: {certSANs: []}\n", "v1alpha1/machine.certSANs", "[] adds nothing"),
        ("machine: {certSANs: [a]}\n", "machine: {certSANs: [b, a]}\n", "v1alpha1/machine.certSANs[2]", "twice"),
        (ACTION, "apiVersion: v1alpha1\nkind: KmsgLogConfig\nurl: udp://a:1/\n", "KmsgLogConfig/name", "is missing"),
        ("machine: {type: worker}\n", "machine: {sysctls: {$patch: Delete}}\n", "machine.sysctls.$patch", "lower case"),
        ("machine: {sysctls: {a: b}}\n", "machine: {sysctls: {$patch: delete, c: d}}\n", "machine.sysctls", "c next"),
        (ACTION, "apiVersion: v1alpha1\nkind: WatchdogTimerConfig\ntimeout: {$patch: delete}\n",
         "WatchdogTimerConfig", "adds an empty WatchdogTimerConfig"),
        ("machine: {type: worker}\n", "# nothing\n", "", "only reformats"),
        ("machine: {env: {a: yes}}\n", '[{"op": "add", "path": "/debug", "value": 1}]',
         "machine.env.a", "becomes true"),
    ],
)  # fmt: skip
def test_an_unintended_result_is_a_surprise(base: str, patch: str, path: str, words: str) -> None:
    (surprise,) = _surprises(base, patch)
    assert (surprise.part, surprise.path) == ("patch 1", path)
    assert words in surprise.message


def test_every_field_that_a_patch_clears_is_a_surprise() -> None:
    found = _surprises(
        VOLUME, "apiVersion: v1alpha1\nkind: VolumeConfig\nname: EPHEMERAL\nprovisioning: {maxSize: 50%}\n"
    )
    assert [surprise.path for surprise in found] == [
        "VolumeConfig:EPHEMERAL/provisioning.maxSize",
        "VolumeConfig:EPHEMERAL/provisioning.diskSelector.match",
        "VolumeConfig:EPHEMERAL/provisioning.minSize",
    ]
    assert "stays 70GiB" in found[0].message
    assert all("is cleared" in surprise.message for surprise in found[1:])


def test_a_surprise_names_its_part() -> None:
    assert [found.part for found in _surprises(PAIR, "machine: {type: worker}\n", "machine: {ca: {key: Yg==}}\n")] == [
        "patch 2"
    ]


@pytest.mark.parametrize(
    ("base", "patch"),
    [
        (PAIR, "machine: {ca: {crt: Yw==, key: ZA==}}\n"),
        (ENDPOINT, "cluster: {controlPlane: {endpoint: 'https://new:6443/other?r=2'}}\n"),
        (ACTION, ACTION),
        (VOLUME, VOLUME.replace("70GiB", "90GiB")),
        ("machine: {type: worker}\n", "machine: {certSANs: [], token: ''}\n"),
        ("machine: {sysctls: {a: b}}\n", "machine: {sysctls: {a: {$patch: delete}}}\n"),
    ],
)
def test_an_intended_result_is_not_a_surprise(base: str, patch: str) -> None:
    assert _surprises(base, patch) == []


def test_a_surprise_does_not_repeat_a_secret() -> None:
    found = _surprises("machine: {token: t, certSANs: [hunter2]}\n", "machine: {token: '', certSANs: [hunter2]}\n")
    assert len(found) == 2
    assert "hunter2" not in str(found)
