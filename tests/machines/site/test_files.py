"""The files of layers, in their order, and finished configurations."""

from __future__ import annotations

import pytest

from bootgrant.machines.site.files import (
    LayerFile,
    Listing,
    file_names,
    finished_entries,
    layer_files,
    names_one_machine,
    unused_layers,
)
from bootgrant.machines.site.model import Entry, Layer, Schema
from bootgrant.wire.identity import MachineIdentity, swapped_uuid
from support.grants import MAC, UUID

PATHS = [
    "all/02-b.yaml", "all/01-a.yaml.j2", "all/10-c.yaml.age", "all/README.md", "all/sub/x.yaml", "all/old.yaml.bak",
    "all/02-b.yaml~", "all/#02-b.yaml#", "all/02-b.yaml.swp",
    "worker.yaml", "node/n/x.json", "odd/a.toml", "tpl/a.yaml.tpl", "both/a.yaml.j2.age", "wrong/a.yaml.age.j2",
    "machines.yaml", "entries/a.yaml",
]  # fmt: skip


def files(*layers: str, schema: Schema = Schema.TALOS, optional: bool = False) -> tuple[list[str], list[str]]:
    entry = Entry("n", layers=tuple(Layer(name, is_optional=optional) for name in layers), schema=schema)
    found, findings = layer_files(entry, Listing(PATHS))
    return [file.path for file in found], [finding.rule for finding in findings]


def test_a_finding_about_an_entry_has_its_place_and_its_name() -> None:
    entry = Entry("n", layers=(Layer("nope", is_optional=True),), file="machines.yaml", line=7)
    [found] = layer_files(entry, Listing(PATHS))[1]
    assert (found.rule, found.file, found.line, found.entry) == ("no-layers", "machines.yaml", 7, "n")


def test_files_of_a_folder_are_used_in_the_order_of_their_names() -> None:
    assert files("all") == (["all/01-a.yaml.j2", "all/02-b.yaml", "all/10-c.yaml.age"], [])


def test_a_layer_can_be_a_file_with_or_without_its_ending() -> None:
    assert files("worker", "node/n/x") == (["worker.yaml", "node/n/x.json"], [])
    assert files("all/02-b.yaml") == (["all/02-b.yaml"], [])


def test_layers_are_in_the_order_of_the_entry() -> None:
    assert files("node/n", "worker")[0] == ["node/n/x.json", "worker.yaml"]


@pytest.mark.parametrize(
    ("layer", "rule"),
    [("nope", "missing-layer"), ("odd", "odd-name"), ("tpl", "go-template"), ("wrong", "odd-name")],
)
def test_an_unusable_layer_is_reported(layer: str, rule: str) -> None:
    assert files("all", layer)[1] == [rule]
    assert files(layer, "nope") == ([], [rule, "missing-layer"])


def test_some_optional_layers_may_be_missing_but_not_all() -> None:
    assert files("all", "nope", optional=True)[1] == []
    assert files("nope", optional=True)[1] == ["no-layers"]


def test_a_text_can_have_any_name() -> None:
    assert files("odd", schema=Schema.TEXT) == (["odd/a.toml"], [])


def test_unused_layers_are_reported_once_each() -> None:
    entry = Entry("n", layers=(Layer("all"), Layer("worker")))
    places = [finding.file for finding in unused_layers([entry], Listing(PATHS))]
    assert places == ["all/sub/x.yaml", "both/a.yaml.j2.age", "node/n/x.json", "odd/a.toml", "tpl/a.yaml.tpl",
                      "wrong/a.yaml.age.j2"]  # fmt: skip


def test_an_optional_layer_is_reported_if_its_files_cannot_be_used() -> None:
    assert files("odd", optional=True) == ([], ["odd-name"])


@pytest.mark.parametrize(
    ("schema", "path", "is_used"),
    [
        (Schema.TALOS, "l/a.yml", True), (Schema.YAML, "l/a.json.j2", True), (Schema.CLOUD_CONFIG, "l/a.cfg", True),
        (Schema.IGNITION, "l/a.ign.age", True), (Schema.TALOS, "l/a.cfg", False), (Schema.JSON, "l/a.ign", False),
        (Schema.IGNITION, "l/a.cfg", False),
    ],
)  # fmt: skip
def test_a_schema_decides_which_files_of_a_folder_are_used(schema: Schema, path: str, is_used: bool) -> None:
    found, findings = layer_files(Entry("n", layers=(Layer("l"),), schema=schema), Listing([path]))
    assert ([file.path for file in found] == [path]) == is_used
    assert bool(findings) != is_used


def test_a_name_without_ending_must_be_unambiguous() -> None:
    listing = Listing(["a.yaml", "b.yaml", "b.json", "c/d.yaml.j2", "e.yaml/x.yaml"])
    found = [listing.files(name) for name in ("a", "b", "c/d", "e", "c")]
    assert found == [["a.yaml"], None, ["c/d.yaml.j2"], None, ["c/d.yaml.j2"]]
    assert listing.folders() == ["c", "e.yaml"]


@pytest.mark.parametrize(
    ("path", "encrypted", "template", "plain"),
    [("a.yaml", False, False, "a.yaml"), ("a.yaml.j2", False, True, "a.yaml"), ("a.yaml.age", True, False, "a.yaml"),
     ("a.yaml.j2.age", True, True, "a.yaml")],
)  # fmt: skip
def test_the_ending_of_a_name_says_what_a_file_is(path: str, encrypted: bool, template: bool, plain: str) -> None:
    file = LayerFile(path)
    assert (file.is_encrypted, file.is_template, file.plain_name) == (encrypted, template, plain)


def test_the_files_of_a_machine_are_tried_from_uuid_to_mac() -> None:
    found = list(file_names(MachineIdentity(UUID, "SN-1", MAC, "node")))
    mac = MAC.replace(":", "-")
    assert found == [
        ("uuid", f"{UUID}.yaml"), ("uuid", f"{UUID.upper()}.yaml"), ("uuid", f"{swapped_uuid(UUID)}.yaml"),
        ("uuid", f"{swapped_uuid(UUID).upper()}.yaml"), ("serial", "SN-1.yaml"), ("mac", f"{mac}.yaml"),
        ("mac", f"{mac.upper()}.yaml"),
    ]  # fmt: skip


@pytest.mark.parametrize("serial", [UUID, MAC, MAC.replace(":", "-"), "../x", ".x", "x" * 129, ""])
def test_a_serial_number_never_finds_the_file_of_another_machine(serial: str) -> None:
    assert list(file_names(MachineIdentity(serial=serial))) == []


def test_finished_configurations_are_entries_of_one_machine() -> None:
    names = [
        "b.yaml",
        f"{UUID}.yaml",
        "a.yml",
        "sub/c.yaml",
        ".d.yaml",
        "zz.yaml",
        f"{MAC.replace(':', '-')}.yaml",
        "none.yaml",
    ]
    found = finished_entries(names, lambda name: Schema.TALOS if name == "b.yaml" else Schema.YAML)
    assert [(entry.name, list(entry.match), entry.schema, entry.has_pattern) for entry in found] == [
        (f"{UUID}.yaml", ["uuid"], Schema.YAML, False),
        (f"{MAC.replace(':', '-')}.yaml", ["mac"], Schema.YAML, False),
        ("b.yaml", ["serial"], Schema.TALOS, False),
        ("zz.yaml", ["serial"], Schema.YAML, False),
    ]
    assert [names_one_machine(entry.name) for entry in found] == [True, True, False, False]
    assert all((entry.file, entry.line, entry.layers) == (entry.name, 1, (Layer(entry.name),)) for entry in found)


def test_findings_about_a_file_name_the_file_and_those_about_a_layer_the_entry() -> None:
    entry = Entry("n", layers=(Layer("tpl"), Layer("nope")), file="entries/n.yaml", line=7)
    _, findings = layer_files(entry, Listing(PATHS))
    assert [(finding.file, finding.line, finding.entry) for finding in findings] == [
        ("tpl/a.yaml.tpl", 0, "n"), ("entries/n.yaml", 7, "n"),
    ]  # fmt: skip


def test_every_unused_file_outside_of_folders_is_reported() -> None:
    listing = Listing(["b.yaml", "a.yaml", "c.yaml", "LICENSE", "README.txt", "machines.yaml", "entries/x.yaml"])
    found = unused_layers([Entry("n", layers=(Layer("c"),))], listing)
    assert [(finding.rule, finding.file) for finding in found] == [
        ("unused-layer", "a.yaml"),
        ("unused-layer", "b.yaml"),
    ]


def test_an_unused_folder_is_reported_once() -> None:
    found = unused_layers([], Listing(["one/a.yaml", "two/a.yaml", "two/b.yaml", "two/c/d.yaml"]))
    assert [finding.file for finding in found] == ["one/a.yaml", "two", "two/c/d.yaml"]
