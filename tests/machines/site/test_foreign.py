"""Files of other tools are named, with the way to bootgrant; configurations are not mistaken for them."""

from __future__ import annotations

import pytest

from bootgrant.machines.site.foreign import foreign_content, foreign_name
from bootgrant.machines.site.model import Schema

TALHELPER = b"clusterName: a\nendpoint: https://a:6443\nnodes:\n  - hostname: a\n"
TOPF = b"clusterName: a\nclusterEndpoint: https://a:6443\nnodes:\n  - host: a\n"


@pytest.mark.parametrize(
    ("path", "content", "word"),
    [
        ("topf.yaml", b"clusterName: demo\nnodes: []\n", "import topf"),
        ("a.yaml", TOPF, "import topf"),
        ("talconfig.yaml", TALHELPER, "import talhelper"),
        ("a.yaml", b"---\n" + TALHELPER, "import talhelper"),
        ("talenv.sops.yaml", b"a: b\n", "import talhelper"),
        ("schematic.yaml", b"customization: {}\n", "Image Factory"),
        ("a.yaml", b"customization:\n  meta: []\n", "Image Factory"),
        ("all/kustomization.yaml", b"resources: [a.yaml]\n", "kustomize build"),
        ("a.yaml", b"apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n", "kustomize build"),
        ("a.yaml", b"cluster:\n  id: a\nsecrets: {}\ntrustdinfo: {}\ncerts: {}\n", "secrets bundle"),
        ("a.yaml", b"context: a\ncontexts: {}\n", "client configuration"),
        ("a.yaml", b"kind: Cluster\nname: a\n---\nkind: Workers\nmachines: []\n", "Omni"),
        ("a.yaml", b"apiVersion: v1\nkind: Secret\n", "inlineManifests"),
        ("a.yaml", b"apiVersion: apps/v1\nkind: Deployment\n", "inlineManifests"),
        ("a.yaml", b"<!DOCTYPE html><html>login</html>", "web page"),
        ("a.yaml", b"\n<html lang=en>", "web page"),
        ("a.yaml", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "LFS"),
    ],
)
def test_a_file_of_another_tool_is_named(path: str, content: bytes, word: str) -> None:
    assert word in foreign_content(path, content, Schema.TALOS)


@pytest.mark.parametrize(
    ("path", "content", "schema"),
    [
        ("values.yaml", b"debug: true\n", Schema.TALOS),
        ("schematic.yaml", b"- op: add\n  path: /debug\n  value: true\n", Schema.TALOS),
        ("schematic.yaml", b"machine:\n  type: worker\n", Schema.TALOS),
        ("a.yaml", b"apiVersion: v1alpha1\nkind: HostnameConfig\nhostname: a\n", Schema.TALOS),
        ("a.yaml", b"- op: add\n  path: /machine/type\n  value: worker\n", Schema.TALOS),
        ("a.yaml", b"apiVersion: v1\nkind: ConfigMap\n", Schema.YAML),
        ("talconfig.yaml", TALHELPER, Schema.TEXT),
        ("a.html", b"<!DOCTYPE html>", Schema.TEXT),
        ("a.json", b'{"nodes": [], "clusterName": "a", "endpoint": ""}', Schema.JSON),
    ],
)
def test_a_configuration_is_not_mistaken_for_one(path: str, content: bytes, schema: Schema) -> None:
    assert foreign_content(path, content, schema) == ""


def test_the_name_is_known_with_any_ending() -> None:
    assert "TOPF" in foreign_name("all/topf.yaml.j2")
    assert foreign_name("all/01-topf.yaml") == ""
