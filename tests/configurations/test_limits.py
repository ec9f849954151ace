"""Limits of the work on one entry: what exceeds them is stopped and named, and the rest is served."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from bootgrant.configurations.engine import Engine, Workbench
from bootgrant.configurations.limits import EntryLimits
from bootgrant.configurations.revision import Revision
from bootgrant.configurations.worker_process import WorkerProcess
from bootgrant.machines.site.findings import Finding, SiteBroken
from bootgrant.ports.origins import Tree
from bootgrant.wire.identity import MachineIdentity
from support.grants import MAC
from support.layered_site import BASE, CP, FILES, MODEL, site_program, toolbox

PATIENT = EntryLimits(cpu=0.5, time=120.0)
"""Limits by which only CPU time ends anything, however busy this computer is."""
HOSTNAME = "node/cp-1/50-name.yaml.j2"


@contextmanager
def revision(
    changed: Mapping[str, str | None], limits: EntryLimits = PATIENT, before: Revision | None = None
) -> Iterator[Revision]:
    files = {path: text.encode() for path, text in {**FILES, **changed}.items() if text is not None}
    made = Revision(Tree(files, "r1"), Engine(toolbox(), limits), before)
    try:
        yield made
    finally:
        made.close()


def the_problem(of: Revision) -> Finding:
    (problem,) = of.problems()
    return problem


def slow_merge() -> dict[str, str]:
    """A patch that is within the limits of a file, and takes many times longer to read than all the rest together.

    So the work on the entry is in this file when its time is over, on a fast computer and on a slow one.
    """
    hosts = "".join(f"      - {{ip: 10.0.{n // 250}.{n % 250}, aliases: [h{n}]}}\n" for n in range(40_000))
    return {
        "all/00-base.yaml": f"{BASE}",
        "node/cp-1/10-hosts.yaml": f"machine:\n  network:\n    extraHostEntries:\n{hosts}",
    }


def test_work_that_takes_too_long_is_stopped_and_the_rest_is_served() -> None:
    with revision(slow_merge(), EntryLimits(cpu=0.2, time=120.0)) as made:
        problem = the_problem(made)
        assert (problem.rule, problem.entry) == ("limit", "cp-1")
        assert problem.file == "node/cp-1/10-hosts.yaml"
        assert "takes more than 0.2 s of CPU time" in problem.message
        assert "limits.entry_cpu" in problem.message
        assert b"type: worker" in made.finish("spare-worker", MachineIdentity(mac=MAC)).config
        with pytest.raises(SiteBroken, match="takes more than"):
            made.finish("cp-1", CP)


def test_a_large_file_is_refused_if_reading_it_takes_too_much_memory() -> None:
    items = "".join(f"  k{number}: [a, b]\n" for number in range(100_000))
    with revision({"node/cp-1/10-large.yaml": f"machine:\n{items}"}, EntryLimits(32 << 20, 60.0, 120.0)) as made:
        problem = the_problem(made)
        assert (problem.entry, problem.file) == ("cp-1", "node/cp-1/10-large.yaml")
        assert "needs more than 32 MiB of memory" in problem.message
        assert made.broken == {"cp-1"}


def test_an_entry_that_exceeded_a_limit_is_not_tried_again_until_it_changes() -> None:
    limits = EntryLimits(cpu=0.2, time=120.0)
    with revision(slow_merge(), limits) as first:
        changed = {**slow_merge(), "worker/10-role.yaml": "machine:\n  type: worker\n"}
        with revision(changed, PATIENT, first) as second:
            assert the_problem(second) == the_problem(first)
        with revision({}, PATIENT, first) as third:
            assert third.problems() == []
            assert b"hostname: cp-1" in third.finish("cp-1", CP).config


def test_an_entry_that_is_the_same_as_before_is_served_without_another_try() -> None:
    with (
        revision({}) as first,
        revision({"worker/10-role.yaml": "machine:\n  type: worker\n"}, PATIENT, first) as second,
    ):
        assert second.verdicts["cp-1"] == first.verdicts["cp-1"]
        assert second.finish("cp-1", CP).config == first.finish("cp-1", CP).config


def test_warnings_are_looked_up_only_where_people_read_them() -> None:
    deprecated = {"node/cp-1/60-files.yaml": "machine:\n  files: [{path: /var/a, op: create, content: a}]\n"}
    with revision(deprecated) as made:
        with_warnings, without = made.finish("cp-1", CP), made.finish("cp-1", CP, warns=False)
        assert [warning.file for warning in with_warnings.warnings] == ["node/cp-1/60-files.yaml"]
        assert without.warnings == ()
        assert without.config == with_warnings.config
        assert made.verdicts["cp-1"].warnings == with_warnings.warnings


def test_a_worker_that_dies_is_followed_by_another_one(capfd: pytest.CaptureFixture[str]) -> None:
    started: list[WorkerProcess] = []

    def start() -> WorkerProcess:
        started.append(WorkerProcess())
        return started[-1]

    files = {path: text.encode() for path, text in FILES.items()}
    made = Revision(Tree(files, "r1"), Engine(toolbox(), PATIENT, start))
    before = made.finish("cp-1", CP)
    started[-1].signal(signal.SIGKILL)
    with pytest.raises(SiteBroken, match="ends the process"):
        made.finish("cp-1", CP)
    assert made.finish("spare-worker", MachineIdentity(mac=MAC)).machine_type == "worker"
    assert len(started) == 2
    made.close()
    assert before.machine_type == "controlplane"


def test_after_many_stopped_entries_the_others_are_not_tried() -> None:
    entries = "".join(f"  - {{name: n{number:02}, layers: [all, slow]}}\n" for number in range(12))
    slow = {"machines.yaml": f"entries:\n{entries}", "slow/10.yaml": slow_merge()["node/cp-1/10-hosts.yaml"]}
    with revision(slow, EntryLimits(cpu=0.1, time=120.0)) as made:
        assert len(made.broken) == 12
        skipped = [problem for problem in made.problems() if "not tried" in problem.message]
        assert len(skipped) >= 3
        assert {problem.file for problem in skipped} == {"slow/10.yaml"}


def test_a_matching_table_that_takes_too_long_is_refused_as_a_whole() -> None:
    names = "".join(f"  - {{name: n{number}, match: {{serial: '*{number}?*'}}}}\n" for number in range(3000))
    table = revision({"machines.yaml": f"{MODEL}{names}"}, EntryLimits(cpu=0.001, time=120.0))
    with pytest.raises(SiteBroken, match=r"machines\.yaml: takes more than") as caught, table:
        pass
    assert caught.value.findings[0].rule == "limit"


def test_a_finished_file_is_judged_within_limits() -> None:
    items = "".join(f"  k{number}: [a, b]\n" for number in range(100_000))
    bench = Workbench(Engine(toolbox(), EntryLimits(32 << 20, 60.0, 120.0)))
    (fault,) = bench.judge("a.yaml", f"machine:\n{items}".encode()).faults
    assert "memory" in fault.message
    assert bench.judge("a.yaml", BASE.encode()).machine_type == "worker"
    bench.close()


def test_the_worker_has_nothing_of_the_servers_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOTGRANT_AGE_IDENTITY", "AGE-SECRET-KEY-1XYZ")
    started: list[WorkerProcess] = []

    def start() -> WorkerProcess:
        started.append(WorkerProcess())
        return started[-1]

    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, True)
    bench = Workbench(Engine(toolbox(), PATIENT, start))
    bench.judge("a.yaml", BASE.encode())
    process = Path(f"/proc/{started[0].pid}")
    # It cannot be looked into by this user, except by the superuser.
    environment = _readable(process / "environ")
    assert b"AGE-SECRET" not in environment
    if os.geteuid() == 0:
        assert {link.readlink().name for link in (process / "fd").iterdir()} & {
            f"pipe:[{os.fstat(write_end).st_ino}]"
        } == set()
    else:
        assert environment == b""
    bench.close()
    os.close(read_end)
    os.close(write_end)


def _readable(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except PermissionError:
        return b""


def test_programs_of_the_site_run_in_the_server_and_their_time_does_not_count(tmp_path: Path) -> None:
    program = site_program(tmp_path, "sleep 1; echo s3cr3t-of-a-slow-vault")
    model = MODEL.replace("    networks:", f"    variables: {{token: {{exec: [{program}]}}}}\n    networks:")
    template = "machine: {token: '{{ variables.token }}'}\n"
    from bootgrant.sources.programs import SitePrograms

    files = {**FILES, "machines.yaml": model, "node/cp-1/60-token.yaml.j2": template}
    tree = Tree({path: text.encode() for path, text in files.items()}, "r1")
    made = Revision(tree, Engine(toolbox(programs=SitePrograms([program])), EntryLimits(cpu=30.0, time=60.0)))
    assert b"s3cr3t-of-a-slow-vault" in made.finish("cp-1", CP).config
    assert "s3cr3t" not in made.preview("cp-1", CP)[0]
    made.close()
