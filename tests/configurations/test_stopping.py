"""A server that is stopping has no workers left. This is not a fault of a configuration, and it passes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from support.grants import UUID
from support.layered_site import BASE, site_program, write_machines

STOPPING = "True; server stopping, retrying; the server is stopping: try again in a moment\n"
TESTS = Path(__file__).parents[1]


def what_it_says(name: str, folder: Path, *programs: Path) -> str:
    command = [sys.executable, "-m", "support.stopping_process", name, str(folder), *map(str, programs)]
    environment = {"PYTHONPATH": str(TESTS), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, cwd=TESTS)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_finished_file_that_nobody_can_examine_any_more_passes(tmp_path: Path) -> None:
    folder = tmp_path / "machines"
    folder.mkdir()
    (folder / f"{UUID}.yaml").write_text(BASE)
    assert what_it_says(f"{UUID}.yaml", folder) == STOPPING


def test_an_entry_that_nobody_can_render_any_more_passes(tmp_path: Path) -> None:
    assert what_it_says("cp-1", write_machines(tmp_path / "machines")) == STOPPING


def test_an_entry_whose_program_is_killed_passes(tmp_path: Path) -> None:
    program = site_program(tmp_path / "bin", f"touch {tmp_path}/began\nsleep 60")
    model = (
        f"entries:\n  - name: cp-1\n    match: {{uuid: {UUID}}}\n    layers: [all]\n    schema: text\n"
        f"    variables: {{word: {{exec: [{program}]}}}}\n"
    )
    folder = write_machines(tmp_path / "machines", {"machines.yaml": model, "all/00-base.yaml": None})
    (folder / "all").mkdir()
    (folder / "all/a.j2").write_text("{{ variables.word }} of {{ machine.uuid }}\n")
    assert what_it_says("cp-1", folder, program) == STOPPING
