"""Composing a Talos configuration, and where its values came from."""

from __future__ import annotations

import json

import pytest

from bootgrant.machines.talos.composing import compose
from bootgrant.machines.talos.documents import ComposeError, Part, machine_type
from bootgrant.machines.yaml.reading import parse_yaml

BASE = Part(
    "all.yaml", b"version: v1alpha1\nmachine:\n  type: worker\n  certSANs: [a, b]\n  sysctls: {x: '1', y: '1'}\n"
)


def _origins(*patches: tuple[str, str]) -> dict[str, str]:
    return dict(compose([BASE, *(Part(name, text.encode()) for name, text in patches)]).origins)


def test_a_base_without_patches_is_served_byte_for_byte() -> None:
    base = b"machine:   {type: worker}  # as it is\r\n"
    assert compose([Part("all.yaml", base)]).config == base


def test_composing_nothing_is_an_error() -> None:
    with pytest.raises(ComposeError, match="name the base document first"):
        compose([])


def test_all_patches_are_read_before_the_first_is_applied() -> None:
    with pytest.raises(ComposeError) as refused:
        compose([BASE, Part("one", b"machine: {sysctls: {no: {$patch: delete}}}\n"), Part("two", b"machine: [\n")])
    assert refused.value.part == "two"


def test_origins_name_the_part_of_each_value() -> None:
    origins = _origins(("role.yaml", "machine: {sysctls: {y: '2'}}\n"), ("host.yaml", "machine: {certSANs: [c]}\n"))
    assert origins["v1alpha1/machine.type"] == "all.yaml"
    assert origins["v1alpha1/machine.sysctls.x"] == "all.yaml"
    assert origins["v1alpha1/machine.sysctls.y"] == "role.yaml"
    assert [origins[f"v1alpha1/machine.certSANs[{at}]"] for at in range(3)] == ["all.yaml", "all.yaml", "host.yaml"]


def test_origins_of_a_document_added_by_a_patch() -> None:
    text = "apiVersion: v1alpha1\nkind: KmsgLogConfig\nname: remote\nurl: udp://10.0.0.1:1/\n"
    origins = _origins(("log.yaml", text), ("more.yaml", text.replace("10.0.0.1", "10.0.0.2")))
    assert origins["KmsgLogConfig:remote/name"] == "log.yaml"
    assert origins["KmsgLogConfig:remote/url"] == "more.yaml"


def test_elements_keep_their_origin_after_an_earlier_one_is_deleted() -> None:
    modules = "machine: {kernel: {modules: [{name: a}, {name: b, parameters: [x]}]}}\n"
    delete = "machine: {kernel: {modules: [{name: a, $patch: delete}]}}\n"
    origins = _origins(("modules.yaml", modules), ("delete.yaml", delete))
    assert origins["v1alpha1/machine.kernel.modules[0].name"] == "modules.yaml"
    assert "delete.yaml" not in origins.values()


def test_an_element_changed_by_a_patch_has_two_origins() -> None:
    one = "machine: {network: {interfaces: [{interface: eth0, dhcp: true}, {interface: eth1}]}}\n"
    two = "machine: {network: {interfaces: [{interface: eth0, mtu: 9000}]}}\n"
    origins = _origins(("one.yaml", one), ("two.yaml", two))
    place = "v1alpha1/machine.network.interfaces[0]"
    assert (origins[f"{place}.dhcp"], origins[f"{place}.mtu"]) == ("one.yaml", "two.yaml")


def test_origins_follow_a_json_patch() -> None:
    origins = _origins(("json.yaml", '[{"op": "replace", "path": "/machine/type", "value": "controlplane"}]'))
    assert (origins["v1alpha1/machine.type"], origins["v1alpha1/machine.sysctls.x"]) == ("json.yaml", "all.yaml")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("machine: {type: controlplane}\n", "controlplane"),
        ("machine: {type: init}\n", "controlplane"),
        ("apiVersion: v1alpha1\nkind: HostnameConfig\n---\nmachine:\n  type: worker\n", "worker"),
        ("machine: {<<: {type: controlplane}}\n", "controlplane"),
        ("machine: {<<: [{type: worker}, {type: controlplane}], type: worker}\n", "controlplane"),
        ("<<: {machine: {type: !!binary Y29udHJvbHBsYW5l}}\n", "controlplane"),
        ("machine: {type: worker}\n---\nmachine: {type: controlplane}\n", "controlplane"),
        ("machine: {type: !!binary '%'}\n", ""),
        ("machine: {token: t}\n", ""),
        ("machine: {type: other}\n", ""),
        ("cluster: {type: worker}\n", ""),
        ("machine: [\n", ""),
    ],
)
def test_the_machine_type_is_read_from_the_configuration(text: str, kind: str) -> None:
    assert machine_type(parse_yaml(text.encode()).documents) == kind


def test_elements_changed_in_place_keep_the_origin_of_their_other_values() -> None:
    free = "machine: {kubelet: {extraConfig: {l: [{a: 1, b: 1}, {a: 2, b: 2}, {a: 3}]}}}\n"
    path = "/machine/kubelet/extraConfig/l"
    operations = [{"op": "replace", "path": f"{path}/{at}/b", "value": 9} for at in (0, 1)]
    operations.append({"op": "add", "path": f"{path}/-", "value": {"a": 4}})
    origins = _origins(("free.yaml", free), ("json.yaml", json.dumps(operations)))
    place = "v1alpha1/machine.kubelet.extraConfig.l"
    found = {key.removeprefix(place): origins[key] for key in origins if key.startswith(place)}
    assert found == {
        "[0].a": "free.yaml", "[0].b": "json.yaml", "[1].a": "free.yaml", "[1].b": "json.yaml", "[2].a": "free.yaml",
        "[3].a": "json.yaml",
    }  # fmt: skip


def test_origins_have_a_length_and_are_empty_for_a_base_that_is_not_valid() -> None:
    assert len(compose([BASE]).origins) == 8
    assert dict(compose([Part("all.yaml", b"machine: [\n")]).origins) == {}


@pytest.mark.parametrize("given", ["false", "off", "null"])
def test_a_patch_turns_a_feature_of_a_link_off(given: str) -> None:
    """The features of an EthernetConfig are the one mapping of plain booleans: a false one overrides."""
    header = "apiVersion: v1alpha1\nkind: EthernetConfig\nname: eth0\n"
    link = Part("link.yaml", f"{header}features: {{tx-gro: true, rx-gro: true}}\n".encode())
    made = compose([link, Part("patch.yaml", f"{header}features: {{tx-gro: {given}}}\n".encode())])
    assert made.config.decode().endswith("features:\n    rx-gro: true\n    tx-gro: false\n")
    assert not made.surprises


@pytest.mark.parametrize(
    ("text", "selector", "left"),
    [
        ("machine: {files: [{path: /a, permissions: 0o644}, {path: /b}]}\n", "permissions: 0o644", "/b"),
        ("machine: {files: [{path: /a, permissions: 0o644}, {path: /b}]}\n", "permissions: 0o0", "/a"),
    ],
)
def test_an_element_is_deleted_by_what_talos_writes_for_a_number(text: str, selector: str, left: str) -> None:
    patch = Part("patch.yaml", f"machine: {{files: [{{{selector}, $patch: delete}}]}}\n".encode())
    config = compose([Part("files.yaml", text.encode()), patch]).config.decode()
    assert [line.split()[-1] for line in config.splitlines() if "path:" in line] == [left]


@pytest.mark.parametrize(("interval", "left"), [("0s", ["b"]), ("1m30s", ["a"])])
def test_a_peer_is_deleted_by_its_interval_given_or_not(interval: str, left: list[str]) -> None:
    header = "apiVersion: v1alpha1\nkind: WireguardConfig\nname: wg0\n"
    peers = "peers: [{publicKey: a}, {publicKey: b, persistentKeepaliveInterval: 90s}]\n"
    patch = f"peers: [{{persistentKeepaliveInterval: {interval}, $patch: delete}}]\n"
    config = compose([Part("link", f"{header}{peers}".encode()), Part("patch", f"{header}{patch}".encode())]).config
    assert [line.split()[-1] for line in config.decode().splitlines() if "publicKey" in line] == left
