"""A fault is shown at the layer and the line in which its value was written."""

from __future__ import annotations

import pytest

from bootgrant.machines.finish.places import Source, label_of, place_of, source_of
from bootgrant.machines.talos.composing import compose
from bootgrant.machines.talos.documents import Part
from bootgrant.machines.yaml.reading import parse_yaml

BASE = Part(
    "base.yaml",
    b"""\
machine:
  type: worker
  ca: {crt: YQ==}
  network:
    interfaces:
      - interface: eth0
        addresses: [10.0.0.1/24]
  nodeLabels:
    a.b/c: x
cluster: {}
---
apiVersion: v1alpha1
kind: UserVolumeConfig
name: data
provisioning:
  minSize: 1GB
""",
)
NET = Part(
    "net.yaml",
    b"""\
machine:
  network:
    interfaces:
      - interface: eth1
        addresses:
          - 10.1.0.1/24
          - 10.2.0.1/99
---
apiVersion: v1alpha1
kind: UserVolumeConfig
name: data
provisioning:
  maxSize: 2GB
""",
)


@pytest.mark.parametrize(
    ("label", "path", "part", "line"),
    [
        ("v1alpha1", "machine.type", "base.yaml", 2),
        ("v1alpha1", "machine.ca.key", "base.yaml", 3),
        ("v1alpha1", "machine.install", "base.yaml", 1),
        ("v1alpha1", "machine.nodeLabels.a.b/c", "base.yaml", 9),
        ("v1alpha1", "machine.network.interfaces[0].addresses[0]", "base.yaml", 7),
        ("v1alpha1", "machine.network.interfaces[1].addresses[1]", "net.yaml", 7),
        ("v1alpha1", "machine.network.interfaces[1]", "net.yaml", 4),
        ("v1alpha1", "machine.network.interfaces[1].addresses[7]", "net.yaml", 5),
        ("UserVolumeConfig:data", "provisioning.maxSize", "net.yaml", 6 + 7),
        # The patch clears minSize, so the fault of its absence is in the patch.
        ("UserVolumeConfig:data", "provisioning.minSize", "net.yaml", 12),
        ("UserVolumeConfig:data", "", "base.yaml", 12),
    ],
)
def test_a_value_is_found_in_the_layer_that_wrote_it(label: str, path: str, part: str, line: int) -> None:
    parts = (BASE, NET)
    made = compose(parts)
    root = next(root for root in parse_yaml(made.config).documents if label_of(root) == label)
    assert source_of(label, place_of(root, path), parts, made.origins) == Source(part, line)


def test_a_value_of_a_json_patch_is_found_in_its_operation() -> None:
    base = Part("base.yaml", b"machine:\n  type: worker\n  certSANs: [a]\ncluster: {}\n")
    patch = Part(
        "patch.yaml",
        b"""\
- op: add
  path: /machine/certSANs/-
  value: b
- op: add
  path: /machine/network
  value:
    hostname: c
""",
    )
    made = compose((base, patch))
    root = parse_yaml(made.config).documents[0]
    for path, line in {"machine.certSANs[1]": 3, "machine.network.hostname": 7}.items():
        assert source_of("v1alpha1", place_of(root, path), (base, patch), made.origins) == Source("patch.yaml", line)


def test_without_origins_no_layer_is_named() -> None:
    root = parse_yaml(BASE.content).documents[0]
    assert source_of("v1alpha1", place_of(root, "machine.type"), (BASE,), {}) is None


def test_a_place_in_an_alias_or_a_merge_is_the_line_where_it_was_written() -> None:
    (root,) = parse_yaml(b"a: &a\n  x: 1\nb:\n  <<: *a\n  y: *a\n").documents
    assert place_of(root, "b.x").line == 2
    assert place_of(root, "b.y.x").line == 2
    assert place_of(root, "b.z").line == 3
