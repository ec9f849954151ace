"""What other tools leave in a file is found in fields, and left to the machine in free text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootgrant.machines.finish.leftovers import leftovers
from bootgrant.machines.site.model import Schema

ENC = "ENC[AES256_GCM,data:wW1k,iv:AAAA,tag:BBBB,type:str]"


def found(text: str, schema: Schema = Schema.TALOS, path: str = "a.yaml") -> list[tuple[str, int, bool]]:
    return [(one.rule, one.line, one.is_fatal) for one in leftovers(path, text.encode(), schema)]


@pytest.mark.parametrize("schema", list(Schema))
def test_ciphertext_without_its_section_is_an_error_under_every_schema(schema: Schema) -> None:
    quoted = f'{{\n"token": "{ENC}"\n}}\n'
    assert found(quoted, schema) == [("ciphertext", 2, True)]


@pytest.mark.parametrize("text", [f"TOKEN={ENC}\n", f"[a]\nb = {ENC}\n", f"a: [\n{ENC}\n"])
def test_ciphertext_in_a_text_that_is_not_yaml_is_found(text: str) -> None:
    assert [rule for rule, _, _ in found(text, Schema.TEXT)] == ["ciphertext"]


def test_a_whole_file_of_sops_inside_a_value_is_for_its_reader() -> None:
    secret = f"        data: {ENC}\n        sops:\n          mac: x\n"
    manifest = f"cluster:\n  inlineManifests:\n    - name: s\n      contents: |\n{secret}"
    assert found(manifest) == []
    assert found(f"# {ENC}\nmachine: {{}} # {ENC}\n") == []


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("machine: {network: {hostname: '${hostname}'}}", "${hostname} (Terraform"),
        ("machine: {install: {disk: '${disk:-/dev/sda}'}}", "${…} (Terraform"),
        ("machine: {nodeLabels: {region: '{{ .Data.region }}'}}", "{{ .Data.region }} (a Go template: TOPF"),
        ("machine: {nodeLabels: {region: '{{ region }}'}}", "{{ region }} (Jinja"),
        ("machine: {token: '${TOKEN}'}", "${TOKEN}"),
        ("cluster: {token: 'op://vault/talos/token'}", "1Password"),
        ("cluster: {token: 'ref+vault://secret/x#y'}", "vals"),
        ("machine: {registries: {config: {ghcr.io: {auth: {password: '${GHCR_TOKEN}'}}}}}", "${GHCR_TOKEN}"),
        ("machine: {registries: {config: {ghcr.io: {auth: {password: 'op://vault/a/b'}}}}}", "1Password"),
        ("machine: {$$patch: delete}", "write $patch"),
        ("machine: {nodeLabels: {'${KEY}': a}}", "${KEY}"),
        ("- {op: add, path: /machine/install/disk, value: '${disk}'}", "machine.install.disk"),
        ("hostname: {{ .Node.Host }}", "a Go template"),
    ],
)
def test_a_placeholder_in_a_field_is_an_error_that_names_the_tool(line: str, word: str) -> None:
    left = leftovers("a.yaml", f"# x\n{line}\n".encode(), Schema.TALOS)
    assert [(one.rule, one.line, one.is_fatal) for one in left] == [("placeholder", 2, True)]
    assert word in left[0].message


@pytest.mark.parametrize(
    "text",
    [
        "machine:\n  files:\n    - content: 'echo ${HOME} {{ .Names }}'\n      path: /var/x\n",
        "machine: {install: {extraKernelArgs: ['talos.config=https://x/config?mac=${mac}']}}",
        "machine:\n  files:\n    - {op: create, path: /var/x, content: '${HOME}'}\n",
        "machine: {env: {http_proxy: 'http://${x}'}}",
        "machine: {kubelet: {extraArgs: {a: '${b}'}}}",
        "cluster:\n  inlineManifests:\n    - name: a\n      contents: |\n        a: {{ b }} ${c}\n",
        "machine: {token: 'a${b}c'}",
        "- {op: add, path: /machine/files/0/content, value: '${HOME}'}",
        "kind: ExtensionServiceConfig\napiVersion: v1alpha1\nenvironment: ['A=${B}']\n",
        "machine: {nodeLabels: {a: '$HOME', b: 'a{b}c'}}",
    ],
)
def test_free_text_is_left_to_the_machine(text: str) -> None:
    assert found(text) == []


def test_a_reference_to_a_vault_in_free_text_is_a_warning() -> None:
    text = "kind: ExtensionServiceConfig\napiVersion: v1alpha1\nenvironment: ['TS_AUTHKEY=op://vault/ts/key']\n"
    assert found(text) == [("placeholder", 3, False)]


def test_in_other_schemas_only_a_whole_value_is_a_warning() -> None:
    text = "#cloud-config\nhostname: ${name}\nruncmd: ['echo ${HOME}']\npassword: op://a/b/c\n"
    assert found(text, Schema.CLOUD_CONFIG) == [("placeholder", 2, False), ("placeholder", 4, False)]
    assert found("## template: jinja\n#cloud-config\nhostname: '{{ v1.name }}'\n", Schema.CLOUD_CONFIG) == []
    assert found("echo ${HOME} {{ x }} op://a/b/c\n", Schema.TEXT) == []


def test_no_message_repeats_what_may_be_a_secret() -> None:
    for value in ("${TOKEN:-swordfish}", "{{ default 'swordfish' }}", "op://swordfish/swordfish/x", f"{ENC}swordfish"):
        text = f"machine:\n  token: {value!r}\n"
        assert "swordfish" not in leftovers("a.yaml", text.encode(), Schema.TALOS)[0].message


@pytest.mark.parametrize("text", ["-----BEGIN AGE ENCRYPTED FILE-----\nYQ==\n", "$ANSIBLE_VAULT;1.1;AES256\n30\n"])
def test_an_encrypted_finished_file_is_not_served(text: str) -> None:
    assert found(text, Schema.YAML) == [("ciphertext", 1, True)]


def test_a_finished_file_of_sops_is_not_served() -> None:
    assert found(f"machine:\n  token: {ENC}\nsops:\n  mac: {ENC}\n") == [("ciphertext", 1, True)]


@settings(max_examples=100, deadline=None)
@given(st.binary(), st.sampled_from(Schema))
def test_arbitrary_bytes_never_raise(content: bytes, schema: Schema) -> None:
    leftovers("a.yaml", content + b"\n${a}: {{ b }}", schema)
