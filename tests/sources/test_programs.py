"""Programs of the site: their environment, their errors, and how they end."""

from __future__ import annotations

import os
import select
from pathlib import Path

import pytest

from bootgrant.sources.programs import ProgramFailed, run_program


def test_a_program_does_not_get_the_servers_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOTGRANT_AGE_IDENTITY", "AGE-SECRET-KEY-1OFTHESITE")
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", "/etc/sops.key")
    seen = run_program(["/usr/bin/env"], seconds=10, environment={"BOOTGRANT_ENTRY": "cp-1"}).decode().splitlines()
    assert [line for line in seen if line.startswith("BOOTGRANT_")] == ["BOOTGRANT_ENTRY=cp-1"]
    assert "SOPS_AGE_KEY_FILE=/etc/sops.key" in seen
    assert any(line.startswith("PATH=") for line in seen)


@pytest.mark.parametrize(
    ("printed", "message"),
    [
        ("", "/bin/sh exited with status 3"),
        ("vault is sealed\n", "/bin/sh exited with status 3: vault is sealed"),
        ("fatal: no such host\n\nmake sure\nthat it exists.\n", "status 3: fatal: no such host … that it exists."),
        (
            "https://site:hunter2@vault\ntskey-auth-MADEUP123-abcdef\nlast\n",
            "status 3: (a line that is not shown, because it has a secret) … last",
        ),
    ],
)
def test_an_error_quotes_the_first_and_the_last_line(printed: str, message: str) -> None:
    with pytest.raises(ProgramFailed) as failed:
        run_program(["/bin/sh", "-c", f"printf '{printed}' >&2; exit 3"], seconds=10)
    assert str(failed.value).endswith(message)


def test_the_children_of_a_program_that_hangs_are_killed_too(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "alive")
    alive = os.open(tmp_path / "alive", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(ProgramFailed, match="took too long"):
            run_program(["/bin/sh", "-c", f"exec 9> {tmp_path}/alive; echo x >&9; sleep 60 & exit 0"], seconds=0.5)
        assert os.read(alive, 10) == b"x\n"
        # The writing end is closed.
        assert select.select([alive], [], [], 30)[0]
        assert os.read(alive, 10) == b""
    finally:
        os.close(alive)
