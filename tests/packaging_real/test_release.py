"""A release is the same bytes wherever and whenever it is built, and the commands of docs/verify.md verify it.

RELEASE_TEST=full builds the deb and the image twice too.
"""

from __future__ import annotations

import os
import subprocess
import zipfile
from pathlib import Path

import pytest
from tools.release.build import source_of_commit

from bootgrant import __version__
from support import parts
from support.releases import ROOT, SHORT, clone, commands, release, signing_key

ONLY = (*SHORT, "deb", "image") if os.environ.get("RELEASE_TEST") == "full" else SHORT


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return signing_key(tmp_path_factory.mktemp("key"))


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory, key: Path) -> Path:
    folder = tmp_path_factory.mktemp("release")
    return release(clone(folder / "clone"), folder / "dist", "--key", str(key), only=ONLY)


def test_another_folder_clock_umask_and_time_zone_give_the_same_bytes(
    released: Path, key: Path, tmp_path: Path
) -> None:
    faketime = str(parts.program("faketime", "faketime"))
    other = release(
        clone(tmp_path / "a/longer path/for the clone"), tmp_path / "elsewhere", "--key", str(key), only=ONLY,
        before=("sh", "-euc", 'umask 077; exec "$0" "$@"', faketime, "2031-05-06 07:08:09"),
        TZ="Asia/Tokyo", LC_ALL="C", PYTHONHASHSEED="7", SOURCE_DATE_EPOCH="1",
    )  # fmt: skip
    assert _contents(other) == _contents(released)


def test_a_release_consists_of_these_files(released: Path) -> None:
    names = {path.name for path in released.iterdir()}
    assert {
        "SHA256SUMS", "SHA256SUMS.sig", "allowed_signers", "bootgrant-acquire.pyz", f"bootgrant-{__version__}.tar.gz",
        f"bootgrant-{__version__}-py3-none-any.whl", f"bootgrant-{__version__}-requirements.txt",
        f"bootgrant-{__version__}-build.json", f"bootgrant-{__version__}.cdx.json",
        f"bootgrant-acquire-{__version__}.cdx.json",
    } <= names  # fmt: skip
    with zipfile.ZipFile(released / f"bootgrant-{__version__}-py3-none-any.whl") as wheel:
        bill = wheel.read(f"bootgrant-{__version__}.dist-info/sboms/bootgrant.cdx.json")
    assert bill == (ROOT / "requirements/bootgrant.cdx.json").read_bytes()


def test_the_documented_commands_verify_a_release_and_refuse_a_changed_one(released: Path, tmp_path: Path) -> None:
    verify, _ = commands("docs/verify.md", "Check the signature")
    good = _shell(verify, released)
    assert good.returncode == 0
    assert 'Good "bootgrant-release" signature for bootgrant' in good.stdout
    assert "bootgrant-acquire.pyz: OK" in good.stdout
    changed = tmp_path / "changed"
    subprocess.run(["cp", "-r", released, changed], check=True)
    with (changed / "bootgrant-acquire.pyz").open("ab") as file:
        file.write(b"x")
    assert _shell(verify, changed).returncode != 0
    (changed / "SHA256SUMS").write_text((released / "SHA256SUMS").read_text().replace("a", "b"))
    refused = _shell(verify, changed)
    assert refused.returncode != 0
    assert "Could not verify signature" in refused.stdout


def test_the_documented_commands_build_the_same_again(released: Path, tmp_path: Path) -> None:
    (again,) = commands("docs/verify.md", "Build it again")
    source = tmp_path / "source"
    source_of_commit(source)
    (source / ".git/info/exclude").write_text(".cache\n.venv\n")
    downloaded = tmp_path / "downloaded"
    subprocess.run(["cp", "-r", released, downloaded], check=True)
    done = _shell(again.replace("git clone https://git.example.org/bootgrant", f"cp -a {source} bootgrant"), downloaded)
    assert done.returncode == 0, done.stderr
    assert f"bootgrant-{__version__}-py3-none-any.whl: OK" in done.stdout
    assert "bootgrant-acquire.pyz: OK" in done.stdout


def test_a_signature_for_another_purpose_is_refused(released: Path, key: Path, tmp_path: Path) -> None:
    verify, _ = commands("docs/verify.md", "Check the signature")
    other = tmp_path / "other"
    subprocess.run(["cp", "-r", released, other], check=True)
    (other / "SHA256SUMS.sig").unlink()
    sign = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", "git", str(other / "SHA256SUMS")]
    subprocess.run(sign, check=True, capture_output=True)
    assert _shell(verify, other).returncode != 0


def test_uncommitted_changes_stop_a_release(tmp_path: Path) -> None:
    source = clone(tmp_path / "clone")
    (source / "left-over.py").write_text("")
    with pytest.raises(AssertionError, match="uncommitted changes"):
        release(source, tmp_path / "dist")
    assert not (tmp_path / "dist").exists()


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def _shell(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-euc", script], cwd=folder, capture_output=True, text=True, timeout=170)
