"""``machines.yaml``: entries, and every mistake with its file and line."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootgrant.machines.site.model import Schema, SiteModel, parse_site
from bootgrant.machines.site.variables import Command

SITE = b"""\
defaults:
  schema: talos
  labels: {site: fra}
  layers: [all, "role/{role}", "node/{name}"]
  variables: {gateway: 10.20.0.1, token: {exec: [/usr/bin/secret, "talos/{name}"]}}
entries:
  - name: cp-1
    match: {uuid: 40dcbd19-3b10-444e-bfff-aaee44a51fda, mac: ["52:54:00:00:00:01", "52:54:00:00:00:02"]}
    labels: {role: controlplane}
    networks: [10.20.0.0/24]
    variables: {address: 10.20.0.11/24}
    approvals: 2
  - name: profile
    labels: {role: worker}
    layers: [all]
    schema: text
"""


def parsed(text: bytes | str, name: str = "machines.yaml") -> SiteModel:
    return parse_site({name: text.encode() if isinstance(text, str) else text})


def test_an_entry_combines_its_own_values_and_the_defaults() -> None:
    site = parsed(SITE)
    assert site.findings == ()
    cp, profile = site.entries
    assert (cp.name, cp.line, cp.approvals, cp.networks) == ("cp-1", 7, 2, ("10.20.0.0/24",))
    assert cp.labels == {"site": "fra", "role": "controlplane"}
    assert [layer.name for layer in cp.layers] == ["all", "role/controlplane", "node/cp-1"]
    assert cp.variables["address"] == "10.20.0.11/24"
    assert cp.variables["token"] == Command(("/usr/bin/secret", "talos/cp-1"))
    assert [one.text for one in cp.match["mac"]] == ["52:54:00:00:00:01", "52:54:00:00:00:02"]
    assert (profile.match, profile.schema) == ({}, Schema.TEXT)


def test_without_layers_the_conventional_ones_are_optional() -> None:
    (entry,) = parsed("entries: [{name: node1, labels: {role: control-plane}}]").entries
    assert [layer.name for layer in entry.layers] == ["all", "control-plane", "node/node1"]
    assert all(layer.is_optional for layer in entry.layers)


def test_entries_can_be_in_separate_files() -> None:
    site = parse_site(
        {
            "machines.yaml": b"defaults: {labels: {site: fra}}\n",
            "entries/a.yaml": b"name: a\n",
            "entries/b.yaml": b"- name: b\n- name: c\n",
        }
    )
    assert [(entry.name, entry.file, entry.labels["site"]) for entry in site.entries] == [
        ("a", "entries/a.yaml", "fra"), ("b", "entries/b.yaml", "fra"), ("c", "entries/b.yaml", "fra"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("entries:\n  - nam: x\n", 2, "needs a name"),
        ("entries:\n  - name: ../x\n", 2, "needs a name"),
        ("entries:\n  - name: x\n    matches: {}\n", 3, "unknown key 'matches'"),
        ("entries:\n  - name: x\n    match: {ip: 1.2.3.4}\n", 3, "unknown key 'ip'"),
        ("entries:\n  - name: x\n    match:\n      uuid: zero\n", 4, "not a valid uuid"),
        ("entries:\n  - name: x\n    match: {mac: []}\n", 3, "empty list"),
        ("entries:\n  - name: x\n    networks: [10.20.0.1/24]\n", 3, "not a network"),
        ("entries:\n  - name: x\n    layers: [../secret]\n", 3, "not a path in the machines folder"),
        ("entries:\n  - name: x\n    layers: [/etc]\n", 3, "not a path in the machines folder"),
        ("entries:\n  - name: x\n    layers: ['role/{role}']\n", 3, "needs the label 'role'"),
        ("entries:\n  - name: x\n    approvals: 0\n", 3, "number of people"),
        ("entries:\n  - name: x\n    schema: toml\n", 3, "one of talos"),
        ("entries:\n  - name: x\n    labels: {a: [1]}\n", 3, "must be a word"),
        ("entries:\n  - name: x\n    variables: {a-b: 1}\n", 3, "letters"),
        ("entries:\n  - name: x\n    variables: {a: {exec: []}}\n", 3, "program"),
        ("entries:\n  - name: x\n  - name: x\n", 3, "the name x is already used"),
        ("entry: []\n", 1, "unknown key 'entry'"),
        ("entries: 5\n", 1, "a list"),
        ("entries:\n  - name: x\n    layers: ['']\n", 3, "must be a list of files"),
        ("entries:\n  - name: x\n    layers: [[a]]\n", 3, "must be a list of files"),
        ("entries:\n  - name: x\n    layers: []\n", 3, "empty list"),
        ("entries:\n  - name: x\n    layers: [a/.git]\n", 3, "not a path in the machines folder"),
        ("entries:\n  - name: x\n    layers: ['a\\b']\n", 3, "not a path in the machines folder"),
        ("entries:\n  - name: x\n    approvals: 10\n", 3, "number of people"),
        ("entries:\n  - name: x\n    approvals: true\n", 3, "number of people"),
        ("entries:\n  - name: x\n    match: [a]\n", 3, "must be a mapping"),
        ("entries:\n  - name: x\n    match:\n      mac: {a: b}\n", 4, "text or a list of texts"),
        ("entries:\n  - name: x\n    match:\n      mac: [' ']\n", 4, "text or a list of texts"),
        ("entries:\n  - name: x\n    variables: {a: {exec: [b], c: d}}\n", 3, "without other keys"),
        ("entries:\n  - name: x\n    variables: {a: {mint: []}}\n", 3, "mint of the variable a"),
        ("entries:\n  - name: x\n    variables: {a: {mint: [b], unmint: []}}\n", 3, "unmint of the variable a"),
        ("entries:\n  - name: x\n    variables: {a: {mint: [b], exec: [c]}}\n", 3, "without other keys"),
        ("entries:\n  - name: x\n    labels: {'a b': c}\n", 3, "letters, digits"),
        ("a: 1\ndefaults: {}\n", 1, "unknown key 'a'"),
        ("defaults: 5\n", 1, "defaults must be a mapping"),
        ("defaults: {}\n---\ndefaults: {}\n", 3, "defaults is repeated (first on line 1)"),
        ("entries: [5]\n", 1, "a mapping"),
        ("defaults: {colour: red}\n", 1, "unknown key 'colour'"),
        ("a: [\n", 2, "not valid YAML"),
        ("", 1, "the file is empty"),
        ("\n \n", 1, "the file is empty"),
    ],
)
def test_a_mistake_is_reported_with_its_line(text: str, line: int, says: str) -> None:
    (finding,) = parsed(text).findings
    assert (finding.file, finding.line) == ("machines.yaml", line)
    assert says in finding.message


def test_all_mistakes_are_reported_and_valid_entries_stay() -> None:
    site = parsed("entries:\n  - name: a\n    approvals: x\n  - name: b\n  - name: c\n    schema: x\n")
    assert [entry.name for entry in site.entries] == ["b"]
    assert [finding.entry for finding in site.findings] == ["a", "c"]


@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=120)
    | st.text("{}[]:,-\n nameslyrvb*&x0", max_size=60).map(lambda text: f"entries:\n- name: x\n  {text}".encode())
)
def test_any_bytes_give_entries_or_findings(content: bytes) -> None:
    for finding in parsed(content).findings:
        assert finding.line >= 1
        assert finding.message


def test_empty_documents_and_values_are_skipped() -> None:
    site = parsed("---\n---\nname: x\nmatch:\nlabels: ~\nvariables:\n---\nentries:\n")
    assert [entry.name for entry in site.entries] == ["x"]
    assert site.findings == ()


def test_one_to_nine_approvals_can_be_required() -> None:
    site = parsed("- {name: a, approvals: 1}\n- {name: b, approvals: 9}\n- {name: c}\n")
    assert [entry.approvals for entry in site.entries] == [1, 9, 1]


def test_a_name_is_used_once_and_machines_yaml_goes_first() -> None:
    site = parse_site({"entries/a.yaml": b"- name: x\n- name: y\n", "machines.yaml": b"# c\n- name: x\n"})
    (finding,) = site.findings
    assert (finding.file, finding.line, finding.entry) == ("entries/a.yaml", 1, "x")
    assert "already used in machines.yaml, line 2" in finding.message
    assert [(entry.name, entry.file) for entry in site.entries] == [("x", "machines.yaml"), ("y", "entries/a.yaml")]


def test_an_entry_overrides_the_defaults() -> None:
    text = (
        "defaults: {schema: json, approvals: 2, networks: [1.0.0.0/8], labels: {a: b, c: d}, variables: {x: 1, y: 2}}\n"
        "entries:\n- {name: n, schema: text, approvals: 3, networks: ['fd::/64'], labels: {a: z}, variables: {x: 3}}\n"
    )
    (entry,) = parsed(text).entries
    assert (entry.schema, entry.approvals, entry.networks) == (Schema.TEXT, 3, ("fd::/64",))
    assert (entry.labels, entry.variables) == ({"a": "z", "c": "d"}, {"x": 3, "y": 2})


@pytest.mark.parametrize(
    ("schema", "content_type"),
    [("talos", "application/yaml"), ("yaml", "application/yaml"), ("json", "application/json"),
     ("ignition", "application/vnd.coreos.ignition+json"), ("cloud-config", "text/cloud-config"),
     ("text", "text/plain; charset=utf-8")],
)  # fmt: skip
def test_every_schema_has_its_content_type(schema: str, content_type: str) -> None:
    assert Schema(schema).content_type == content_type


@pytest.mark.parametrize("written", ['"1.12"', "1.12"])
def test_an_entry_names_the_talos_release_of_its_machine(written: str) -> None:
    site = parsed(f"defaults: {{talos: {written}}}\nentries: [{{name: a}}, {{name: b, talos: '1.13'}}]\n")
    assert [entry.talos for entry in site.entries] == ["1.12", "1.13"]
    assert [entry.talos for entry in parsed("entries: [{name: a}]").entries] == ["1.14"]


@pytest.mark.parametrize("written", ["1.9", "v1.12", "1.12.4", "[]", "null", "{}"])
def test_an_unknown_talos_release_is_an_error_that_names_the_known_ones(written: str) -> None:
    (finding,) = parsed(f"entries:\n- name: a\n  talos: {written}\n").findings
    known = '"1.11", "1.12", "1.13", "1.14"'
    assert finding.message == f"talos must be one of {known}: a release, without v and without the last number"
    assert (finding.line, finding.entry) == (3, "a")


def test_a_talos_release_is_only_for_the_schema_talos() -> None:
    site = parsed("defaults: {talos: 1.12}\nentries: [{name: a, schema: text}, {name: b, schema: text, talos: 1.12}]\n")
    assert [entry.name for entry in site.entries] == ["a"]
    assert "only for the schema talos" in site.findings[0].message
