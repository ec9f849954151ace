"""Each kind of key that cannot decrypt has its own words, its line, and the next step."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pyrage
import pytest

from bootgrant.sources.age_identities import BadIdentity, age_identities
from bootgrant.wire.secret import Secret
from support.parts import program

IDENTITY = str(pyrage.x25519.Identity.generate())


def ssh_key(folder: Path, *words: str) -> str:
    """Return a new OpenSSH private key; ``words`` are arguments of ssh-keygen."""
    keygen = str(program("ssh-keygen", "openssh-client"))
    subprocess.run([keygen, "-q", *words, "-f", str(folder / "key")], check=True)
    return (folder / "key").read_text()


def reason(text: str) -> str:
    with pytest.raises(BadIdentity) as caught:
        age_identities(Secret(text))
    return str(caught.value)


@pytest.mark.parametrize("words", [("-t", "ed25519"), ("-t", "rsa", "-b", "2048"), ("-t", "rsa", "-m", "PEM")])
def test_ssh_keys_of_the_types_that_age_knows_are_identities(tmp_path: Path, words: tuple[str, ...]) -> None:
    key = ssh_key(tmp_path, *words, "-N", "")
    public = pyrage.ssh.Recipient.from_str((tmp_path / "key.pub").read_text().strip())
    found = age_identities(Secret(f"# ours\n{IDENTITY}\n{key}"))
    assert len(found) == 2
    assert pyrage.decrypt(pyrage.encrypt(b"x", [public]), found) == b"x"


@pytest.mark.parametrize("words", [("-t", "ed25519"), ("-t", "rsa", "-m", "PEM")])
def test_an_ssh_key_with_a_passphrase_is_named_with_its_line(tmp_path: Path, words: tuple[str, ...]) -> None:
    key = ssh_key(tmp_path, *words, "-N", "swordfish")
    assert reason(f"# ours\n{key}").startswith("line 2: this SSH key has a passphrase")


def test_an_ssh_key_of_another_type_is_named(tmp_path: Path) -> None:
    assert "line 1: ecdsa-sha2-nistp256 is not for age" in reason(ssh_key(tmp_path, "-t", "ecdsa", "-N", ""))


def test_an_ssh_key_of_another_type_is_named_even_with_a_passphrase(tmp_path: Path) -> None:
    assert "is not for age" in reason(ssh_key(tmp_path, "-t", "ecdsa", "-N", "swordfish"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("AGE-PLUGIN-YUBIKEY-1QQQQQQQQ\n", "line 1: an identity of the age plugin yubikey"),
        ("\nAGE-SECRET-KEY-PQ-1QQQQ\n", "line 2: a post-quantum identity"),
        ("age1e297wp6dwqe7g33mkql4j0mmz75grddk72cv84fpwqwzz3ptu3jsew43wn\n", "line 1: a public key"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me@here\n", "line 1: a public key"),
        ("AGE-SECRET-KEY-1NONSENSE\n", "line 1: a damaged age identity"),
        ("-----BEGIN AGE ENCRYPTED FILE-----\nQQ==\n-----END AGE ENCRYPTED FILE-----\n", "encrypted itself"),
        ("-----BEGIN EC PRIVATE KEY-----\nQQ==\n-----END EC PRIVATE KEY-----\n", "not a key that age can use"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nQQ==\n-----END OPENSSH PRIVATE KEY-----\n", "damaged SSH"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\n!\n-----END OPENSSH PRIVATE KEY-----\n", "damaged SSH"),
        ("# nothing\n", "neither a line"),
    ],
)
def test_what_is_not_an_identity_has_its_own_words(text: str, why: str) -> None:
    assert why in reason(text)


def test_a_truncated_ssh_key_is_damaged(tmp_path: Path) -> None:
    lines = ssh_key(tmp_path, "-t", "ed25519", "-N", "").splitlines()
    for kept in range(1, len(lines) - 1):
        with pytest.raises(BadIdentity):
            age_identities(Secret("\n".join([*lines[:kept], lines[-1]])))
