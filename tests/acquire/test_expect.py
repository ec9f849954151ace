"""A configuration must be of the expected kind."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.acquire.errors import BadConfig
from bootgrant.acquire.expect import check_config
from bootgrant.acquire.options import Expect

TALOS = b"version: v1alpha1\nmachine:\n  type: worker\n"
LINK = b"apiVersion: v1alpha1\nkind: LinkConfig\nname: eth0\n"


def reason(config: bytes, expect: Expect) -> str:
    with pytest.raises(BadConfig) as caught:
        check_config(config, expect)
    return str(caught.value)


@given(st.binary(), st.sampled_from(Expect))
def test_arbitrary_bytes_are_accepted_or_refused(config: bytes, expect: Expect) -> None:
    with contextlib.suppress(BadConfig):
        check_config(config, expect)


@given(st.text(), st.sampled_from(Expect))
def test_arbitrary_text_is_accepted_or_refused(text: str, expect: Expect) -> None:
    with contextlib.suppress(BadConfig):
        check_config(text.encode("utf-8", "surrogatepass"), expect)


@pytest.mark.parametrize("expect", list(Expect))
@pytest.mark.parametrize("config", [b"", b" \n\t"])
def test_an_empty_configuration_is_refused(config: bytes, expect: Expect) -> None:
    assert "empty" in reason(config, expect)


@pytest.mark.parametrize(
    ("config", "expect"),
    [
        (b"\x00\xff anything", Expect.ANY),
        (TALOS, Expect.TALOS),
        (LINK, Expect.TALOS),
        (TALOS + b"---\n" + LINK, Expect.TALOS),
        (b"# only a comment before\n---\n" + TALOS, Expect.TALOS),
        (b"\xef\xbb\xbfversion: v1alpha1\n", Expect.TALOS),
        (b"a: [1, 2]\n--- \nb\n", Expect.YAML),
        (b"{}", Expect.JSON),
        (b"#cloud-config\nusers: []\n", Expect.CLOUD_CONFIG),
        (b"#cloud-config\r\nusers: []\r\n", Expect.CLOUD_CONFIG),
        (b"## template: jinja\n#cloud-config\nname: {{ v1.name }}\n", Expect.CLOUD_CONFIG),
        (b'{"ignition": {"version": "3.4.0"}}', Expect.IGNITION),
    ],
)
def test_a_configuration_of_the_kind_is_accepted(config: bytes, expect: Expect) -> None:
    check_config(config, expect)


@pytest.mark.parametrize(
    ("config", "expect", "why"),
    [
        (b"machine: {}\n", Expect.TALOS, "document 1 has neither"),
        (TALOS + b"---\njust text\n", Expect.TALOS, "document 2 is not a mapping"),
        (b"version: v1beta1\n", Expect.TALOS, "neither"),
        (b"<html>login</html>", Expect.TALOS, "not a mapping"),
        (b"a: b: c\n", Expect.YAML, "line 1"),
        (b"a:\n\tb: 1\n", Expect.YAML, "line 2"),
        (b"\xff\xfe", Expect.YAML, "byte 0 is not UTF-8"),
        (b"a: \x00", Expect.YAML, "NUL"),
        (b"{", Expect.JSON, "line 1"),
        (b"[" * 100_000, Expect.JSON, "nested too deeply"),
        (b"users: []\n", Expect.CLOUD_CONFIG, "first line"),
        (b"#cloud-configuration\n", Expect.CLOUD_CONFIG, "first line"),
        (b"#cloud-config\na: b: c\n", Expect.CLOUD_CONFIG, "line 2"),
        (b'{"ignition": {}}', Expect.IGNITION, "ignition.version"),
        (b'{"ignition": {"version": ""}}', Expect.IGNITION, "ignition.version"),
        (b"[]", Expect.IGNITION, "ignition.version"),
    ],
)
def test_another_kind_is_refused_with_the_place(config: bytes, expect: Expect, why: str) -> None:
    assert why in reason(config, expect)


def test_aliases_are_not_expanded() -> None:
    layers = [b"a: &a [x, x, x, x, x, x, x, x, x]"]
    layers += [b"%c: &%c [%s]" % (98 + n, 98 + n, b", ".join([b"*%c" % (97 + n)] * 9)) for n in range(20)]
    check_config(b"version: v1alpha1\n" + b"\n".join(layers), Expect.TALOS)


def test_a_document_may_be_nested_but_not_too_deeply() -> None:
    check_config(b"[" * 250 + b"]" * 250, Expect.YAML)
    assert "nested too deeply" in reason(b"[" * 50_000 + b"]" * 50_000, Expect.YAML)


@pytest.mark.parametrize(
    "config",
    [
        b"#cloud-config\n{}\n",
        b"## template: jinja\n#cloud-config\nhostname: {{ v1.local_hostname }}\n",
        b"#!/bin/sh\necho\n",
        b"#include\nhttps://x\n",
        b"#cloud-boothook\n",
        b"Content-Type: multipart/mixed; boundary=x\n",
        b"MIME-Version: 1.0\n",
    ],
)
def test_user_data_is_whatever_cloud_init_reads(config: bytes) -> None:
    check_config(config, Expect.USER_DATA)


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (b"<!DOCTYPE html><html>login</html>", "web page"),
        (b"\n<HTML>", "web page"),
        (b"# cloud-config\nhostname: a\n", "without blanks"),
        (b"\n#cloud-config\n", "without blanks"),
        (TALOS, "Talos configuration"),
        (LINK, "Talos configuration"),
        (b'{"ignition": {"version": "3.4.0"}}', "first line must be"),
        (b"#cloud-config\na: [\n", "line"),
    ],
)
def test_user_data_that_cloud_init_would_ignore_is_refused(config: bytes, why: str) -> None:
    assert why in reason(config, Expect.USER_DATA)
