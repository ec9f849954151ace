"""A site's own authority: openssl accepts what it signs for its hosts, and refuses everything else."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from bootgrant.credentials.authority import (
    NotOpened,
    as_pem,
    in_clear,
    locked,
    may_sign_for,
    new_authority,
    sign,
    unlocked,
)
from bootgrant.loaders.parameters import KERNEL_LIMIT
from bootgrant.loaders.private_ca import early_value
from bootgrant.wire.secret import Secret
from support.parts import program

NOW = 1_800_000_000.0
HOSTS = ("boot.example.org", "10.20.0.5", "fd00::5")


@dataclass(frozen=True, slots=True)
class Verifier:
    """``openssl verify`` at NOW, with RFC 5280 taken strictly."""

    folder: Path

    def problem(self, authority: str, certificate: str, *expected: str) -> str:
        """Why a certificate is refused, empty if it is accepted."""
        ca, leaf = self.folder / "ca.pem", self.folder / "leaf.pem"
        ca.write_text(authority)
        leaf.write_text(certificate)
        words = ["verify", "-x509_strict", "-purpose", "sslserver", "-attime", f"{NOW:.0f}", "-CAfile", str(ca)]
        done = subprocess.run(
            [str(program("openssl", "openssl")), *words, *expected, str(leaf)], capture_output=True, text=True
        )
        return "" if done.returncode == 0 else done.stderr


@pytest.fixture
def verifier(tmp_path: Path) -> Verifier:
    return Verifier(tmp_path)


@pytest.mark.parametrize(
    "expected",
    [("-verify_hostname", HOSTS[0]), ("-verify_ip", HOSTS[1]), ("-verify_ip", HOSTS[2])],
    ids=["name", "IPv4", "IPv6"],
)
def test_a_certificate_is_accepted_for_each_of_its_hosts(verifier: Verifier, expected: tuple[str, str]) -> None:
    authority = new_authority(HOSTS, NOW)
    assert (
        verifier.problem(as_pem(authority.certificate), as_pem(sign(authority, HOSTS, NOW).certificate), *expected)
        == ""
    )


@pytest.mark.parametrize("hosts", [("boot.example.org",), ("10.20.0.5",)], ids=["only a name", "only an address"])
@pytest.mark.parametrize("other", ["other.example.org", "example.org", "10.20.0.6", "fd00::6"])
def test_no_client_accepts_it_for_another_host(verifier: Verifier, hosts: tuple[str, ...], other: str) -> None:
    authority = new_authority(hosts, NOW)
    assert not may_sign_for(authority.certificate, other)
    stolen = as_pem(sign(authority, (*hosts, other), NOW).certificate)
    assert "permitted subtree violation" in verifier.problem(as_pem(authority.certificate), stolen)


def test_it_cannot_make_another_authority(verifier: Verifier) -> None:
    authority = new_authority(HOSTS, NOW)
    below = sign(authority, HOSTS, NOW)
    made = as_pem(sign(below, HOSTS, NOW).certificate)
    assert verifier.problem(as_pem(authority.certificate) + as_pem(below.certificate), made) != ""


def test_a_host_below_an_allowed_one_is_allowed_as_verifiers_read_it() -> None:
    authority = new_authority(HOSTS, NOW).certificate
    assert may_sign_for(authority, "a.boot.example.org")
    assert may_sign_for(authority, "fd00:0::5")
    assert not may_sign_for(authority, "notboot.example.org")


def test_a_key_is_encrypted_and_opened_only_with_its_secret() -> None:
    key = new_authority(HOSTS, NOW).key
    pem = locked(key, Secret("a" * 64)).encode()
    assert b"ENCRYPTED PRIVATE KEY" in pem
    assert in_clear(unlocked(pem, Secret("a" * 64))) == in_clear(key)
    for content, secret in ((pem, "b" * 64), (b"damaged", "a" * 64), (in_clear(key), "a" * 64)):
        with pytest.raises(NotOpened):
            unlocked(content, Secret(secret))


def test_two_authorities_with_long_names_fit_on_a_kernel_command_line() -> None:
    name = f"{'boot' * 10}.{'site' * 5}.example.org"
    both = "".join(as_pem(new_authority((name, "10.20.0.5", "fd00::5"), NOW).certificate) for _ in range(2))
    assert len(early_value(both)) < KERNEL_LIMIT - 550
