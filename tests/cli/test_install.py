"""`bootgrant install` writes files below a root, keeps what was changed in /etc, and says what to do next."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bootgrant.cli import SUMMARIES, main
from bootgrant.cli.install.writing import RECORD

Output = pytest.CaptureFixture[str]
PROGRAM = ("--program", "/opt/bootgrant/bin/bootgrant")


def installed(root: Path, capsys: Output, *words: str) -> dict[str, list[str]]:
    assert main(["install", *words, "--dest", str(root), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    return {name: [path.removeprefix(f"{root}/") for path in answer[name]] for name in ("written", "unchanged", "kept")}


def test_the_units_of_the_server_start_this_program(tmp_path: Path, capsys: Output) -> None:
    program = "/srv/tools/bin/bootgrant"
    assert main(["install", "systemd-server", "--dest", str(tmp_path), "--program", program]) == 0
    units = tmp_path / "etc/systemd/system"
    assert {file.name for file in units.iterdir()} == {
        "bootgrant.service", "bootgrant.socket", "bootgrant-people.socket",
    }  # fmt: skip
    starts = [line for line in (units / "bootgrant.service").read_text().splitlines() if line.startswith("Exec")]
    assert len(starts) == 2
    assert all(f"={program} " in line for line in starts)
    assert "systemctl enable --now bootgrant.socket bootgrant.service" in capsys.readouterr().out


def test_a_program_that_the_unit_could_not_see_is_refused(tmp_path: Path, capsys: Output) -> None:
    words = ["install", "systemd-server", "--dest", str(tmp_path), "--program", "/home/mia/.local/bin/bootgrant"]
    assert main(words) == 1
    assert "install bootgrant in /opt/bootgrant" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_second_time_nothing_is_written(tmp_path: Path, capsys: Output) -> None:
    first = installed(tmp_path, capsys, "systemd-server", *PROGRAM)
    second = installed(tmp_path, capsys, "systemd-server", *PROGRAM)
    assert (second["written"], second["unchanged"]) == ([], first["written"])


def test_a_file_in_etc_that_was_changed_is_kept_until_it_may_be_replaced(tmp_path: Path, capsys: Output) -> None:
    socket = "etc/systemd/system/bootgrant.socket"
    installed(tmp_path, capsys, "systemd-server", *PROGRAM)
    shipped = (tmp_path / socket).read_text()
    (tmp_path / socket).write_text(shipped.replace("8080", "9090"))
    assert installed(tmp_path, capsys, "systemd-server", *PROGRAM)["kept"] == [socket]
    assert "9090" in (tmp_path / socket).read_text()
    assert installed(tmp_path, capsys, "systemd-server", "--overwrite", *PROGRAM)["written"] == [socket]
    assert (tmp_path / socket).read_text() == shipped


def test_a_file_in_etc_that_this_command_did_not_write_is_kept(tmp_path: Path, capsys: Output) -> None:
    unit = tmp_path / "etc/systemd/system/bootgrant.socket"
    unit.parent.mkdir(parents=True)
    unit.write_text("[Socket]\nListenStream=10.0.0.1:80\n")
    assert main(["install", "systemd-server", "--dest", str(tmp_path), *PROGRAM]) == 0
    assert f"kept {unit}, which was changed here (--overwrite replaces it)" in capsys.readouterr().out
    assert unit.read_text() == "[Socket]\nListenStream=10.0.0.1:80\n"


def test_a_new_version_replaces_what_was_not_changed(tmp_path: Path, capsys: Output) -> None:
    """The unit of the version before had another program; the record says that it was installed like that."""
    installed(tmp_path, capsys, "systemd-server", "--program", "/opt/old/bin/bootgrant")
    assert installed(tmp_path, capsys, "systemd-server", *PROGRAM)["written"] == [
        "etc/systemd/system/bootgrant.service"
    ]
    check = subprocess.run(["sha256sum", "--check", RECORD], cwd=tmp_path, capture_output=True, text=True)
    assert (check.returncode, check.stdout.count(": OK")) == (0, 3)


def test_completion_and_manual_are_where_the_shells_and_man_look(tmp_path: Path, capsys: Output) -> None:
    written = installed(tmp_path, capsys, "completion", "--prefix", "/usr")["written"]
    assert written == [
        "usr/share/bash-completion/completions/bootgrant",
        "usr/share/zsh/site-functions/_bootgrant",
        "usr/share/fish/vendor_completions.d/bootgrant.fish",
    ]
    pages = installed(tmp_path, capsys, "man")["written"]
    assert {Path(page).name for page in pages} == {"bootgrant.1", *(f"bootgrant-{name}.1" for name in SUMMARIES)}
    assert {str(Path(page).parent) for page in pages} == {"usr/local/share/man/man1"}
    if shutil.which("man"):
        words = ["man", "-M", str(tmp_path / "usr/local/share/man"), "bootgrant-install"]
        shown = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
        assert "bootgrant install initramfs-tools" in shown.stdout


def test_proxies_and_the_dashboard_are_files_to_copy(tmp_path: Path, capsys: Output) -> None:
    names = {Path(path).name for path in installed(tmp_path, capsys, "proxies")["written"]}
    assert names >= {"nginx.conf", "Caddyfile", "haproxy.cfg", "traefik.yaml"}
    (dashboard,) = installed(tmp_path, capsys, "grafana")["written"]
    assert json.loads((tmp_path / dashboard).read_text())["title"]


def test_the_modes_do_not_depend_on_the_umask(tmp_path: Path, capsys: Output) -> None:
    before = os.umask(0o077)
    try:
        installed(tmp_path / "system", capsys, "proxies")
    finally:
        os.umask(before)
    for path in (tmp_path / "system").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644), path


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, capsys: Output) -> None:
    (tmp_path / "usr").write_text("a file, where a folder should be")
    assert main(["install", "proxies", "--dest", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"bootgrant: {tmp_path}/usr"), error
    assert error.endswith("run this as root, or choose a folder with --dest\n")


def test_nothing_is_imported_from_the_folder_where_it_runs(tmp_path: Path) -> None:
    """It is run as root, possibly in /tmp."""
    (tmp_path / "bootgrant").mkdir()
    (tmp_path / "bootgrant/__init__.py").write_text("raise SystemExit('hijacked')\n")
    words = ["install", "systemd", "--dest", str(tmp_path / "system")]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "bootgrant", *words], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
