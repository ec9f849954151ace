"""Texts that make a regular expression go back and forth: each is read in one go, or this test does not end."""

from __future__ import annotations

import pytest

from bootgrant.machines.finish.clear_text import clear_text_secrets
from bootgrant.machines.finish.leftovers import leftovers
from bootgrant.machines.finish.secret_looks import looks_secret
from bootgrant.machines.site.encryption import encryption_of, is_whole_sops_file
from bootgrant.machines.site.foreign import foreign_content
from bootgrant.machines.site.model import Schema

SIZE = 1 << 20
CIPHERTEXT = "# ENC[AES256_GCM,data:x]"


def many(text: str) -> str:
    return text * (SIZE // len(text))


@pytest.mark.parametrize("text", [f"{{ {CIPHERTEXT}" + many("\n"), f'{{"sops" {CIPHERTEXT}' + many('"sops" ')])
def test_the_encryption_of_a_file(text: str) -> None:
    assert not encryption_of("a.json", text.encode()).is_sops
    assert not is_whole_sops_file(text)


def test_a_page_with_many_comments() -> None:
    assert foreign_content("a.yaml", many("<!---->").encode(), Schema.YAML) == ""


@pytest.mark.parametrize(
    "text",
    [
        f"a: '{many('${')}'",
        f"a: '{many('{{')}'",
        f"a: '{many('${')}{many('{{')}'",
        f"a: [\n{many('{{a')}",
        f"a: [\n{many('{{   ')}",
        f"machine: {{type: '{many('${')}'}}",
        f"machine: {{type: '{many('op:/ ')}'}}",
        f"machine: {{type: '{many('ref+a')}'}}",
    ],
)
@pytest.mark.parametrize("schema", [Schema.TALOS, Schema.YAML])
def test_what_other_tools_leave_in_a_file(text: str, schema: Schema) -> None:
    assert leftovers("a.yaml", text.encode(), schema) == []


@pytest.mark.parametrize(
    "text",
    [
        "://" + many(":"),
        many("://a:"),
        many("?token"),
        many("-----BEGIN A-----"),
        many("login "),
        "MONITOR " + many("@"),
        many("eyJaaaa."),
        many("AAAAAAAAAAAAAAAAAAAAAAAA\n\n"),
    ],
)
def test_secrets_in_clear(text: str) -> None:
    assert not looks_secret(text)
    lines = "".join(f"    {line}\n" for line in text.split("\n"))
    assert clear_text_secrets({"a.yaml": f"a:\n  b: |\n{lines}".encode()}) == []


def test_what_is_found_is_the_same_as_before_an_opening_that_is_never_closed() -> None:
    (found,) = leftovers("a.yaml", b"machine: {type: '${ {{ ${ROLE} {{'}", Schema.TALOS)
    assert "${…}" in found.message
    (found,) = leftovers("a.yaml", b"machine:\n  type: |-\n    ${\n  token: x\n  ca: '{{ ROLE }}'\n", Schema.TALOS)
    assert "{{ ROLE }}" in found.message
    public = "-----BEGIN CERTIFICATE-----\npassword: hunter2hunter2\n"
    text = "a:\n  b: |\n" + "".join(f"    {line}\n" for line in public.splitlines())
    assert [finding.line for finding in clear_text_secrets({"a.yaml": text.encode()})] == [4]
