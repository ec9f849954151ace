"""Secrets are redacted in previews, and each value shows its layer."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootgrant.machines.finish.clear_text import clear_text_secrets
from bootgrant.machines.finish.redaction import (
    NO_SECRETS,
    REDACTED,
    KnownSecrets,
    Label,
    is_written_verbatim,
    preview,
    secret_value,
    secrets_of,
    without_secrets,
)
from bootgrant.machines.finish.secret_looks import is_secret_name
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


def test_values_with_a_secret_name_or_look_are_redacted_and_others_stay() -> None:
    text = redacted(CONFIG.encode(), NO_SECRETS)
    for secret in ("abc.def", "FRDI1NTE5", "hunter22", "blue", "c2VjcmV0", "s3cret", "abc123", "MIIE"):
        assert secret not in text
    for kept in (
        "type: controlplane # keep",
        "hostname: cp-1",
        "crt: LS0t",
        "path: /etc/ü",
        "kind: X",
    ):
        assert kept in text
    assert text.count("\n") >= CONFIG.count("\n") - 7


def test_values_of_an_encrypted_file_are_redacted_everywhere() -> None:
    known = secrets_of(b"cluster:\n  pin: '4711'\n  url: https://vault.example/long\n")
    text = redacted(b"cluster: {pin: 4711, port: 4711}\nother: see https://vault.example/long now\n", known)
    assert text == "cluster: {pin: <redacted>, port: 4711}\nother: <redacted>\n"


def test_output_of_a_program_is_redacted_even_if_it_is_short() -> None:
    assert redacted(b"a: xyz\nb: [1, xyz]\n", secret_value("xyz\n")) == "a: <redacted>\nb: [1, <redacted>]\n"


def test_comments_are_removed_if_a_part_was_encrypted() -> None:
    secret = b"#cloud-config\n# old key: hunter2\na: 1 # was hunter2\nb: |- # hunter2\n  x\nc: 'y # z'\n# end hunter2\n"
    known = secrets_of(b"# hunter2\nb: x\n")
    assert redacted(secret, known) == "#cloud-config\n\na: 1 \nb: <redacted>\nc: 'y # z'\n\n"
    block = b"a: | # hunter2\n  one # stays\n  two\n# hunter2\nb: [1, # hunter2\n  2]\n"
    assert redacted(block, known) == "a: | \n  one # stays\n  two\n\nb: [1, \n  2]\n"


def test_a_key_that_repeats_a_secret_is_redacted() -> None:
    assert "hunter2hunter2" not in redacted(b"hunter2hunter2: 1\n", secret_value("hunter2hunter2"))


def test_values_of_an_encrypted_json_patch_are_redacted_under_the_patched_key() -> None:
    known = secrets_of(b"- {op: add, path: /machine/pin, value: '4711'}\n- {op: add, path: /pins/-, value: 4712}\n")
    assert redacted(b"pin: 4711\npins: [4712]\n", known) == "pin: <redacted>\npins: [<redacted>]\n"


def test_short_lines_of_an_encrypted_text_are_redacted() -> None:
    assert redacted(b"pin 47\n\tx: {\n", secrets_of(b"pin 47\n\tx: {\n")).count("<redacted>") == 2


def test_the_escapes_of_a_json_pointer_are_those_of_the_key() -> None:
    known = secrets_of(b"- {op: add, path: /machine/a~1b~0c, value: '4711'}\n")
    assert redacted(b"a/b~c: 4711\n", known) == "a/b~c: <redacted>\n"


def test_a_secret_that_begins_like_another_leaves_no_rest() -> None:
    known = KnownSecrets(frozenset({"hunter", "hunter2hunter2"}))
    assert redacted(b"\tx\x01 hunter2hunter2 hunter\n", known) == "\tx\x01 <redacted> <redacted>\n"


def test_an_encrypted_file_without_a_value_has_no_secrets() -> None:
    assert secrets_of(b"---\n# nothing\n---\n~\n").pairs == frozenset()


def test_a_text_that_is_not_yaml_is_redacted_line_by_line() -> None:
    text = redacted(b"[net]\nwifi_password = hunter22\nssid=home\n\tx\x01: {\n", NO_SECRETS)
    assert "hunter22" not in text
    assert "ssid=home" in text


def test_labels_show_that_two_secrets_differ() -> None:
    one, other = (redacted(b"token: %s\n" % it, NO_SECRETS, lambda s: f"<{len(s)}>") for it in (b"abc", b"abcd"))
    assert one != other


@pytest.mark.parametrize("name", ["token", "aescbcEncryptionSecret", "bootstrapToken", "privateKey", "wifi_password"])
def test_secret_names(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["keyboard", "hostname", "crt", "monkey", "secretboxPort", "tokens_path"])
def test_names_that_are_not_secret(name: str) -> None:
    assert not is_secret_name(name)


@settings(max_examples=100, deadline=None)
@given(secret=st.text("abcXYZ019-_ü", min_size=8, max_size=20), filling=st.text("ab: \n-[]{}'\"#|>&*", max_size=60))
def test_a_preview_never_contains_a_known_secret(secret: str, filling: str) -> None:
    config = f"{filling}\nx: {secret}\ny: before {secret} after\n".encode()
    assert secret not in redacted(config, secret_value(secret))


def annotated(config: str, origins: dict[str, str], known: KnownSecrets | None = NO_SECRETS) -> list[str]:
    """The lines of a preview, with single spaces."""
    text = preview(parse_yaml(config.encode()), known, origins)
    return [re.sub(" +", " ", line) for line in text.split("\n")]


def test_each_value_shows_the_layer_that_it_is_from() -> None:
    config = "machine:\n type: worker\n list: [a, b, a]\n---\nkind: X\nname: y\nz: 1\n---\nkind: W\n"
    origins = {
        "v1alpha1/machine.type": "all.yaml",
        "v1alpha1/machine.list[0]": "one.yaml",
        "v1alpha1/machine.list[1]": "two.yaml",
        "v1alpha1/machine.list[2]": "one.yaml",
        "X:y/z": "x.yaml",
        "W/kind": "w.yaml",
        "v1alpha1/nothing": "no.yaml",
    }
    assert annotated(config, origins) == [
        "machine:", " type: worker # all.yaml", " list: [a, b, a] # one.yaml, two.yaml", "---", "kind: X", "name: y",
        "z: 1 # x.yaml", "---", "kind: W # w.yaml", "",
    ]  # fmt: skip


def test_layers_are_in_one_column() -> None:
    keys = ["a", "longer", "k" * 70]
    config = "".join(f"{key}: 1\n" for key in keys).encode()
    text = preview(parse_yaml(config), None, {f"v1alpha1/{key}": "x.yaml" for key in keys})
    assert [line.find("  #") for line in text.splitlines()] == [60, 60, 73]


def test_layers_stay_on_the_lines_of_their_values_when_secrets_take_fewer_lines() -> None:
    config = "a: 1\ntoken: |\n  first\n  second\nb: 2\ntext: |\n  password = x\n  other\nc: '3'\n"
    origins = {f"v1alpha1/{key}": f"{key}.yaml" for key in ("a", "token", "b", "text", "c")}
    assert annotated(config, origins) == [
        "a: 1 # a.yaml", "token: <redacted> # token.yaml", "b: 2 # b.yaml", "text: | # text.yaml",
        " password = <redacted>", " other", "c: '3' # c.yaml", "",
    ]  # fmt: skip


def test_other_line_breaks_of_yaml_do_not_move_the_layers() -> None:
    origins = {"v1alpha1/a": "a.yaml", "v1alpha1/b": "b.yaml"}
    assert annotated("a: 'x\u2028\u2028y'\nb: 1\n", origins) == ["a: 'x\u2028\u2028y' # a.yaml", "b: 1 # b.yaml", ""]


def test_without_known_secrets_nothing_is_redacted() -> None:
    assert annotated("token: x\n", {"v1alpha1/token": "a.yaml"}, None) == ["token: x # a.yaml", ""]
    assert preview(parse_yaml(b"\ttoken: x\n"), None) == "\ttoken: x\n"


def test_a_text_that_is_not_yaml_has_no_layers() -> None:
    assert annotated("a: [\ntoken: x\n", {"v1alpha1/a": "a.yaml"}) == ["a: [", "token: <redacted>", ""]


def test_a_secret_with_an_anchor_is_redacted_as_a_whole() -> None:
    known = secrets_of(b"# c\nx: 1\n")
    assert redacted(b"token: &t abc\ncopy: *t\n", NO_SECRETS) == "token: <redacted>\ncopy: *t\n"
    assert (
        redacted(b"a: &b | # hunter2\n  text\nc: !t > # hunter2\n  text\n", known)
        == "a: &b | \n  text\nc: !t > \n  text\n"
    )


def test_a_byte_order_mark_does_not_move_the_redaction() -> None:
    assert redacted("\ufefftoken: abc\na: 1\n".encode(), NO_SECRETS) == "token: <redacted>\na: 1\n"


def test_a_text_that_is_not_utf_8_is_redacted_by_its_values() -> None:
    assert redacted(b"token: |\n  abc\na: \xff\n", NO_SECRETS) == "token: <redacted>\na: \ufffd\n"


@pytest.mark.parametrize(
    ("value", "is_secret"),
    [
        ("https://user:pass@host/", True), ("https://host/?token=abc", True), ("data:,secret", True),
        ("https://host:6443/", False), ("AGE-SECRET-KEY-1ABC", True), ("LS0tLS1CRUdJTiBQUklW", True),
        ("LS0tLS1CRUdJTiBDRVJU", False), ('"kind: Secret"', True), ('"kind: SecretStore"', False), ("null", False),
    ],
)  # fmt: skip
def test_values_that_look_like_secrets(value: str, is_secret: bool) -> None:
    assert (redacted(f"a: {value}\n".encode(), NO_SECRETS) == "a: <redacted>\n") == is_secret


@pytest.mark.parametrize("value", ["null", "~", '""', ""])
def test_an_empty_value_is_never_a_secret(value: str) -> None:
    assert redacted(f"token: {value}\n".encode(), NO_SECRETS) == f"token: {value}\n"


def test_known_secrets_are_removed_from_messages_if_they_are_long_enough() -> None:
    known = secrets_of(b"a: yes\nb: long\nc: longer value\n")
    assert without_secrets(known, "yes, a long text and a longer value") == "yes, a <redacted> text and a <redacted>"
    assert without_secrets(secret_value("ab"), "abc") == "<redacted>c"


def test_secrets_are_combined() -> None:
    both = secret_value("one").joined(secrets_of(b"a: two\n"))
    assert both.hides_comments
    assert not NO_SECRETS.joined(NO_SECRETS).hides_comments
    assert (both.is_in("x", "with one"), both.is_in("a", "two"), both.is_in("b", "two")) == (True, True, False)


@pytest.mark.parametrize(
    ("text", "verbatim"), [("abc-1", True), ("a b", False), ("a\\b", False), ('a"', False), ("#", False)]
)
def test_values_that_are_written_verbatim(text: str, verbatim: bool) -> None:
    assert is_written_verbatim(f" {text}\n") == verbatim


def test_a_known_value_is_redacted_inside_a_text_of_several_lines() -> None:
    known = secrets_of(b"pin: '4711'\nword: exactly8\n")
    assert redacted(b"a: |\n  pin = 4711\n  port = 4711\n", known) == "a: |\n  pin = <redacted>\n  port = 4711\n"
    assert redacted(b"a: see exactly8 now\nb: see exactly now\n", known) == "a: <redacted>\nb: see exactly now\n"


def test_comments_stay_if_nothing_was_encrypted() -> None:
    text = "# one\na: | # two\n  b # three\n  c\nd: 1 # four\n"
    assert redacted(text.encode(), NO_SECRETS) == text
    known = NO_SECRETS.joined(secret_value("x y z"))
    assert redacted(text.encode(), known) == "\na: | \n  b # three\n  c\nd: 1 \n"
    assert redacted(b"a: |- # hunter2\n  b\n", known) == "a: |- \n  b\n"


def test_an_encrypted_json_patch_may_have_operations_without_a_value() -> None:
    known = secrets_of(
        b"- {op: remove, path: /machine/pin}\n- {op: add, path: /a~1b/0, value: {c: 4711}}\n- 5\n- {value: 1}\n"
    )
    assert redacted(b"c: 4711\na/b: 4711\n", known) == "c: <redacted>\na/b: 4711\n"


@pytest.mark.parametrize("value", ["!!null hunter22", '!!null "hunter22"', "!<tag:yaml.org,2002:null> hunter22"])
def test_a_secret_stays_hidden_although_a_tag_makes_it_null(value: str) -> None:
    config = f"password: {value}\n".encode()
    assert "hunter22" not in redacted(config, NO_SECRETS)
    assert [finding.place for finding in clear_text_secrets({"a.yaml": config})] != []
