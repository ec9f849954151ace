"""Run mutmut over rooms of src/bootgrant and print a score for each.

Called by `make mutation` with the Python of its own environment. Every room is mutated in a fresh copy of the tracked
files under `build/mutation/`, so the work tree stays as it is. With `--sample N`, only N mutants are tested, and the
choice depends only on the seed and on the list of mutants.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

OUT = Path("build/mutation")
ROOMS = ("approval", "machines", "wire", "workflows")
# It limits the processor time of a template, which mutmut's instrumentation exceeds.
SLOW = "tests/machines/finish/test_templates.py::test_a_template_that_loops_or_grows_is_stopped"
# Exit codes of a test run as mutmut records them; any other is a time limit.
STATUS = {0: "survived", 1: "killed", 3: "killed", 5: "no tests", 33: "no tests", None: "not tested"}
GENERATE = """
from mutmut.__main__ import copy_also_copy_files, copy_src_dir, create_mutants, setup_source_paths
copy_src_dir()
copy_also_copy_files()
setup_source_paths()
create_mutants(1)
"""
# mutmut's own time limit signals process numbers that may belong to other processes by then. A limit of processor time,
# which it sets too, and pytest's limit for each test stop mutants that do not end.
RUN = """
from mutmut.__main__ import cli
from mutmut.workers import isolation
isolation.register_timeout = lambda pid, timeout_s: None
cli()
"""


def copy_tree(room: str) -> Path:
    """Copy the tracked files to a folder of the room, configured to mutate that room only."""
    copy = OUT / room
    shutil.rmtree(copy, ignore_errors=True)
    files = subprocess.check_output(["git", "ls-files", "-z"], text=True).split("\0")
    for name in filter(None, files):
        if Path(name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(name, copy / name)
    others = sorted({name.split("/")[0] for name in files if name} - {"src", "tests", "pyproject.toml"})
    settings = {
        "source_paths": ["src"],
        "only_mutate": [f"src/bootgrant/{room}/*"],
        "pytest_add_cli_args_test_selection": [f"tests/{room}"],
        "pytest_add_cli_args": ["-p", "no:xdist", "--timeout=60", f"--deselect={SLOW}"],
        "also_copy": others,
    }
    with (copy / "pyproject.toml").open("a") as pyproject:
        pyproject.write(
            "\n[tool.mutmut]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
        )
    return copy


def results(copy: Path) -> dict[str, int | None]:
    """Return the exit code of the tests for every mutant, None for a mutant that was not tested."""
    codes: dict[str, int | None] = {}
    for meta in sorted((copy / "mutants").rglob("*.meta")):
        codes |= json.loads(meta.read_text())["exit_code_by_key"]
    return codes


def run_room(room: str, sample: int | None, seed: int, children: int) -> str:
    """Test the mutants of a room. Return a line with the score."""
    copy = copy_tree(room)
    subprocess.run([sys.executable, "-c", GENERATE], cwd=copy, check=True, stdout=subprocess.DEVNULL)
    mutants = sorted(results(copy))
    chosen = sorted(random.Random(seed).sample(mutants, sample)) if sample and sample < len(mutants) else []
    with (OUT / f"{room}.log").open("w") as log:
        run = [sys.executable, "-c", RUN, "run", f"--max-children={children}", *chosen]
        done = subprocess.run(run, cwd=copy, check=False, stdout=log, stderr=subprocess.STDOUT)
    if done.returncode:
        raise SystemExit(f"mutmut ended with status {done.returncode} on {room}. Its output is in {OUT / room}.log.")
    codes = results(copy)
    tested = {name: STATUS.get(codes[name], "timeout") for name in chosen or mutants}
    for name, status in tested.items():
        if status != "killed":
            print(f"  {status}: {name}")
    counts = {status: list(tested.values()).count(status) for status in sorted(set(tested.values()))}
    killed = counts.get("killed", 0) + counts.get("timeout", 0)
    which = f"{len(chosen)} of {len(mutants)} mutants, seed {seed}" if chosen else f"all {len(mutants)} mutants"
    return (
        f"{room}: {killed / len(tested):.1%} of {which} ({', '.join(f'{n} {status}' for status, n in counts.items())})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Run mutmut over rooms of src/bootgrant and print a score for each.")
    parser.add_argument("rooms", nargs="*", choices=[*ROOMS, []], metavar="ROOM", help=", ".join(ROOMS))
    parser.add_argument("--sample", type=int, metavar="N", help="test N mutants of each room, chosen at random")
    parser.add_argument("--seed", type=int, default=1, help="of the random choice (default 1)")
    parser.add_argument("--children", type=int, default=2, help="mutants tested at the same time (default 2)")
    given = parser.parse_args()
    scores = []
    for room in given.rooms or ROOMS:
        print(f"mutating {room} (log: {OUT / room}.log)", flush=True)
        scores.append(run_room(room, given.sample, given.seed, given.children))
    print("\n".join(scores))
    print(f"Show a mutant: cd {OUT}/ROOM && ../../../.venv/mutation/bin/python -m mutmut show NAME")


if __name__ == "__main__":
    main()
