"""The bundle is installed on a host without any network, and a machine gets its configuration there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bootgrant import __version__
from support.debian_root import DebianRoot
from support.releases import bundle, clone, commands, release, signing_key

_LOOPBACK = """python3 -c "import fcntl, socket, struct
fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh14x', b'lo', 0x49))"
"""
"""Set the flags (SIOCSIFFLAGS) of the new namespace's only interface to up and running: there is nothing else."""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    source = clone(folder / "clone")
    key = str(signing_key(folder))
    return bundle(source, release(source, folder / "dist/release", "--key", key), "--key", key)


@pytest.mark.parametrize("release_name", ["bookworm", "trixie"])
def test_a_debian_without_a_network_installs_the_bundle_and_serves_a_machine(
    release_name: str, archive: Path, request: pytest.FixtureRequest
) -> None:
    root: DebianRoot = request.getfixturevalue(release_name)
    carry(archive, root)
    unpack_and_install, demo = commands("docs/air-gap.md", "Install it")
    out = offline(root, unpack_and_install)
    assert f"bootgrant {__version__}\n" in out
    done = offline(root, _LOOPBACK + demo)
    assert "5  Delivered: the machine now has this configuration" in done
    assert "version: v1alpha1" in done


def test_the_documented_command_verifies_a_bundle(archive: Path) -> None:
    _, verify = commands("docs/verify.md", "Check the signature")
    done = subprocess.run(["sh", "-euc", verify], cwd=archive.parent, capture_output=True, text=True, timeout=60)
    assert 'Good "bootgrant-release" signature for bootgrant' in done.stdout


def test_a_changed_file_is_not_installed(archive: Path, trixie: DebianRoot) -> None:
    carry(archive, trixie)
    unpack_and_install, _ = commands("docs/air-gap.md", "Install it")
    unpack, install = unpack_and_install.splitlines()
    folder = f"/root/{archive.name.removesuffix('.tar')}"
    for changed, why in (("wheels/h11-*.whl", "hashes"), ("release/bootgrant-acquire.pyz", "damaged or changed")):
        script = (
            f"cd /root; {unpack}; echo x | tee -a {folder}/{changed}; {install.replace('/opt/bootgrant', '/opt/other')}"
        )
        done = trixie.run("unshare", "--net", "sh", "-euc", script, check=False)
        assert done.returncode != 0
        assert why in done.stderr.lower()
        assert trixie.run("test", "-e", "/opt/other/bin/bootgrant", check=False).returncode != 0


def carry(archive: Path, root: DebianRoot) -> None:
    """Put the bundle and its signature into root's home folder."""
    for file in (archive, archive.with_name(archive.name + ".sig"), archive.with_name("allowed_signers")):
        root.copy(file, f"/root/{file.name}")


def offline(root: DebianRoot, script: str) -> str:
    """Run a script in root's home folder with a network that has nothing but its own loopback."""
    return root.run("unshare", "--net", "sh", "-euc", f"cd /root\n{script}", timeout=300).stdout
