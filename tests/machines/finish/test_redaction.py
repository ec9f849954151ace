"""What is blacked out, and what stays readable."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootgrant.machines.finish.redaction import (
    NO_SECRETS,
    REDACTED,
    KnownSecrets,
    Label,
    clear_text_secrets,
    is_secret_name,
    preview,
    secret_value,
    secrets_of,
)
from bootgrant.machines.yaml.reading import parse_yaml

CONFIG = """\
version: v1alpha1
machine:
    type: controlplane # keep
    token: abc.def
    ca:
        crt: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURQ==
        key: LS0tLS1CRUdJTiBFRDI1NTE5IFBSSVZBVEUgS0VZ
    files:
        - content: |
            [plugins]
            password = hunter22
            colour = blue
          path: /etc/ü
    network:
        hostname: cp-1
cluster:
    secret: "c2VjcmV0"
    endpoint: https://ana:s3cret@host:6443/
    join: https://omni.example/?jointoken=abc123
---
apiVersion: v1alpha1
kind: X
stringData: |
    -----BEGIN RSA PRIVATE KEY-----
    MIIEabcdef
    -----END RSA PRIVATE KEY-----
"""


def redacted(config: bytes, known: KnownSecrets, label: Label = lambda _: REDACTED) -> str:
    return preview(parse_yaml(config), known, label=label)


def test_secrets_by_their_names_and_looks_are_gone_and_the_rest_stays() -> None:
    text = redacted(CONFIG.encode(), NO_SECRETS)
    for secret in ("abc.def", "FRDI1NTE5", "hunter22", "c2VjcmV0", "s3cret", "abc123", "MIIE"):
        assert secret not in text
    for kept in (
        "type: controlplane # keep",
        "hostname: cp-1",
        "crt: LS0t",
        "colour = blue",
        "path: /etc/ü",
        "kind: X",
    ):
        assert kept in text
    assert text.count("\n") >= CONFIG.count("\n") - 4


def test_what_came_out_of_an_encrypted_file_is_secret_wherever_it_stands() -> None:
    known = secrets_of(b"cluster:\n  pin: '4711'\n  url: https://vault.example/long\n")
    text = redacted(b"cluster: {pin: 4711, port: 4711}\nother: see https://vault.example/long now\n", known)
    assert text == "cluster: {pin: <redacted>, port: 4711}\nother: <redacted>\n"


def test_what_a_program_printed_is_secret_however_short() -> None:
    assert redacted(b"a: xyz\nb: [1, xyz]\n", secret_value("xyz\n")) == "a: <redacted>\nb: [1, <redacted>]\n"


def test_comments_of_what_was_encrypted_are_gone_wherever_they_stand() -> None:
    secret = b"#cloud-config\n# old key: hunter2\na: 1 # was hunter2\nb: |- # hunter2\n  x\nc: 'y # z'\n# end hunter2\n"
    known = secrets_of(b"# hunter2\nb: x\n")
    assert redacted(secret, known) == "#cloud-config\n\na: 1 \nb: <redacted>\nc: 'y # z'\n\n"
    block = b"a: | # hunter2\n  one # stays\n  two\n# hunter2\nb: [1, # hunter2\n  2]\n"
    assert redacted(block, known) == "a: | \n  one # stays\n  two\n\nb: [1, \n  2]\n"


def test_a_key_that_repeats_a_secret_is_gone_too() -> None:
    assert "hunter2hunter2" not in redacted(b"hunter2hunter2: 1\n", secret_value("hunter2hunter2"))


def test_an_encrypted_json_patch_is_secret_under_the_key_that_it_patches() -> None:
    known = secrets_of(b"- {op: add, path: /machine/pin, value: '4711'}\n- {op: add, path: /pins/-, value: 4712}\n")
    assert redacted(b"pin: 4711\npins: [4712]\n", known) == "pin: <redacted>\npins: [<redacted>]\n"


def test_short_lines_of_an_encrypted_text_are_gone() -> None:
    assert redacted(b"pin 47\n\tx: {\n", secrets_of(b"pin 47\n\tx: {\n")).count("<redacted>") == 2


def test_other_texts_are_redacted_by_their_lines() -> None:
    text = redacted(b"[net]\nwifi_password = hunter22\nssid=home\n\tx\x01: {\n", NO_SECRETS)
    assert "hunter22" not in text
    assert "ssid=home" in text


def test_a_difference_in_a_secret_can_be_seen_without_it() -> None:
    one, other = (redacted(b"token: %s\n" % it, NO_SECRETS, lambda s: f"<{len(s)}>") for it in (b"abc", b"abcd"))
    assert one != other


@pytest.mark.parametrize("name", ["token", "aescbcEncryptionSecret", "bootstrapToken", "privateKey", "wifi_password"])
def test_names_that_mean_a_secret(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["keyboard", "hostname", "crt", "monkey", "secretboxPort", "tokens_path"])
def test_names_that_do_not(name: str) -> None:
    assert not is_secret_name(name)


def test_secrets_in_clear_are_found_with_their_lines_and_templates_are_not() -> None:
    found = clear_text_secrets({"a.yaml": CONFIG.encode()})
    assert [(finding.message.split()[0], finding.line) for finding in found[:2]] == [("token", 4), ("key", 7)]
    assert clear_text_secrets({"a.yaml": b"a: 1\ntoken: {{ variables.token }}\n"}) == []


@settings(max_examples=100, deadline=None)
@given(secret=st.text("abcXYZ019-_ü", min_size=8, max_size=20), filling=st.text("ab: \n-[]{}'\"#|>&*", max_size=60))
def test_a_known_secret_is_in_no_preview_of_any_text(secret: str, filling: str) -> None:
    config = f"{filling}\nx: {secret}\ny: before {secret} after\n".encode()
    assert secret not in redacted(config, secret_value(secret))
