"""A project of TOPF becomes layers; what cannot be carried over is listed."""

from __future__ import annotations

import re

import pytest
import yaml

from bootgrant.machines.importing.project import Imported, ImportRefused
from bootgrant.machines.importing.topf import import_topf, read_project

PROJECT = """\
clusterName: lab
clusterEndpoint: https://lab.example.org:6443
kubernetesVersion: v1.34.1
talosVersion: 1.13.3
data: {region: zrh}
nodes:
  - {host: cp-1, role: control-plane, data: {uuid: 6f1d9b3a-52c7-4c0e-9b58-3f4a5c6d7e81}}
  - {host: w-1, role: worker, ip: 192.0.2.21, talosVersion: 1.12.4, data: {disk: /dev/sdb}}
"""


def imported(files: dict[str, str], project: str = PROJECT) -> Imported:
    raw = {path: text.encode() for path, text in {"topf.yaml": project, **files}.items()}
    return import_topf(raw, read_project(raw), None)


def entries(made: Imported) -> dict[str, dict[str, object]]:
    return {entry["name"]: entry for entry in yaml.safe_load(made.files["machines.yaml"])["entries"]}


def test_folders_are_layers_in_the_order_of_topf() -> None:
    made = imported(
        {
            "all/01.yaml": "machine: {}\n",
            "worker/01.yml": "machine: {}\n",
            "node/w-1/01.yaml": "machine: {}\n",
            "node/other/01.yaml": "machine: {}\n",
        }
    )
    assert entries(made)["w-1"]["layers"] == ["base", "base/node/w-1", "all", "worker", "node/w-1"]
    assert entries(made)["cp-1"]["layers"] == ["base", "base/control-plane", "all"]
    assert made.files["worker/01.yml"] == b"machine: {}\n"


def test_a_node_is_found_by_the_identity_in_its_data() -> None:
    made = imported({})
    assert entries(made)["cp-1"]["match"] == {"uuid": "6f1d9b3a-52c7-4c0e-9b58-3f4a5c6d7e81"}
    assert "match" not in entries(made)["w-1"]
    assert any("w-1: the project does not identify the machine" in note for note in made.notes)


def test_a_node_with_an_image_of_its_own_gets_a_layer_for_it() -> None:
    made = imported({})
    assert b"/metal-installer/" in made.files["base/01-cluster.yaml"]
    assert b":v1.13.3" in made.files["base/01-cluster.yaml"]
    assert b":v1.12.4" in made.files["base/node/w-1/01-install.yaml"]


def test_the_release_of_talos_is_carried_over_where_it_is_known() -> None:
    made = imported({})
    assert yaml.safe_load(made.files["machines.yaml"])["defaults"]["talos"] == "1.13"
    assert entries(made)["w-1"]["talos"] == "1.12"
    old = imported({}, PROJECT.replace("1.13.3", "1.9.1"))
    assert "talos" not in yaml.safe_load(old.files["machines.yaml"])["defaults"]
    assert any("Talos 1.9.1: bootgrant knows the releases" in note for note in old.notes)


def test_templates_become_jinja_and_the_values_that_they_use_become_variables() -> None:
    made = imported({"all/01.yaml.tpl": "a: {{ .Node.Data.disk }} {{ .Data.region }}\n"})
    assert made.files["all/01.yaml.j2"] == b"a: {{ variables.disk }} {{ variables.region }}\n"
    assert entries(made)["w-1"]["variables"] == {"region": "zrh", "disk": "/dev/sdb"}


@pytest.mark.parametrize(
    ("files", "project", "note"),
    [
        ({"all/01.yaml.tpl": "{{ if .Data.a }}a: 1{{ end }}\n"}, PROJECT, r"all/01\.yaml\.tpl .* has {{ if … }}"),
        ({"all/01.yaml": "a: ref+vault://b\n"}, PROJECT, r"all/01\.yaml: its vals references"),
        ({"all/notes.txt": "a"}, PROJECT, r"all/notes\.txt was not carried over"),
        ({}, PROJECT + "schematicId: '@schematic.yaml'\n", r"schematicId @schematic\.yaml was not carried over"),
        ({}, PROJECT + "nodesProvider: ./nodes\n", r"nodesProvider was not carried over: run it once"),
        ({}, PROJECT + "later: 1\n", r"later was not carried over"),
    ],
)
def test_what_is_left_out_is_listed(files: dict[str, str], project: str, note: str) -> None:
    assert [one for one in imported(files, project).notes if re.search(note, one)]


def test_an_untranslated_template_is_kept_where_nothing_reads_it() -> None:
    made = imported({"all/01.yaml.tpl": "{{ if .Data.a }}a: 1{{ end }}\n"})
    assert "all/01.yaml.tpl.orig" in made.files
    assert entries(made)["cp-1"]["layers"] == ["base", "base/control-plane"]


@pytest.mark.parametrize(
    ("project", "why"),
    [
        ("a: [\n", "line"),
        ("- a\n", "expected one mapping"),
        (PROJECT.replace("clusterName: lab\n", ""), "clusterName is missing"),
        (PROJECT.replace("talosVersion: 1.13.3\n", ""), "talosVersion is missing"),
        (PROJECT.replace("role: worker", "role: other"), "node 2 needs a host"),
        (PROJECT + "patchesDir: ../other\n", "must be below"),
        ("clusterName: ENC[AES256_GCM,data:a]\nsops:\n  mac: x\n", "encrypted"),
    ],
)
def test_a_project_that_cannot_be_read_is_refused(project: str, why: str) -> None:
    with pytest.raises(ImportRefused, match=why):
        imported({}, project)


def test_without_a_project_file_the_folder_is_the_wrong_one() -> None:
    with pytest.raises(ImportRefused, match=r"no topf\.yaml"):
        read_project({})
