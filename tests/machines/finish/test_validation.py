"""Faults that keep a finished configuration from being served."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootgrant.machines.finish.talos_schema import BadSchema, TalosSchema
from bootgrant.machines.finish.validation import Fault, Rules, judge
from bootgrant.machines.site.model import Schema
from bootgrant.machines.yaml.reading import parse_yaml
from support.parts import shared_data

GOOD = b"version: v1alpha1\nmachine:\n  type: worker\n  ca: {crt: YQ==, key: ''}\ncluster: {}\n"
LINK = b"---\napiVersion: v1alpha1\nkind: SideroLinkConfig\napiUrl: https://omni.example/\n"


def faults(config: bytes, schema: Schema, rules: Rules) -> list[Fault]:
    return judge(parse_yaml(config), schema, rules).faults


def fatal(config: bytes, schema: Schema = Schema.TALOS, rules: Rules | None = None) -> str:
    return "; ".join(
        f"{fault.line}: {fault.message}" for fault in faults(config, schema, rules or Rules()) if fault.is_fatal
    )


@pytest.mark.parametrize("tables", [True, False])
def test_the_machine_type_is_found_with_and_without_tables(tables: bool) -> None:
    for written, known in ((b"worker", "worker"), (b"controlplane", "controlplane"), (b"init", "controlplane")):
        config = LINK + b"---\n" + GOOD.replace(b"worker", written)
        assert judge(parse_yaml(config), Schema.TALOS, Rules(tables=tables)).machine_type == known
    assert judge(parse_yaml(LINK), Schema.TALOS, Rules(tables=tables)).machine_type == ""


def test_faults_after_a_document_that_is_not_a_mapping_are_found_too() -> None:
    found = fatal(b"- 1\n---\n" + GOOD.replace(b"worker", b"boss"), rules=Rules(tables=False))
    assert "1: a Talos document must be a mapping" in found
    assert "it is 'boss'" in found


@pytest.mark.parametrize("config", [GOOD, GOOD + LINK, LINK, GOOD.replace(b"worker", b"init").replace(b"''", b"YQ==")])
def test_a_configuration_that_talos_accepts_has_no_faults(config: bytes) -> None:
    assert fatal(config) == ""


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (b"", "1: it is empty"),
        (b" \n# nothing\n", "no document"),
        (GOOD.replace(b"  ca", b"  token"), "4: machine.token: expected a text"),
        (GOOD.replace(b"worker", b"boss"), "machine.type must be controlplane or worker; it is 'boss'"),
        (b"version: v1alpha1\ncluster: {}\n", "machine is missing"),
        (GOOD + b"---\n" + GOOD, "is repeated"),
        (GOOD + LINK + LINK, "is repeated"),
        (GOOD + b"---\napiVersion: v1alpha1\nkind: NopeConfig\n", "NopeConfig"),
        (GOOD + b"---\nfoo: 1\n", "7: "),
        (GOOD.replace(b"cluster", b"machin"), "machin"),
        (b"- 1\n", "1: "),
        (b"machine:\n\ttype: worker\n", "2: "),
        (b"machine: {type: worker, type: worker}\n", "1: "),
        (b"\xff\xfe", "1: "),
    ],
)
def test_what_talos_rejects_is_a_fault_with_its_line(config: bytes, says: str) -> None:
    assert says in fatal(config)


@pytest.mark.parametrize(
    ("config", "schema", "says"),
    [
        (b'{"a": 1}', Schema.JSON, ""),
        (b'{"a": 1,}', Schema.IGNITION, "1: not JSON"),
        (b"[" * 100_000, Schema.JSON, "1: "),
        (b"#cloud-config\nusers: []\n", Schema.CLOUD_CONFIG, ""),
        (b"a: [\n", Schema.YAML, "not valid YAML"),
        (b"\xff anything", Schema.TEXT, ""),
        (b"  ", Schema.TEXT, "it is empty"),
    ],
)
def test_other_kinds_are_checked_by_their_schema(config: bytes, schema: Schema, says: str) -> None:
    found = fatal(config, schema)
    assert found == "" if says == "" else says in found


@pytest.mark.parametrize("schema", [Schema.YAML, Schema.TEXT, Schema.JSON, Schema.CLOUD_CONFIG, Schema.IGNITION])
def test_a_control_plane_is_found_under_any_schema(schema: Schema) -> None:
    judgement = judge(parse_yaml(b'{"machine": {"type": "controlplane"}}'), schema, Rules())
    assert judgement.machine_type == "controlplane"
    (fault,) = judgement.faults
    assert not fault.is_fatal
    assert "write schema: talos" in fault.message
    assert judge(parse_yaml(b'{"machine": {"size": "small"}}'), schema, Rules()).faults == []


@pytest.fixture(scope="module")
def talos() -> Rules:
    return Rules(TalosSchema(shared_data("vectors/talos-config.schema.json").read_bytes()), tables=False)


def test_the_schema_finds_wrong_types(talos: Rules) -> None:
    assert fatal(GOOD + LINK, rules=talos) == ""
    found = fatal(GOOD.replace(b"{}", b"{etcd: []}") + LINK.replace(b"https://omni.example/", b"[]"), rules=talos)
    assert "1: cluster.etcd: must be (type)" in found
    assert "7: apiUrl: must be" in found


def test_a_key_that_is_not_in_the_schema_is_only_a_warning(talos: Rules) -> None:
    (fault,) = faults(GOOD.replace(b"{}", b"{clusterName: x}"), Schema.TALOS, talos)
    assert not fault.is_fatal
    assert "cluster: clusterName is not in the schema" in fault.message


def test_the_schema_accepts_every_spelling_that_talos_reads(talos: Rules) -> None:
    config = GOOD.replace(b"{}", b"{token: 17}").replace(b"worker", b"worker\n  features: {rbac: yes}")
    assert fatal(config, rules=talos) == ""


def test_a_schema_fault_does_not_repeat_the_value(talos: Rules) -> None:
    found = fatal(GOOD.replace(b"{}", b"{token: [sw0rdfish], etcd: {image: {a: sw0rdfish}}}"), rules=talos)
    assert "cluster.token: must be" in found
    assert "sw0rdfish" not in found


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"$defs": 5}', b'{"type": 5}', b"\xff"])
def test_an_unusable_schema_file_is_rejected(content: bytes) -> None:
    with pytest.raises(BadSchema):
        TalosSchema(content)


def test_another_program_can_reject_a_configuration() -> None:
    rules = Rules(program=lambda config: "no disk is named" if b"disk" not in config else "")
    assert fatal(GOOD, rules=rules) == "1: no disk is named"
    assert fatal(GOOD.replace(b"{}", b"{clusterName: disk}"), rules=rules) == ""


def test_a_deprecated_key_is_only_a_note_if_the_tables_know_it() -> None:
    definition = {"properties": {"machine": {}, "cluster": {}, "version": {}}, "additionalProperties": False}
    schema = {"$defs": {"C": definition}, "oneOf": [{"$ref": "#/$defs/C"}]}
    rules = Rules(TalosSchema(json.dumps(schema).encode()))
    (fault,) = faults(GOOD + b"debug: true\n", Schema.TALOS, rules)
    assert (fault.is_fatal, fault.is_note, fault.rule) == (False, True, "schema")
    rules = Rules(rules.schema, tables=False)
    assert [each.is_note for each in faults(GOOD + b"debug: true\n", Schema.TALOS, rules)] == [False]
    assert faults(GOOD + b"persist: true\n", Schema.TALOS, rules) == []


def test_a_null_that_only_the_schema_refuses_is_a_warning() -> None:
    definition = {"properties": {"machine": {}, "debug": {"type": "boolean"}}}
    schema = {"$defs": {"C": definition}, "oneOf": [{"$ref": "#/$defs/C"}]}
    (fault,) = faults(GOOD + b"debug:\n", Schema.TALOS, Rules(TalosSchema(json.dumps(schema).encode())))
    assert (fault.is_fatal, fault.is_note, fault.message) == (False, False, 'debug: must be (type) "boolean"')


def test_the_reasons_of_talos_and_of_another_program_are_both_shown() -> None:
    found = fatal(GOOD.replace(b"crt: YQ==", b"crt: ''"), rules=Rules(program=lambda _: "no certificate"))
    assert found.startswith("4: machine.ca.crt is missing: a worker needs")
    assert found.endswith("; 1: no certificate")


@pytest.mark.parametrize(
    ("config", "line", "says"),
    [
        (GOOD + b"persist: false\n", 6, "persist must"),
        (GOOD.replace(b"cluster: {}", b"cluster:\n  ca:\n    key: YQ=="), 7, "cluster.ca.key: only a control plane"),
        (GOOD.replace(b"cluster", b"  network:\n    interfaces:\n      - {}\ncluster"), 7, "interfaces[0]: neither"),
        (GOOD.replace(b"cluster", b"  nodeLabels: {'a b/c.d': x}\ncluster"), 5, "machine.nodeLabels: 'a b/c.d'"),
        (GOOD + b"---\napiVersion: v1alpha1\nkind: KubePrismConfig\nport: 0\n", 9, "KubePrismConfig port must be"),
        (GOOD + b"---\napiVersion: v1alpha1\nkind: UserVolumeConfig\nname: a b\n", 9, "UserVolumeConfig:a b name"),
    ],
)
def test_a_value_that_talos_refuses_is_a_fault_at_its_line(config: bytes, line: int, says: str) -> None:
    found = [fault for fault in faults(config, Schema.TALOS, Rules()) if fault.is_fatal]
    assert (found[0].line, says in found[0].message) == (line, True), found


def test_a_missing_value_is_a_fault_at_its_closest_parent() -> None:
    config = b"machine:\n  type: worker\n  network:\n    interfaces: []\ncluster: {}\n"
    (fault,) = [fault for fault in faults(config, Schema.TALOS, Rules()) if fault.is_fatal]
    assert (fault.line, fault.path) == (1, "machine.ca")


HOSTNAME = b"apiVersion: v1alpha1\nkind: HostnameConfig\nauto: stable\n"


def test_a_machine_that_joins_omni_needs_no_more_documents() -> None:
    assert faults(LINK, Schema.TALOS, Rules()) == []


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (GOOD.replace(b"worker", b"join"), "machine.type is 'join', which Talos reads as worker: write worker"),
        (GOOD.replace(b"type: worker", b"type:"), "machine.type is missing, which Talos reads as worker"),
        (
            HOSTNAME,
            "there is no document with machine and cluster: Talos takes the configuration, but the machine stays",
        ),
        (GOOD.replace(b"cluster", b"  kubelet: {image: 'k:v1.30.0'}\ncluster"), 'talos: "1.12"'),
    ],
)
def test_what_a_machine_takes_although_it_is_odd_is_a_warning(config: bytes, says: str) -> None:
    (fault,) = faults(config, Schema.TALOS, Rules())
    assert not fault.is_fatal
    assert says in fault.message


def test_what_is_left_to_talosctl_is_said() -> None:
    by_program = Rules(tables=False, program=lambda _: "")
    (left,) = judge(parse_yaml(GOOD), Schema.TALOS, Rules(tables=False)).unchecked
    (judged,) = judge(parse_yaml(GOOD), Schema.TALOS, by_program).unchecked
    assert left.startswith("what Talos refuses, because")
    assert judged.startswith("the versions of Kubernetes")


def test_what_only_the_machine_can_check_is_said() -> None:
    selector = b"  install: {diskSelector: {size: '>= 10GB'}}\ncluster"
    judgement = judge(parse_yaml(GOOD.replace(b"cluster", selector)), Schema.TALOS, Rules())
    assert judgement.faults == []
    assert judgement.unchecked == ("whether machine.install.diskSelector matches a disk of the machine",)


@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=80) | st.text("machine: typwork{}[],\n-'\"&*", max_size=80).map(str.encode),
    st.sampled_from(list(Schema)),
)
def test_any_bytes_can_be_validated(config: bytes, schema: Schema) -> None:
    for fault in faults(config, schema, Rules()):
        assert fault.line >= 1
        json.dumps(fault.message)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (
            GOOD + b"---\n" + GOOD,
            "7: the document with machine and cluster is repeated (first on line 1): keep one of them",
        ),
        (GOOD + LINK + LINK, "is repeated (first on line 7)"),
        (GOOD + LINK + LINK.replace(b"apiUrl", b"name: a\napiUrl") + LINK.replace(b"apiUrl", b"name: b\napiUrl"), ""),
        (GOOD + b"---\nkind: X\n", "7: this X has no apiVersion"),
        (GOOD + b"---\nfoo: 1\n", "7: this document has no apiVersion and kind"),
        (GOOD + b"---\n- 1\n", "7: a Talos document must be a mapping"),
        (GOOD + b"---\n# nothing\n", ""),
        (b"# nothing\n", "1: it has no documents"),
        (b"a: [\n", "not valid YAML"),
        (b"machine: 5\n", "1: machine is missing"),
        (b"cluster: {}\n", "1: machine is missing"),
        (b"cluster: {}\nmachine:\n  type: boss\n", "3: machine.type must be controlplane or worker; it is 'boss'"),
        (b"debug: true\nmachine: {token: x}\n", ""),
    ],
)
def test_without_tables_documents_are_checked_by_their_names(config: bytes, says: str) -> None:
    found = fatal(config, rules=Rules(tables=False))
    assert found == "" if says == "" else says in found


def test_at_most_twenty_faults_are_listed() -> None:
    config = b"".join(b"kind: K%d\n---\n" % number for number in range(30))
    assert len(faults(config, Schema.TALOS, Rules(tables=False))) == 20


def test_a_kind_that_the_schema_does_not_have_is_a_fault(talos: Rules) -> None:
    found = faults(GOOD + LINK.replace(b"SideroLink", b"Fancy"), Schema.TALOS, talos)
    assert [(fault.message, fault.line, fault.is_fatal) for fault in found] == [
        ("the kind FancyConfig (v1alpha1) is not in the schema of this Talos version", 7, True)
    ]


def test_what_only_the_schema_refuses_is_a_warning_if_the_tables_accept_it() -> None:
    schema = {"$defs": {"C": {"properties": {"version": {"const": "v2"}}}}, "oneOf": [{"$ref": "#/$defs/C"}]}
    rules = Rules(TalosSchema(json.dumps(schema).encode()))
    warnings = [(fault.message, fault.line, fault.is_fatal) for fault in faults(GOOD, Schema.TALOS, rules)]
    assert warnings == [('version: must be (const) "v2"', 1, False)]
    assert faults(GOOD.replace(b"v1alpha1", b"v2"), Schema.TALOS, rules) == []
    assert "has no machine.typ" in fatal(GOOD.replace(b"type", b"typ"), rules=rules)


@pytest.mark.parametrize(
    ("rule", "value", "message"),
    [
        ({"required": ["x"]}, b"1", 'the document: needs ["x"]'),
        ({"properties": {"debug": {"minimum": 5}}}, b"1", "debug: must be (minimum) 5"),
        ({"properties": {"debug": {"multipleOf": 2}}}, b"1", "debug: does not match the schema (multipleOf)"),
        ({"properties": {"debug": {"type": "string"}}}, b"1.5", ""),
        ({"properties": {"debug": {"type": "string"}}}, b"[]", 'debug: must be (type) "string"'),
        ({"properties": {"debug": {"type": "boolean"}}}, b"yes", ""),
        ({"properties": {"debug": {"type": "boolean"}}}, b"maybe", 'debug: must be (type) "boolean"'),
    ],
)
def test_a_schema_fault_names_the_path_and_the_rule(rule: dict[str, object], value: bytes, message: str) -> None:
    definition = {"properties": {"machine": {}}} | rule
    rules = Rules(
        TalosSchema(json.dumps({"$defs": {"C": definition}, "anyOf": [{"$ref": "#/$defs/C"}]}).encode()), tables=False
    )
    assert fatal(b"debug: " + value + b"\nmachine: {type: worker}\n", rules=rules) == (
        f"1: {message}" if message else ""
    )


def test_a_configuration_over_the_limit_is_a_fault() -> None:
    assert fatal(b"#" * (1 << 24) + b"\n", Schema.TEXT) == "1: it is larger than 16 MiB"
