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


def reason(files: EncryptedFiles, path: str, raw: bytes) -> str:
    assert not files.is_plain(path, raw)
    with pytest.raises(SiteBroken) as caught:
        files.decrypted(path, raw)
    assert "swordfish" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("armored", [False, True])
def test_a_file_for_others_says_for_whom_and_how_to_add_this_server(armored: bool) -> None:
    other = pyrage.x25519.Identity.generate()
    why = reason(EncryptedFiles([Secret(str(other))]), "a.yaml.age", encrypted("swordfish", armored=armored))
    assert "only for others (X25519)" in why
    assert f"age -r {other.to_public()}" in why


def test_a_file_with_a_passphrase_or_for_a_plugin_is_named() -> None:
    files = EncryptedFiles([Secret(str(IDENTITY))])
    assert "passphrase" in reason(files, "a.age", bytes(pyrage.passphrase.encrypt(b"swordfish", "pw")))
    token = b"age-encryption.org/v1\n-> piv-p256 QQQQQQ AAAA\nAAAA\n--- " + b"A" * 43 + b"\n" + bytes(40)
    assert "keys that bootgrant does not use (piv-p256)" in reason(files, "a.age", token)


def test_a_file_in_clear_under_the_name_of_an_encrypted_one_is_called_open() -> None:
    files = EncryptedFiles([Secret(str(IDENTITY))])
    assert "not encrypted: everyone who can read" in reason(files, "a.yaml.age", b"token: swordfish\n")
    assert "encrypted with SOPS: remove .age" in reason(files, "a.yaml.age", SOPS_FILE)
    assert "empty" in reason(files, "a.yaml.age", b"\n")


def test_an_age_file_under_another_name_must_be_renamed() -> None:
    assert "rename it to NAME.age" in reason(EncryptedFiles(), "a.yaml", encrypted("swordfish", armored=True))


@pytest.mark.parametrize("cut", [20, 200])
def test_a_damaged_age_file_is_not_taken_for_one_of_others(cut: int) -> None:
    why = reason(EncryptedFiles([Secret(str(IDENTITY))]), "a.age", encrypted("swordfish" * 20)[:-cut])
    assert "damaged or incomplete" in why


@pytest.mark.parametrize(
    ("raw", "tool"),
    [
        (b"\0GITCRYPT\0abc", "git-crypt"),
        (b"$ANSIBLE_VAULT;1.1;AES256\n3030\n", "Ansible Vault"),
        (b"-----BEGIN PGP MESSAGE-----\n", "PGP"),
    ],
)
def test_the_encryption_of_other_tools_is_named(raw: bytes, tool: str) -> None:
    assert f"encrypted with {tool}" in reason(EncryptedFiles(), "a.yaml", raw)


@pytest.mark.parametrize("path", ["a.yaml", "a.yaml.age"])
def test_a_pointer_of_lfs_is_named(path: str) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
    assert "git lfs pull" in reason(EncryptedFiles(), path, pointer)


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
@pytest.mark.parametrize(
    ("path", "raw", "kind"),
    [
        ("a.env", b"A=ENC[AES256_GCM,data:x]\nsops_mac=ENC[x]\n", "dotenv"),
        ("a.ini", b"[x]\na = ENC[AES256_GCM,data:x]\n[sops]\nmac = ENC[x]\n", "ini"),
        ("a.json", b'{\n "data": "ENC[x]",\n "sops": {"mac": "ENC[x]"}\n}\n', "json"),
        ("a.yaml", b'{\n "data": "ENC[x]",\n "sops": {"mac": "ENC[x]"}\n}\n', "binary"),
        ("a.yaml", b'{"data": "ENC[x]", "more": 1, "sops": {"mac": "ENC[x]"}}\n', "json"),
    ],
)
def test_the_store_of_sops_is_known_by_the_content(path: str, raw: bytes, kind: str) -> None:
    assert f"--input-type {kind} --output-type {kind}".encode() in EncryptedFiles().decrypted(path, raw).text


@pytest.mark.parametrize(
    ("stderr", "why"),
    [
        ("MAC mismatch. File has 1, computed 2", "changed after it was encrypted"),
        ("Failed to get the data key required", "none of the keys"),
    ],
)
def test_common_failures_of_sops_have_their_own_words(sops: Path, stderr: str, why: str) -> None:
    sops.write_text(f"#!/bin/sh\necho '{stderr}' >&2; exit 51\n")
    assert why in reason(EncryptedFiles(), "a.yaml", SOPS_FILE)


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


def test_a_file_that_only_looks_encrypted_is_looked_at_once() -> None:
    """The server looks at it itself: a regular expression that goes back and forth would keep it from everything."""
    raw = b'{ "a": "ENC[" ' + b"\n" * (1 << 20)
    assert EncryptedFiles().opened("a.json", raw) is None
