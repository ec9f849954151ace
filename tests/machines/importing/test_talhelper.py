"""A project of talhelper becomes layers; what cannot be carried over is listed."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from bootgrant.machines.importing.project import Imported, ImportRefused
from bootgrant.machines.importing.talhelper import import_talhelper

HEAD = """\
clusterName: home
talosVersion: v1.13.3
kubernetesVersion: v1.34.1
endpoint: https://home.example.org:6443
"""
NODES = """\
nodes:
  - hostname: m1
    controlPlane: true
    installDisk: /dev/sda
    networkInterfaces: [{deviceSelector: {hardwareAddr: '52:54:00:5A:01:31'}, dhcp: true}]
  - {hostname: w1, controlPlane: false, installDisk: /dev/sda}
"""


def imported(project: str, files: dict[str, str] | None = None) -> Imported:
    raw = {path: text.encode() for path, text in {"talconfig.yaml": project, **(files or {})}.items()}
    return import_talhelper(raw, None)


def documents(made: Imported, path: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(made.files[path]))


def entries(made: Imported) -> dict[str, dict[str, Any]]:
    return {entry["name"]: entry for entry in documents(made, "machines.yaml")[0]["entries"]}


def node(settings: str, files: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """Return the documents that are generated for a worker with these settings (a YAML flow mapping)."""
    made = imported(f"{HEAD}nodes:\n  - {{hostname: w1, controlPlane: false, {settings}}}\n", files)
    return documents(made, "node/w1/01-node.yaml")


def test_layers_are_in_the_order_in_which_talhelper_applies_them() -> None:
    project = HEAD + "patches: ['a: 1']\nworker: {patches: ['b: 1']}\nadditionalMachineCertSans: [x]\n" + NODES
    made = imported(project.replace("installDisk: /dev/sda}", "installDisk: /dev/sda, patches: ['c: 1']}"))
    wanted = ["base", "patches/cluster", "node/w1", "patches/worker", "node/w1/patches", "patches/all"]
    assert entries(made)["w1"]["layers"] == wanted
    assert entries(made)["m1"]["layers"] == ["base", "base/control-plane", "patches/cluster", "node/m1", "patches/all"]
    assert made.files["node/w1/patches/01-patch.yaml"] == b"c: 1"


def test_a_node_that_overrides_patches_does_not_get_those_of_its_role() -> None:
    project = HEAD + "worker: {patches: ['b: 1']}\n" + NODES.replace("/dev/sda}", "/dev/sda, overridePatches: true}")
    assert "patches/worker" not in entries(imported(project))["w1"]["layers"]


def test_a_node_is_found_by_its_hardware_address() -> None:
    made = imported(HEAD + NODES)
    assert entries(made)["m1"]["match"] == {"mac": "52:54:00:5A:01:31"}
    assert "match" not in entries(made)["w1"]
    pattern = NODES.replace("52:54:00:5A:01:31", "52:54:*")
    assert "match" not in entries(imported(HEAD + pattern))["m1"]


@pytest.mark.parametrize(
    ("settings", "machine"),
    [
        ("installDisk: /dev/sda", {"install": {"disk": "/dev/sda"}}),
        ("installDiskSelector: {type: nvme}", {"install": {"diskSelector": {"type": "nvme"}}}),
        ("talosImageURL: example.org/installer", {"install": {"image": "example.org/installer:v1.13.3"}}),
        ("nodeLabels: {a: b}", {"nodeLabels": {"a": "b"}}),
        ("nodeTaints: {a: 'b:NoSchedule'}", {"nodeTaints": {"a": "b:NoSchedule"}}),
        ("kernelModules: [{name: nbd}]", {"kernel": {"modules": [{"name": "nbd"}]}}),
        ("certSANs: [a]", {"certSANs": ["a"]}),
        (
            "machineFiles: [{content: '@./a.txt', permissions: 0o644, path: /var/a, op: create, skipEnvsubst: true}]",
            {"files": [{"content": "$$ ${A}\n", "permissions": 420, "path": "/var/a", "op": "create"}]},
        ),
    ],
)
def test_the_settings_of_a_node_are_in_its_patch(settings: str, machine: dict[str, Any]) -> None:
    (found,) = node(settings, {"a.txt": "$$ ${A}\n"})
    assert found["machine"] == {"network": {"hostname": "w1"}} | machine


def test_network_settings_are_in_the_patch_of_a_node() -> None:
    (found,) = node(
        "ignoreHostname: true, nameservers: [192.0.2.1], networkInterfaces: [{interface: eth0, dhcp: true}]"
    )
    assert found["machine"]["network"] == {
        "nameservers": ["192.0.2.1"],
        "interfaces": [{"interface": "eth0", "dhcp": True}],
    }


def test_the_documents_of_a_node_follow_its_patch() -> None:
    settings = (
        "ingressFirewall: {rules: [{name: a, portSelector: {ports: [1], protocol: tcp}, ingress: []}]}, "
        "extensionServices: [{name: b}], volumes: [{name: EPHEMERAL}], userVolumes: [{name: c}]"
    )
    _, *found = node(settings)
    kinds = [
        "NetworkDefaultActionConfig",
        "NetworkRuleConfig",
        "ExtensionServiceConfig",
        "VolumeConfig",
        "UserVolumeConfig",
    ]
    assert [one["kind"] for one in found] == kinds


def test_values_of_a_node_replace_those_of_its_role_and_some_lists_grow() -> None:
    project = HEAD + "worker: {nameservers: [192.0.2.9], certSANs: [role], nodeLabels: {a: role}}\n" + NODES
    own = project.replace("installDisk: /dev/sda}", "nameservers: [192.0.2.1], certSANs: [own]}")
    machine = documents(imported(own), "node/w1/01-node.yaml")[0]["machine"]
    assert machine["network"]["nameservers"] == ["192.0.2.1"]
    assert (machine["certSANs"], machine["nodeLabels"]) == (["own", "role"], {"a": "role"})


def test_variables_are_put_in_and_dollar_signs_are_unescaped() -> None:
    project = (
        HEAD + "domain: ${domain}\npatches: ['{machine: {env: {a: \"${b:-c}\", d: $$patch}}}', '@p.yaml']\n" + NODES
    )
    made = imported(project, {"talenv.yaml": "domain: example.org\n", "p.yaml": "a: ${domain}\n"})
    assert b"dnsDomain: example.org" in made.files["base/01-cluster.yaml"]
    assert made.files["patches/all/01-patch.yaml"] == b'{machine: {env: {a: "c", d: $patch}}}'
    assert made.files["patches/all/02-p.yaml"] == b"a: example.org\n"


@pytest.mark.parametrize(
    ("project", "files", "note"),
    [
        (HEAD + "patches: ['@gone.yaml']\n" + NODES, {}, r"@gone\.yaml was not carried over: there is no such file"),
        (HEAD + "imageFactory: {registryURL: a}\n" + NODES, {}, "imageFactory was not carried over"),
        (HEAD + NODES, {"talenv.sops.yaml": "a: ENC[AES256_GCM,data:x]\nsops:\n  mac: ENC[x]\n"}, "talenv.*encrypted"),
        (HEAD + NODES.replace("controlPlane: false", "schematic: {customization: {}}"), {}, "w1: schematic was not"),
        (HEAD + NODES.replace("controlPlane: false", "nodeLabels: {a: '{{ .X }}'}"), {}, "w1: nodeLabels.a was not"),
        (
            HEAD + NODES.replace("controlPlane: false", "machineSpec: {secureboot: true}"),
            {},
            "w1: machineSpec.secureboot",
        ),
    ],
)
def test_what_is_left_out_is_listed(project: str, files: dict[str, str], note: str) -> None:
    assert [one for one in imported(project, files).notes if re.search(note, one)]


@pytest.mark.parametrize(
    ("project", "why"),
    [
        (NODES, "talosVersion is missing"),
        (HEAD.replace("clusterName: home\n", "") + NODES, "clusterName is missing"),
        (HEAD + "nodes: [{ipAddress: 192.0.2.1}]\n", "node 1 needs a hostname"),
        ("a: [\n", "line"),
    ],
)
def test_a_project_that_cannot_be_read_is_refused(project: str, why: str) -> None:
    with pytest.raises(ImportRefused, match=why):
        imported(project)
