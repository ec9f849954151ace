"""A configuration with the keys of a cluster, or any private key, is precious, whatever its type is."""

from __future__ import annotations

import base64
import gzip

import pytest

from bootgrant.machines.finish.key_material import KeySearch
from bootgrant.machines.finish.precious import MOST_FIELDS, precious_fields
from bootgrant.machines.site.model import Schema
from bootgrant.machines.talos.tables import talos_tables
from bootgrant.machines.yaml.reading import parse_yaml

PEM = b"-----BEGIN EC PRIVATE KEY-----\n" + base64.encodebytes(bytes(range(120))) + b"-----END EC PRIVATE KEY-----\n"
SSH = b"-----BEGIN OPENSSH PRIVATE KEY-----\n" + base64.encodebytes(bytes(200))
CERTIFICATE = (
    b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(bytes(range(250)) * 3) + b"-----END CERTIFICATE-----\n"
)
ONCE = base64.b64encode(PEM).decode()
TWICE = base64.b64encode(base64.encodebytes(CERTIFICATE + PEM)).decode()
PACKED = base64.b64encode(gzip.compress(CERTIFICATE + PEM)).decode()
WORKER = f"""
machine:
  type: worker
  token: abcdef.0123456789abcdef
  ca: {{crt: {base64.b64encode(CERTIFICATE).decode()}, key: ""}}
  network: {{interfaces: [{{interface: wg0, wireguard: {{privateKey: {ONCE[:44]}}}}}]}}
  registries: {{config: {{ghcr.io: {{auth: {{password: x}}, tls: {{clientIdentity: {{crt: YQ==, key: {ONCE}}}}}}}}}}}
cluster:
  id: {ONCE[:44]}
  secret: {ONCE[:44]}
  token: abcdef.0123456789abcdef
  ca: {{crt: {base64.b64encode(CERTIFICATE).decode()}}}
  secretboxEncryptionSecret: ~
"""


def precious(text: str, schema: Schema = Schema.TALOS) -> tuple[str, ...]:
    return precious_fields(parse_yaml(text.encode()), schema, talos_tables())


def test_what_every_worker_has_is_not_precious() -> None:
    assert precious(WORKER) == ()


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("machine: {ca: {key: YQ==}}", "machine.ca.key"),
        ("cluster: {ca: {key: YQ==}}", "cluster.ca.key"),
        ("cluster: {aggregatorCA: {key: YQ==}}", "cluster.aggregatorCA.key"),
        ("cluster: {serviceAccount: {key: YQ==}}", "cluster.serviceAccount.key"),
        ("cluster: {etcd: {ca: {key: YQ==}}}", "cluster.etcd.ca.key"),
        ("cluster: {secretboxEncryptionSecret: a}", "cluster.secretboxEncryptionSecret"),
        ("cluster: {aescbcEncryptionSecret: a}", "cluster.aescbcEncryptionSecret"),
        ("kind: KubeAPIServerCAConfig\nissuingCA: {key: a}", "KubeAPIServerCAConfig.issuingCA.key"),
        ("kind: KubeAggregatorCAConfig\nissuingCA: {key: a}", "KubeAggregatorCAConfig.issuingCA.key"),
        ("kind: KubeServiceAccountConfig\nissuer: {privateKey: a}", "KubeServiceAccountConfig.issuer.privateKey"),
        (
            "kind: KubeEtcdEncryptionConfig\nconfig: {resources: [{providers: [{aescbc: {keys: [{secret: b}]}}]}]}",
            "KubeEtcdEncryptionConfig.config.resources[0].providers[0].aescbc.keys[0].secret",
        ),
        ("machine: {network: {interfaces: [{vip: {hcloud: {apiToken: a}}}]}}",
         "machine.network.interfaces[0].vip.hcloud.apiToken"),
        (f"machine: {{files: [{{content: {ONCE}}}]}}", "machine.files[0].content"),
        (f"machine: {{env: {{A: 'x={TWICE}'}}}}", "machine.env.A"),
        (f"cluster: {{inlineManifests: [{{name: a, contents: 'data: {{tls.key: {ONCE}}}'}}]}}",
         "cluster.inlineManifests[0].contents"),
        (f"kind: ExtensionServiceConfig\nconfigFiles: [{{content: {PACKED}}}]",
         "ExtensionServiceConfig.configFiles[0].content"),
        (f"kind: OfAnotherVersion\na: {{b: {ONCE}}}", "OfAnotherVersion.a.b"),
        (f"machine: {{registries: {{config: {{a: {{auth: {{password: {ONCE}}}}}}}}}}}",
         "machine.registries.config.a.auth.password"),
        (f"machine: {{type: worker}}\n# {ONCE}", "a comment"),
        (f"machine: {{sysctls: {{'{ONCE}': a}}}}", "machine.sysctls"),
        *(
            (f"machine: {{files: [{{content: '{before}{ONCE}'}}]}}", "machine.files[0].content")
            for before in ("K", "KE", "KEY", "data/")
        ),
        ("machine: {files: [{content: '---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----'}]}", "machine.files[0].content"),
        (f"machine: {{files: [{{content: {base64.b64encode(PEM.decode().encode('utf-16')).decode()}}}]}}",
         "machine.files[0].content"),
        ("machine:\n  files:\n    - content: | # AGE-SECRET-KEY-1QQQQPPPPZZZZ\n        a\n", "a comment"),
    ],
)  # fmt: skip
def test_a_key_of_the_cluster_or_a_private_key_anywhere_makes_a_worker_precious(text: str, field: str) -> None:
    head = "apiVersion: v1alpha1\n" if text.startswith("kind") else ""
    assert precious(f"{head}{text}\n") == (field,)


def test_a_private_key_in_several_lines_is_found() -> None:
    lines = "".join(f"        {line}\n" for line in PEM.decode().splitlines())
    assert precious(f"machine:\n  files:\n    - content: |\n{lines}") == ("machine.files[0].content",)


@pytest.mark.parametrize("field", ["publicKey", "acceptedCAs"])
def test_an_encryption_configuration_without_keys_is_not_precious(field: str) -> None:
    assert (
        precious("apiVersion: v1alpha1\nkind: KubeEtcdEncryptionConfig\nconfig: {providers: [{identity: {}}]}\n") == ()
    )
    assert precious(f"apiVersion: v1alpha1\nkind: KubeAPIServerCAConfig\n{field}: [x]\n") == ()


CLOUD = "#cloud-config\nwrite_files: [{{path: /a, encoding: {}, content: {}}}]\n"


@pytest.mark.parametrize(
    ("schema", "text", "field"),
    [
        (Schema.CLOUD_CONFIG, CLOUD.format("b64", ONCE), "write_files[0].content"),
        (Schema.CLOUD_CONFIG, CLOUD.format("gz+b64", PACKED), "write_files[0].content"),
        (Schema.CLOUD_CONFIG, f"#cloud-config\nssh_keys: {{ed25519_private: {base64.b64encode(SSH).decode()}}}\n",
         "ssh_keys.ed25519_private"),
        (Schema.CLOUD_CONFIG, "#cloud-config\nruncmd: [[sh, -c, 'age -i AGE-SECRET-KEY-1QQQQ']]\n", "runcmd[0][2]"),
        (Schema.IGNITION, f'{{"storage": {{"files": [{{"contents": {{"source": "data:;base64,{ONCE}"}}}}]}}}}',
         "storage.files[0].contents.source"),
        (Schema.IGNITION, '{"a": "data:,-----BEGIN%20RSA%20PRIVATE%20KEY-----%0AMIIEowIBAAKCAQEAuJ4nYzq8d1Zb"}', "a"),
        (Schema.JSON, f'{{\t"a": "{ONCE}"}}', "a"),
        (Schema.YAML, f"- {ONCE}\n", "[0]"),
        (Schema.YAML, f"{ONCE}\n", "the whole configuration"),
        (Schema.TEXT, f"#!/bin/sh\ncat <<E\n{PEM.decode()}E\n", "line 3"),
        (Schema.TEXT, f"#!/bin/sh\necho {ONCE} | base64 -d\n", "an encoded part (base64 or gzip)"),
        (Schema.TEXT, "machine: {type: worker}\ncluster: {ca: {key: YQ==}}\n", "cluster.ca.key"),
    ],
)  # fmt: skip
def test_a_private_key_makes_any_other_kind_precious(schema: Schema, text: str, field: str) -> None:
    assert precious(text, schema) == (field,)


@pytest.mark.parametrize("schema", list(Schema))
def test_certificates_public_keys_and_texts_are_not_precious(schema: Schema) -> None:
    public = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5zYzq8d1ZbuJ4nYzq8d1ZbuJ4nYzq8d1ZbuJ4nYzq8 ana@example.org"
    assert (
        precious(f'{{"a": "{base64.b64encode(CERTIFICATE).decode()}", "b": "{public}", "c": "{"-" * 80}"}}', schema)
        == ()
    )


def test_the_keys_of_a_talos_configuration_under_another_schema_are_found() -> None:
    assert precious("machine: {type: worker}\ncluster: {secretboxEncryptionSecret: a}\n", Schema.YAML) == (
        "cluster.secretboxEncryptionSecret",
    )


def test_fields_are_named_once_and_not_without_end_and_never_with_their_values() -> None:
    files = "".join(f"{{content: {ONCE}}}, " for _ in range(30))
    found = precious(f"machine: {{files: [{files}]}}\n")
    assert len(found) == MOST_FIELDS
    assert ONCE not in "".join(found)


def test_what_is_too_large_to_unpack_counts_as_a_key_and_costs_only_as_much() -> None:
    bomb = base64.b64encode(gzip.compress(b"\0" * 400_000)).decode()
    assert not KeySearch(500_000).finds(bomb)
    search = KeySearch(300_000)
    assert search.finds(bomb)
    assert search.finds(bomb)


def test_a_gzip_file_of_several_members_or_a_torn_one_is_read_as_far_as_it_goes() -> None:
    parts = gzip.compress(b"first " * 20) + gzip.compress(PEM)
    assert KeySearch().finds(base64.b64encode(parts).decode())
    assert KeySearch().finds(base64.b64encode(gzip.compress(PEM + bytes(range(256)) * 40)[:-30]).decode())
    assert not KeySearch().finds(base64.b64encode(b"\x1f\x8b" + b"x" * 80).decode())


@pytest.mark.parametrize("cut", range(4))
def test_base64_without_padding_and_for_urls_is_decoded(cut: int) -> None:
    text = base64.urlsafe_b64encode(b"a" * cut + b"\xff\xfe" + PEM).decode().rstrip("=")
    assert KeySearch().finds(f"key={text}")


@pytest.mark.parametrize(
    "content", [gzip.compress(PEM), PEM.decode().encode("utf-16"), PEM.decode().encode("utf-16-be")]
)
def test_a_private_key_in_a_file_that_is_not_utf_8_is_found(content: bytes) -> None:
    assert precious_fields(parse_yaml(content), Schema.TEXT, talos_tables()) == ("an encoded part (base64 or gzip)",)
