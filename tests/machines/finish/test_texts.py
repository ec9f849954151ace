"""Previews and warnings of texts, and of what other kinds of configurations have at places of their own."""

from __future__ import annotations

import pytest

from bootgrant.machines.finish.clear_text import clear_text_secrets
from bootgrant.machines.finish.redaction import NO_SECRETS, REDACTED, preview, secrets_of
from bootgrant.machines.site.model import Schema
from bootgrant.machines.yaml.reading import parse_yaml

SCRIPT = b"#!/bin/sh\nexport DB_PASSWORD=hunter2\nexport GITHUB_PAT=hunter2\necho ready\n"


def test_a_script_that_happens_to_be_yaml_is_read_line_by_line() -> None:
    parsed = parse_yaml(SCRIPT)
    assert parsed.documents
    shown = preview(parsed, NO_SECRETS, schema=Schema.TEXT)
    assert "hunter2" not in shown
    assert f"DB_PASSWORD={REDACTED}" in shown
    assert "echo ready" in shown
    assert [finding.line for finding in clear_text_secrets({"boot.sh": SCRIPT})] == [2, 3]


@pytest.mark.parametrize(
    "secret", [b"echo one\necho two\n", b"a: |\n  echo one\n  echo two\n", b"a: [1, 2\necho one\n"]
)
def test_nothing_of_a_text_with_an_encrypted_part_is_shown(secret: bytes) -> None:
    parsed = parse_yaml(b"#!/bin/sh\nset: -e: x\n" + secret)
    assert preview(parsed, secrets_of(secret), schema=Schema.TEXT) == REDACTED


@pytest.mark.parametrize(
    "config",
    [
        "chpasswd: {list: 'root:hunter2'}",
        "chpasswd: {users: [{name: root, password: hunter2}], list: ['root:hunter2']}",
        "rh_subscription: {activation-key: hunter2}",
        "salt_minion: {pillar: {a: hunter2}}",
    ],
)
def test_passwords_at_the_places_of_cloud_init_are_hidden(config: str) -> None:
    shown = preview(parse_yaml(f"#cloud-config\n{config}\n".encode()), NO_SECRETS, schema=Schema.CLOUD_CONFIG)
    assert "hunter2" not in shown
