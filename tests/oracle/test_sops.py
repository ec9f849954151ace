"""The real program sops (tools/sops, built from source) encrypts, our code decrypts: every store, age and PGP."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyrage
import pytest

from bootgrant.cli import main
from bootgrant.configurations.checking import findings_of
from bootgrant.configurations.snapshot import Snapshot
from bootgrant.machines.finish.leftovers import leftovers
from bootgrant.machines.site.findings import SiteBroken
from bootgrant.machines.site.model import Schema
from bootgrant.ports.origins import Tree
from bootgrant.sources.age_identities import age_identities
from bootgrant.sources.encrypted_files import EncryptedFiles
from bootgrant.wire.secret import Secret
from support.layered_site import CP, toolbox
from support.parts import built_program, program

ME = "Bootgrant Test <test@example.org>"
YAML = "machine:\n    token: swordfish\n"
TWO = f"{YAML}---\napiVersion: v1alpha1\nkind: HostnameConfig\nhostname: cp-1\n"
STORES = [
    ("a.yaml", "yaml", YAML),
    ("two.yaml", "yaml", TWO),
    ("a.json", "json", '{\n\t"token": "swordfish"\n}\n'),
    ("data.json", "json", '{\n\t"data": "swordfish"\n}\n'),
    ("a.env", "dotenv", "TOKEN=swordfish\n"),
    ("a.ini", "ini", "[a]\ntoken = swordfish\n"),
    ("a.txt", "binary", "swordfish\n\tand: [more\n"),
]


@pytest.fixture(scope="module")
def recipients() -> Iterator[dict[str, tuple[str, ...]]]:
    """Keys for age and PGP, where sops finds them; the arguments of sops that encrypt for each of them."""
    sops = built_program("sops")
    gpg = str(program("gpg", "gnupg"))
    # gpg-agent's socket is in it, and the path of a socket must be short.
    home = Path(tempfile.mkdtemp(prefix="bg-", dir="/tmp"))
    identity = pyrage.x25519.Identity.generate()
    (home / "age.txt").write_text(f"{identity}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{sops.parent}:{os.environ['PATH']}")
        patch.setenv("GNUPGHOME", str(home))
        patch.setenv("SOPS_AGE_KEY_FILE", str(home / "age.txt"))
        make = [gpg, "--batch", "--passphrase", "", "--quick-gen-key", ME, "default", "default", "never"]
        subprocess.run(make, check=True, capture_output=True)
        listed = subprocess.run([gpg, "--batch", "--with-colons", "-k"], check=True, capture_output=True, text=True)
        fingerprint = next(row.split(":")[9] for row in listed.stdout.splitlines() if row.startswith("fpr"))
        yield {"age": ("--age", str(identity.to_public())), "pgp": ("--pgp", fingerprint)}
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], capture_output=True)
    shutil.rmtree(home, ignore_errors=True)


def encrypted(folder: Path, name: str, kind: str, text: str, *words: str) -> bytes:
    """Return what sops makes of a text."""
    (folder / name).write_text(text)
    command = ["sops", "--encrypt", *words, "--input-type", kind, "--output-type", kind, str(folder / name)]
    return subprocess.run(command, check=True, capture_output=True, env={**os.environ}).stdout


def reason(path: str, raw: bytes) -> str:
    with pytest.raises(SiteBroken) as caught:
        EncryptedFiles().decrypted(path, raw)
    assert "swordfish" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("recipient", ["age", "pgp"])
@pytest.mark.parametrize(("name", "kind", "text"), STORES)
def test_every_store_is_decrypted_to_what_was_encrypted(
    tmp_path: Path, recipients: dict[str, tuple[str, ...]], recipient: str, name: str, kind: str, text: str
) -> None:
    raw = encrypted(tmp_path, name, kind, text, *recipients[recipient])
    assert b"swordfish" not in raw
    content = EncryptedFiles().decrypted(name, raw)
    assert content.text.decode() == text
    assert content.secrets.values


def test_a_key_that_is_not_here_is_named_as_the_reason(
    tmp_path: Path, recipients: dict[str, tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = encrypted(tmp_path, "a.yaml", "yaml", YAML, *recipients["age"])
    (tmp_path / "other.txt").write_text(f"{pyrage.x25519.Identity.generate()}\n")
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(tmp_path / "other.txt"))
    assert "none of the keys" in reason("a.yaml", raw)


def test_a_file_that_was_edited_without_sops_is_named(tmp_path: Path, recipients: dict[str, tuple[str, ...]]) -> None:
    text = "token: swordfish\nname: old\n"
    raw = encrypted(tmp_path, "a.yaml", "yaml", text, *recipients["age"], "--encrypted-regex", "token")
    assert "changed after it was encrypted" in reason("a.yaml", raw.replace(b"name: old", b"name: new"))


@pytest.mark.parametrize(("name", "kind", "text"), [STORES[0], STORES[4], STORES[5]])
def test_without_its_section_the_ciphertext_is_recognised(
    tmp_path: Path, recipients: dict[str, tuple[str, ...]], name: str, kind: str, text: str
) -> None:
    lines = encrypted(tmp_path, name, kind, text, *recipients["age"]).decode().splitlines(keepends=True)
    section = next(at for at, line in enumerate(lines) if line.startswith(("sops:", "sops_", "[sops]")))
    left = "".join(lines[:section])
    assert EncryptedFiles().decrypted(name, left.encode()).text == left.encode()
    for schema in Schema:
        assert [one.rule for one in leftovers(name, left.encode(), schema)] == ["ciphertext"]


def test_layers_of_sops_are_composed_with_the_others(tmp_path: Path, recipients: dict[str, tuple[str, ...]]) -> None:
    secret = encrypted(tmp_path, "20-token.yaml", "yaml", YAML, *recipients["pgp"])
    banner = encrypted(tmp_path, "banner.txt", "binary", "swordfish\n", *recipients["age"])
    files = {
        "machines.yaml": b"entries:\n  - {name: a, layers: [all], schema: yaml}\n"
        b"  - {name: b, layers: [banner.txt], schema: text}\n",
        "all/10-base.yaml": b"machine:\n  type: worker\n",
        "all/20-token.yaml": secret,
        "banner.txt": banner,
    }
    snapshot = Snapshot(Tree(files, "r1"), toolbox())
    assert not snapshot.broken
    assert not [finding for finding in findings_of(snapshot) if finding.rule == "secret-in-clear"]
    made = snapshot.finish("a", CP)
    assert b"token: swordfish" in made.config
    assert snapshot.finish("b", CP).config == b"swordfish\n"


@pytest.mark.parametrize("tool", ["topf", "talhelper"])
def test_the_examples_are_imported_with_their_secrets(
    tmp_path: Path, recipients: dict[str, tuple[str, ...]], tool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = Path(__file__).resolve().parents[2] / "examples"
    key = examples / "demo-identity.txt"
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(key))
    words = [
        "import",
        tool,
        str(examples / tool / "project"),
        str(tmp_path / "made"),
        "--recipient",
        recipients["age"][1],
    ]
    assert main(words) == 0
    identities = age_identities(Secret(key.read_text()))
    ours = age_identities(Secret(Path(os.environ["GNUPGHOME"], "age.txt").read_text()))
    for path in ("base/02-secrets.yaml.age", "base/control-plane/02-keys.yaml.age"):
        expected = pyrage.decrypt((examples / tool / "machines" / path).read_bytes(), identities)
        assert pyrage.decrypt((tmp_path / "made" / path).read_bytes(), ours) == expected
