"""Encrypted files are decrypted in memory. Errors name the file and quote nothing from it."""

from __future__ import annotations

import os
from pathlib import Path

import pyrage
import pytest

from bootgrant.machines.site.findings import SiteBroken
from bootgrant.sources.encrypted_files import BadIdentity, EncryptedFiles
from bootgrant.wire.secret import Secret
from support.layered_site import site_program

IDENTITY = pyrage.x25519.Identity.generate()
SOPS_FILE = b"machine:\n    token: ENC[AES256_GCM,data:abc]\nsops:\n    mac: ENC[x]\n    version: 3.9.0\n"


def encrypted(text: str, *, armored: bool = False) -> bytes:
    return bytes(pyrage.encrypt(text.encode(), [IDENTITY.to_public()], armored=armored))


@pytest.mark.parametrize("armored", [False, True])
def test_an_age_file_is_decrypted_with_the_sites_identity(armored: bool) -> None:
    files = EncryptedFiles([Secret(f"# created: today\n{IDENTITY}\n")])
    content = files.decrypted("a.yaml.age", encrypted("token: swordfish\n", armored=armored))
    assert content.text == b"token: swordfish\n"
    assert "swordfish" in content.secrets.values


def test_a_file_for_other_recipients_is_reported_by_name() -> None:
    other = Secret(str(pyrage.x25519.Identity.generate()))
    with pytest.raises(SiteBroken, match=r"a\.yaml\.age: cannot be decrypted"):
        EncryptedFiles([other]).decrypted("a.yaml.age", encrypted("token: swordfish\n"))


def test_without_an_identity_the_error_names_the_setting() -> None:
    with pytest.raises(SiteBroken, match=r"secrets\.age_identity_file"):
        EncryptedFiles().decrypted("a.yaml.age", encrypted("x"))


@pytest.mark.parametrize("text", ["", "AGE-SECRET-KEY-1NONSENSE", "# only a comment"])
def test_an_invalid_identity_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(BadIdentity) as caught:
        EncryptedFiles([Secret(text)])
    assert "NONSENSE" not in str(caught.value)


@pytest.fixture
def sops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A substitute for the program: it prints its arguments, and decrypts by replacing ENC[…]."""
    script = 'echo "# $*"; sed -e "s/ENC\\[[^]]*\\]/opened-value/" -e "/^sops:/,\\$d" /dev/stdin'
    path = site_program(tmp_path / "bin", script, "sops")
    monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")
    return path


@pytest.mark.usefixtures("sops")
def test_a_sops_file_is_decrypted_by_the_program_through_a_pipe() -> None:
    content = EncryptedFiles().decrypted("a.yaml", SOPS_FILE)
    assert b"--decrypt --input-type yaml --output-type yaml /dev/stdin" in content.text
    assert b"token: opened-value" in content.text
    assert ("token", "opened-value") in content.secrets.pairs


def test_without_sops_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SiteBroken, match="sops is not installed"):
        EncryptedFiles().decrypted("a.yaml", SOPS_FILE)


def test_an_error_of_sops_quotes_its_first_and_last_line(sops: Path) -> None:
    sops.write_text("#!/bin/sh\necho first >&2; echo no key found >&2; exit 128\n")
    with pytest.raises(SiteBroken, match="status 128: first … no key found"):
        EncryptedFiles().decrypted("a.yaml", SOPS_FILE)
    sops.write_text("#!/bin/sh\nsleep 60\n")
    with pytest.raises(SiteBroken, match="took too long"):
        EncryptedFiles(sops_seconds=0.2).decrypted("a.yaml", SOPS_FILE)
