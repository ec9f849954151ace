"""The composer, the schema and the webhook of a site follow its settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootgrant.service.parts.machines import COMPOSERS, toolbox, webhook_secret
from bootgrant.service.settings.site import SettingsError, Site, load_site


def site(folder: Path, *lines: str) -> Site:
    config = folder / "bootgrant.toml"
    config.write_text("\n".join(['public_url = "http://boot.example"', *lines]))
    return load_site(config)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('schema_file = "gone.json"', r"schema_file: .*gone\.json cannot be read"),
        ('schema_file = "bootgrant.toml"', "schema_file: .* not JSON"),
        ('secrets.age_identity_file = "gone"', "age_identity_file: .*gone cannot be read"),
        ('secrets.age_identity_file = "bootgrant.toml"', "neither a line AGE-SECRET-KEY"),
        ('secrets.age_identity_command = ["/nonexistent/key"]', "age_identity_command: .*cannot be run"),
    ],
)
def test_an_unusable_file_or_program_is_named_with_its_key(tmp_path: Path, line: str, message: str) -> None:
    settings = site(tmp_path, line).machine_settings
    with pytest.raises(SettingsError, match=message):
        toolbox(settings, {})


def test_talosctl_composes_if_the_site_wants_it_and_validates_if_it_is_installed(
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
    with pytest.raises(SettingsError, match=r"git\.webhook_secret_file: .*shorter than 16"):
        webhook_secret(made.machine_settings)
    (tmp_path / "secret").write_text("0123456789abcdef\n")
    secret = webhook_secret(made.machine_settings)
    assert secret is not None
    assert secret.reveal() == "0123456789abcdef"
    assert webhook_secret(site(tmp_path).machine_settings) is None
