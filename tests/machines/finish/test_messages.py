"""No message repeats a secret: neither one in clear at the wrong place, nor one of an encrypted file."""

from __future__ import annotations

import pytest

from bootgrant.machines.finish.redaction import REDACTED, secret_value, secrets_of, without_secrets
from bootgrant.machines.finish.validation import Rules, judge
from bootgrant.machines.site.model import Schema
from bootgrant.machines.talos.composing import compose
from bootgrant.machines.talos.documents import ComposeError, Part
from bootgrant.machines.yaml.reading import parse_yaml

SECRET = "Zq7Xv93kPmT2wLs8"
LONG = SECRET * 5


@pytest.mark.parametrize("secret", [SECRET, LONG])
@pytest.mark.parametrize(
    "config",
    [
        "cluster: {{ca: {}}}",
        "cluster: {{secret: !!int {}}}",
        "machine: {{ca: {{key: !!bool {}}}}}",
        "machine: {{env: {}}}",
        "machine: {{files: {}}}",
        "machine: {{kubelet: {{extraArgs: {{a: {{b: {}}}}}}}}}",
        "cluster: {{etcd: {{ca: {}}}}}",
        "machine: {{token: [{}]}}",
        "{}",
    ],
)
def test_a_value_where_a_mapping_or_a_list_belongs_is_not_repeated(config: str, secret: str) -> None:
    judgement = judge(parse_yaml(config.format(secret).encode()), Schema.TALOS, Rules())
    assert judgement.faults
    assert SECRET not in str(judgement.faults)


@pytest.mark.parametrize(
    "config", ["machine: {{type: {}}}", "machine: {{install: {{wipe: {}}}}}", "machine: {{time: {{bootTimeout: {}}}}}"]
)
def test_the_beginning_of_a_long_value_is_not_repeated(config: str) -> None:
    judgement = judge(parse_yaml(config.format(LONG).encode()), Schema.TALOS, Rules())
    assert judgement.faults
    assert SECRET not in str(judgement.faults)


def test_a_patch_that_is_a_single_value_is_not_repeated() -> None:
    with pytest.raises(ComposeError) as caught:
        compose([Part("a", b"machine: {type: worker}\n"), Part("b", SECRET.encode())])
    assert SECRET not in caught.value.message


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        ("pa\\ss'wor\"d", "{!r} is not a size"),
        ("two lines\nof a secret", "{!r} is not a size"),
        ("two lines\nof a secret", "line 2: of a secret is not valid"),
        (f"{SECRET}-and-more", f"cannot unmarshal `{SECRET}...` into int"),
        (f"{SECRET}-and-more", f"{SECRET} {SECRET}-and {SECRET}-and-more"),
    ],
)
def test_a_secret_is_hidden_however_a_message_writes_it(secret: str, message: str) -> None:
    shown = without_secrets(secret_value(secret), message.format(secret))
    assert REDACTED in shown
    for word in (*secret.split("\n"), SECRET, "wor", "-and"):
        assert word not in shown


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"password: *hunter2secret\n", "*hunter2secret has no anchor: write &hunter2secret on the value it repeats"),
        (b"password: ab{{ hunter2secret }}\n", "'hunter2secret' is not defined: use name, labels"),
        (b"password: ab{{ variables.hunter2secret }}\n", "hunter2secret is not defined"),
        (b"password: ab{% hunter2secret\n", "Encountered unknown tag 'hunter2secret'."),
        (b"match: link.hunter2secret\n", "LinkStatusSpec has no field 'hunter2secret' (column 5)"),
    ],
)
def test_a_word_of_a_secret_that_is_read_as_something_else_is_hidden(content: bytes, message: str) -> None:
    assert without_secrets(secrets_of(content), message) == message.replace("hunter2secret", REDACTED)
    assert without_secrets(secrets_of(b"a: other\n"), message) == message


def test_a_secret_in_a_url_is_known_as_talos_writes_it() -> None:
    assert secrets_of(b"a: https://h/pa'th to\n").is_in("endpoint", "https://h/pa%27th%20to")


def test_a_value_with_the_beginning_of_a_longer_one_is_hidden_whole() -> None:
    known = secrets_of(b"a: 0123456789abcdefgh-longer\nb: 0123456789abXYZ\n")
    assert without_secrets(known, "0123456789abXYZ is not a size") == f"{REDACTED} is not a size"
