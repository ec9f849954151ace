"""The settings of machine configurations: what is refused before the server starts, and what is put together."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootgrant.service.parts.composers import COMPOSERS
from bootgrant.service.parts.machines import toolbox, webhook_secret
from bootgrant.service.settings.reading import SettingsError, Site, load_site


def site(folder: Path, *lines: str) -> Site:
    config = folder / "bootgrant.toml"
    config.write_text("\n".join(['public_url = "http://boot.example"', *lines]))
    return load_site(config)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('composer = "helm"', "composer: 'helm' is not one of bootgrant, talosctl"),
        ('secrets.exec_programs = ["site-secret"]', "not a full path"),
        ('secrets = {age_identity_file = "a", age_identity_command = ["b"]}', "set only one of them"),
        ('git = {url = "--upload-pack=x"}', "must not begin with a dash"),
        ('git = {url = "x", fetch_interval = "soon"}', "not a duration"),
    ],
)
def test_a_setting_that_cannot_be_is_named(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        site(tmp_path, line)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('schema_file = "gone.json"', r"schema_file: .*gone\.json cannot be read"),
        ('schema_file = "bootgrant.toml"', "schema_file: .* not JSON"),
        ('secrets.age_identity_file = "gone"', "age_identity_file: .*gone cannot be read"),
        ('secrets.age_identity_file = "bootgrant.toml"', "neither a line AGE-SECRET-KEY"),
        ('secrets.age_identity_command = ["/nonexistent/key"]', "age_identity_command: .*cannot be run"),
    ],
)
def test_a_file_or_program_that_cannot_be_used_is_named(tmp_path: Path, line: str, says: str) -> None:
    settings = site(tmp_path, line).machine_settings
    with pytest.raises(SettingsError, match=says):
        toolbox(settings, {})


def test_talosctl_composes_when_the_site_says_so_and_validates_when_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = site(tmp_path, 'composer = "talosctl"').machine_settings
    monkeypatch.setenv("PATH", str(tmp_path))
    without = toolbox(settings, {})
    assert without.compose is COMPOSERS["talosctl"]
    assert (without.composer, without.rules.tables, without.rules.program) == ("talosctl", False, None)
    (tmp_path / "talosctl").write_text("#!/bin/sh\n")
    (tmp_path / "talosctl").chmod(0o755)
    assert toolbox(settings, {}).rules.program is not None


def test_a_webhook_needs_a_secret_that_cannot_be_guessed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("short\n")
    made = site(tmp_path, 'git = {url = "x", webhook_secret_file = "secret"}')
    with pytest.raises(SettingsError, match="shorter than 16"):
        webhook_secret(made.machine_settings)
    (tmp_path / "secret").write_text("0123456789abcdef\n")
    secret = webhook_secret(made.machine_settings)
    assert secret is not None
    assert secret.reveal() == "0123456789abcdef"
    assert webhook_secret(site(tmp_path).machine_settings) is None
