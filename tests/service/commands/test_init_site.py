"""`bootgrant init` creates a site that works, and does not change an existing one."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from bootgrant.service.commands.init_site import init_site
from bootgrant.service.settings.site import SettingsError, load_site
from support.site import bootgrant, clean_environment


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(bootgrant(*words), capture_output=True, text=True, env=clean_environment(), timeout=60)


def test_the_password_is_shown_once_and_not_stored_in_clear(tmp_path: Path) -> None:
    done = run("init", str(tmp_path / "site"), "--operator", "ana")
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("sign in as ana")]
    password = line.split("password ")[1].split()[0]
    assert len(password) == 23
    for path in (tmp_path / "site").rglob("*"):
        assert not path.is_file() or password.encode() not in path.read_bytes()


def test_the_audit_begins_with_the_first_operator(tmp_path: Path) -> None:
    config = ("--config", str(tmp_path / "site" / "bootgrant.toml"))
    assert run("init", str(tmp_path / "site"), "--operator", "ana").returncode == 0
    (line,) = run("audit", "export", *config).stdout.splitlines()
    record = json.loads(line)
    assert (record["seq"], record["previous"], record["kind"], record["via"]) == (
        1, "0" * 64, "operator-changed", "admin.sock",
    )  # fmt: skip
    assert record["actor"].endswith(" (admin.sock)")
    assert record["details"] == {
        "operator": "ana",
        "done": "added by bootgrant init",
        "role_after": "admin",
        "labels_after": "every machine",
    }
    assert "ana added by bootgrant init: no rights -> admin, every machine" in run("audit", *config).stdout
    assert run("audit", "verify", *config).returncode == 0


def test_only_the_owner_can_read_data_and_machines(tmp_path: Path) -> None:
    init_site(tmp_path, "https://boot.example", "127.0.0.1:8080", "ana")
    for path in (tmp_path / "data", tmp_path / "machines", *(tmp_path / "data").iterdir()):
        assert path.stat().st_mode & 0o077 == 0, path


def test_the_examples_are_valid_and_served_to_no_machine(tmp_path: Path) -> None:
    init_site(tmp_path, "https://boot.example", "127.0.0.1:8080", "ana")
    checked = run("check", "--config", str(tmp_path / "bootgrant.toml"))
    assert (checked.returncode, checked.stdout.partition(",")[0]) == (0, "no entries")
    files = [path.name for path in (tmp_path / "machines").rglob("*") if path.is_file()]
    assert [name for name in files if not name.endswith(".example")] == ["machines.yaml"]


def test_the_examples_work_once_they_are_renamed(tmp_path: Path) -> None:
    init_site(tmp_path, "https://boot.example", "127.0.0.1:8080", "ana")
    for path in list((tmp_path / "machines").rglob("*.example")):
        path.rename(path.with_name(path.name.removesuffix(".example")))
    model = tmp_path / "machines/machines.yaml"
    model.write_text(
        model.read_text().replace("entries: []\n", "entries:\n").replace("\n# - ", "\n- ").replace("\n#   ", "\n  ")
    )
    rendered = run("render", "node-1", "--config", str(tmp_path / "bootgrant.toml"), "--plain")
    assert rendered.returncode == 0, rendered.stderr
    assert "hostname: node-1" in rendered.stdout


def test_an_existing_site_is_not_changed(tmp_path: Path) -> None:
    init_site(tmp_path, "https://boot.example", "127.0.0.1:8080", "ana")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(SettingsError, match="already exists"):
        init_site(tmp_path, "https://other.example", "127.0.0.1:8080", "ben")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_settings_that_are_written_already_get_their_data_and_an_operator(tmp_path: Path) -> None:
    config = tmp_path / "etc/bootgrant.toml"
    config.parent.mkdir()
    config.write_text(
        f'public_url = "https://boot.example"\ndata = "{tmp_path}/data"\nmachines = "{tmp_path}/machines"\n'
    )
    made = run("init", "--config", str(config), "--operator", "ana")
    assert f"made {tmp_path}/data\nsign in as ana with the password " in made.stdout
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "data", *(tmp_path / "data").iterdir())} == {0}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "etc"]
    again = run("init", "--config", str(config), "--operator", "ana")
    assert (again.returncode, "ana is already an operator" in again.stderr) == (1, True)


def test_settings_that_are_written_already_are_not_given_again(tmp_path: Path) -> None:
    both = run("init", "--config", str(tmp_path / "bootgrant.toml"), "--listen=127.0.0.1:1")
    assert (both.returncode, "--listen cannot be used with --config: edit " in both.stderr) == (2, True)
    assert run("init").returncode == run("init", str(tmp_path), "--config", "bootgrant.toml").returncode == 2


def test_an_invalid_url_leaves_no_unfinished_site(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="not the URL"):
        init_site(tmp_path / "site", "boot.example", "127.0.0.1:8080", "ana")
    assert not (tmp_path / "site" / "bootgrant.toml").exists()


def test_settings_of_the_environment_are_obeyed_and_become_part_of_the_file(tmp_path: Path) -> None:
    given = {
        "BOOTGRANT_PUBLIC_URL": "https://boot.example",
        "BOOTGRANT_LISTEN": ":8080",
        "BOOTGRANT_MACHINES": str(tmp_path / "elsewhere/machines"),
        "BOOTGRANT_CODE_KEY_FILE": str(tmp_path / "code.key"),
    }
    words = bootgrant("init", str(tmp_path / "site"), "--operator", "ana")
    done = subprocess.run(words, capture_output=True, text=True, env=clean_environment() | given, timeout=60)
    assert done.returncode == 0, done.stderr
    assert f"describe your machines in {tmp_path}/elsewhere/machines/machines.yaml" in done.stdout
    site = load_site(tmp_path / "site/bootgrant.toml")
    assert (site.public_url, site.listen, site.code_key_path) == (
        "https://boot.example",
        ("", 8080),
        tmp_path / "code.key",
    )
    assert (site.machines / "machines.yaml").exists()
    assert site.code_key_path.exists()


def test_machine_configurations_that_are_there_already_are_not_changed(tmp_path: Path) -> None:
    (tmp_path / "machines").mkdir()
    (tmp_path / "machines/machines.yaml").write_text("entries: []\n")
    init_site(tmp_path, "https://boot.example", "127.0.0.1:8080", "ana")
    assert [path.name for path in (tmp_path / "machines").iterdir()] == ["machines.yaml"]
    assert (tmp_path / "machines/machines.yaml").read_text() == "entries: []\n"


def test_a_folder_that_cannot_be_written_is_named_and_leaves_no_unfinished_site(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    environment = {"BOOTGRANT_MACHINES": str(tmp_path / "file/machines")}
    with pytest.raises(SettingsError, match="file/machines cannot be written by user"):
        init_site(tmp_path / "site", "https://boot.example", "127.0.0.1:8080", "ana", environment=environment)
    assert not (tmp_path / "site/bootgrant.toml").exists()


def test_every_command_has_help() -> None:
    overview = run("--help")
    assert overview.returncode == 0
    for command in ("init", "serve", "demo", "pending", "approve", "deny", "acquire"):
        assert command in overview.stdout
        assert run(command, "--help").returncode == 0


def test_an_unknown_command_is_a_usage_error() -> None:
    assert run("frobnicate").returncode == 2
