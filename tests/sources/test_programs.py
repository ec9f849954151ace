"""Running programs of the site: what of the server's environment they see."""

from __future__ import annotations

import pytest

from bootgrant.sources.programs import run_program


def test_a_program_sees_no_setting_of_the_server_and_no_secret_among_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOTGRANT_AGE_IDENTITY", "AGE-SECRET-KEY-1OFTHESITE")
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", "/etc/sops.key")
    seen = run_program(["/usr/bin/env"], seconds=10, environment={"BOOTGRANT_ENTRY": "cp-1"}).decode().splitlines()
    assert [line for line in seen if line.startswith("BOOTGRANT_")] == ["BOOTGRANT_ENTRY=cp-1"]
    assert "SOPS_AGE_KEY_FILE=/etc/sops.key" in seen
    assert any(line.startswith("PATH=") for line in seen)
