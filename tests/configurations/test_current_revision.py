"""Which revision is served: a change is applied as a whole or not at all, and failures never leave machines waiting."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from bootgrant.configurations.site_configurations import SiteConfigurations
from bootgrant.machines.site.findings import SiteBroken, error
from bootgrant.machines.site.model import Entry
from bootgrant.machines.site.variables import Command, Minting
from bootgrant.ports.configurations import ConfigUnavailable
from bootgrant.ports.origins import Acceptable, Tree
from bootgrant.sources.folder import Folder
from bootgrant.sources.programs import SitePrograms
from bootgrant.wire.identity import MachineIdentity
from support.fakes import FakeClock
from support.grants import MAC, UUID
from support.layered_site import BASE, CP, FILES, MODEL, found, rendered, site_configurations, toolbox, write_machines

pytestmark = pytest.mark.anyio
SPARE = MachineIdentity(mac=MAC)


async def test_a_valid_change_is_served(tmp_path: Path) -> None:
    source = site_configurations(write_machines(tmp_path))
    before = await rendered(source, "cp-1")
    (tmp_path / "all/00-base.yaml").write_text(BASE.replace("demo", "other"))
    source.current.refresh()
    after = await rendered(source, "cp-1")
    assert b"clusterName: other" in after.config
    assert after.entry.revision != before.entry.revision


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("machines.yaml", "entries: [\n"),
        ("machines.yaml", MODEL + "  - name: twin\n    match: {uuid: " + UUID + "}\n"),
        ("all/00-base.yaml", "machine:\n\ttype: worker\n"),
        ("control-plane/10-role.yaml", "machine:\n  typ: controlplane\n"),
        ("node/cp-1/50-name.yaml.j2", "{{ variables.nope }}"),
        ("node/cp-1/50-name.yaml.j2", "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}"),
        ("node/cp-1/60-more.yaml.age", "not age"),
    ],
)
async def test_a_broken_change_is_refused_and_reported_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, path: str, text: str
) -> None:
    clock = FakeClock()
    source = site_configurations(write_machines(tmp_path), clock)
    before = await rendered(source, "cp-1")
    (tmp_path / path).write_text(text)
    clock.advance(60)
    with caplog.at_level(logging.ERROR):
        source.current.refresh()
        source.current.refresh()
    assert await rendered(source, "cp-1") is before
    state = source.current.state()
    assert (state.revision, state.since) == (before.entry.revision, clock.now())
    assert path in state.problem
    assert len([record for record in caplog.records if path in record.getMessage()]) == 1
    write_machines(tmp_path, {path: None} if path.endswith(".age") else None)
    (tmp_path / "node/cp-1/60-more.yaml.age").unlink(missing_ok=True)
    source.current.refresh()
    assert source.current.state().problem == ""


async def test_a_folder_that_is_readable_again_unchanged_has_no_problem(tmp_path: Path) -> None:
    source = site_configurations(write_machines(tmp_path))
    before = await rendered(source, "cp-1")
    (tmp_path / "all/link.yaml").symlink_to("/etc/passwd")
    source.current.refresh()
    assert "all/link.yaml: this link points outside" in source.current.state().problem
    (tmp_path / "all/link.yaml").unlink()
    source.current.refresh()
    assert source.current.state().problem == ""
    assert await rendered(source, "cp-1") is before


async def test_a_broken_change_is_still_reported_after_the_folder_was_unreadable(tmp_path: Path) -> None:
    source = site_configurations(write_machines(tmp_path))
    before = await rendered(source, "cp-1")
    (tmp_path / "control-plane/10-role.yaml").write_text("machine: {typ: controlplane}\n")
    source.current.refresh()
    broken = source.current.state()
    assert "typ" in broken.problem
    (tmp_path / "all/link.yaml").symlink_to("/etc/passwd")
    source.current.refresh()
    assert "points outside" in source.current.state().problem
    (tmp_path / "all/link.yaml").unlink()
    source.current.refresh()
    assert source.current.state() == broken
    assert await rendered(source, "cp-1") is before


def vault(folder: Path) -> tuple[Path, Path]:
    """Return a program of the site, and the file that it prints; without the file it fails."""
    program, value = folder / "vault", folder / "value"
    program.write_text(f"#!/bin/sh\necho run >> {folder}/runs\nexec cat {value}\n")
    program.chmod(0o755)
    return program, value


SECRET_NAME = {"node/cp-1/60-secret.yaml.j2": "machine: {token: '{{ variables.token }}'}\n"}


def with_program(folder: Path, program: Path, clock: FakeClock) -> SiteConfigurations:
    return site_configurations(folder, clock, toolbox(programs=SitePrograms([program])))


async def test_the_log_names_the_entry_that_a_layer_breaks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    source = site_configurations(write_machines(tmp_path), clock)
    await rendered(source, "cp-1")
    (tmp_path / "all/70-more.yaml").write_text("machine:\n  nope: 1\n")
    clock.advance(60)
    with caplog.at_level(logging.ERROR):
        source.current.refresh()
    (reported,) = [record.getMessage() for record in caplog.records if "nope" in record.getMessage()]
    assert reported.endswith("[cp-1]")


async def test_a_program_that_fails_at_the_start_is_retried_each_minute(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    program, value = vault(tmp_path)
    model = MODEL.replace("    networks:", f"    variables: {{token: {{exec: [{program}]}}}}\n    networks:")
    clock = FakeClock()
    folder = write_machines(tmp_path / "machines", {**SECRET_NAME, "machines.yaml": model})
    source = with_program(folder, program, clock)
    with pytest.raises(ConfigUnavailable):
        await source.render("cp-1", CP)
    for _ in range(3):
        clock.advance(61)
        source.current.refresh()
    assert len((tmp_path / "runs").read_text().splitlines()) == 4
    assert len([record for record in caplog.records if "cannot be served" in record.getMessage()]) == 1
    value.write_text("s3cr3t-of-the-vault\n")
    source.current.refresh()
    assert "variable token has no value" in source.current.state().problem
    clock.advance(61)
    source.current.refresh()
    assert source.current.state().problem == ""
    assert b"s3cr3t-of-the-vault" in (await rendered(source, "cp-1")).config
    clock.advance(600)
    source.current.refresh()
    assert len((tmp_path / "runs").read_text().splitlines()) == 5


async def test_a_change_that_a_program_held_up_is_served_once_the_program_works(tmp_path: Path) -> None:
    program, value = vault(tmp_path)
    clock = FakeClock()
    folder = write_machines(tmp_path / "machines")
    source = with_program(folder, program, clock)
    before = await rendered(source, "cp-1")
    model = MODEL.replace("    networks:", f"    variables: {{token: {{exec: [{program}]}}}}\n    networks:")
    write_machines(folder, {**SECRET_NAME, "machines.yaml": model})
    source.current.refresh()
    assert await rendered(source, "cp-1") is before
    value.write_text("s3cr3t-of-the-vault\n")
    clock.advance(61)
    source.current.refresh()
    assert b"s3cr3t-of-the-vault" in (await rendered(source, "cp-1")).config
    assert source.current.state().problem == ""


class Faulty(Folder):
    """A folder whose reading fails as if by a bug."""

    is_faulty = False

    def tree(self) -> Tree:
        if self.is_faulty:
            raise RecursionError("deep inside")
        return super().tree()


async def test_an_unforeseen_error_is_raised_and_shown_and_machines_are_still_answered(tmp_path: Path) -> None:
    folder = Faulty(write_machines(tmp_path))
    clock = FakeClock()
    source = site_configurations(folder, clock)
    before = await rendered(source, "cp-1")
    folder.is_faulty = True
    (tmp_path / "all/00-base.yaml").write_text(BASE.replace("demo", "other"))
    with pytest.raises(RecursionError, match="deep inside"):
        source.current.refresh()
    assert await rendered(source, "cp-1") is before
    assert "bootgrant itself failed" in source.current.state().problem
    clock.advance(61)
    with pytest.raises(RecursionError, match="deep inside"):
        source.current.refresh()
    folder.is_faulty = False
    clock.advance(61)
    source.current.refresh()
    assert source.current.state().problem == ""
    assert b"clusterName: other" in (await rendered(source, "cp-1")).config


async def test_an_unforeseen_error_while_a_machine_asks_is_logged_and_the_machine_is_answered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = Faulty(write_machines(tmp_path))
    clock = FakeClock()
    source = site_configurations(folder, clock)
    assert await source.find_entry(CP)
    folder.is_faulty = True
    (tmp_path / "all/00-base.yaml").write_text(BASE.replace("demo", "other"))
    clock.advance(60)
    assert await source.find_entry(MachineIdentity(serial="SN-UNKNOWN")) is None
    assert "deep inside" in caplog.text


class Unreadable(Folder):
    """A folder that is unreadable for a while."""

    is_unreadable = True

    def is_layered(self) -> bool:
        if self.is_unreadable:
            raise SiteBroken([error("unreadable", "Permission denied")])
        return super().is_layered()


async def test_finished_files_are_served_once_their_folder_is_readable_again(tmp_path: Path) -> None:
    (tmp_path / f"{UUID}.yaml").write_text(BASE)
    folder = Unreadable(tmp_path)
    source = site_configurations(folder)
    with pytest.raises(ConfigUnavailable, match="Permission denied"):
        await source.find_entry(CP)
    folder.is_unreadable = False
    source.current.refresh()
    assert (await found(source, CP)).name == f"{UUID}.yaml"
    assert source.current.state().problem == ""


async def test_an_unreadable_folder_is_reported(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 300)
    for _ in range(2):
        with pytest.raises(ConfigUnavailable, match="cannot be read: File name too long"):
            await site_configurations(folder).find_entry(CP)


async def test_when_machines_yaml_vanishes_its_entries_are_still_served(tmp_path: Path) -> None:
    source = site_configurations(write_machines(tmp_path))
    await rendered(source, "cp-1")
    (tmp_path / "machines.yaml").unlink()
    source.current.refresh()
    assert "machines.yaml is gone" in source.current.state().problem
    assert (await found(source, CP)).name == "cp-1"


TRANSIENT = SiteBroken([error("exec", "the vault is sealed")])
UNREACHABLE = SiteBroken([error("git-fetch", "the repository cannot be fetched")])


@dataclass
class FakeOrigin:
    """ports.origins.Origin, as a test sets it. ``failure`` is raised by ``changed``."""

    newest: Tree
    has_changed: bool = True
    good: Tree | None = None
    failure: SiteBroken | None = None
    seconds: float = 0.0
    looks: int = 0
    kept: list[str] = field(default_factory=list)

    def is_layered(self) -> bool:
        return True

    def changed(self) -> bool:
        self.looks += 1
        until = time.thread_time() + self.seconds
        while time.thread_time() < until:
            pass
        if self.failure is not None:
            raise self.failure
        return self.has_changed

    def tree(self) -> Tree:
        return self.newest

    def fetch_soon(self) -> None:
        """Nothing is fetched."""

    def served(self, revision: str) -> None:
        """Nothing is refused because of it."""

    def keep(self, revision: str) -> None:
        self.kept.append(revision)

    def acceptable(self, commit: str) -> Acceptable:
        return Acceptable(commit, "")

    def accept(self, revision: str) -> None:
        """Nothing is refused."""

    def last_good(self) -> Tree | None:
        return self.good


def tree(revision: str, changed: Mapping[str, str] | None = None) -> Tree:
    return Tree({path: text.encode() for path, text in {**FILES, **(changed or {})}.items()}, revision)


WORKER_BROKEN = {"worker/10-role.yaml": "machine: {nope: 1}\n"}


def revision_of(source: SiteConfigurations) -> str:
    return source.current.state().revision


async def test_a_change_is_served_if_it_breaks_no_more_than_before() -> None:
    origin = FakeOrigin(tree("first", WORKER_BROKEN))
    source = site_configurations(origin)
    source.current.refresh()
    origin.newest = tree("second", {**WORKER_BROKEN, "all/00-base.yaml": BASE.replace("demo", "other")})
    source.current.refresh()
    assert b"clusterName: other" in (await rendered(source, "cp-1")).config
    origin.newest = tree("third", {**WORKER_BROKEN, "control-plane/10-role.yaml": "machine: {nope: 1}\n"})
    source.current.refresh()
    assert revision_of(source) == "second"


def test_only_a_revision_without_problems_is_kept_for_a_restart() -> None:
    origin = FakeOrigin(tree("broken", WORKER_BROKEN))
    source = site_configurations(origin)
    source.current.refresh()
    origin.newest = tree("valid")
    source.current.refresh()
    assert origin.kept == ["valid"]


async def test_at_the_start_a_broken_machines_yaml_is_an_error_and_not_an_empty_site() -> None:
    source = site_configurations(FakeOrigin(tree("broken", {"machines.yaml": "entries: [\n"})))
    with pytest.raises(ConfigUnavailable, match=r"machines\.yaml") as caught:
        await source.find_entry(CP)
    assert caught.value.reason == "configs broken, see server log"


def test_an_origin_that_takes_long_to_look_at_is_looked_at_less_often() -> None:
    origin = FakeOrigin(tree("first"), seconds=0.02)
    current = site_configurations(origin).current
    assert current.pause == 1.0
    current.refresh()
    assert current.pause >= 4.0


def test_the_first_revision_is_read_even_if_nothing_changed() -> None:
    source = site_configurations(FakeOrigin(tree("first"), has_changed=False))
    source.current.refresh()
    assert revision_of(source) == "first"


class Vault:
    """ports.origins.Programs, which has no value while it is sealed."""

    is_sealed = True

    def value(self, entry: Entry, variable: str, command: Command) -> str:
        if self.is_sealed:
            raise TRANSIENT
        return "s3cr3t"

    def check(self, entry: Entry, variable: str, minting: Minting) -> None:
        raise AssertionError(variable)


async def test_after_a_restart_a_revision_that_failed_for_a_moment_is_retried() -> None:
    model = MODEL.replace("    networks:", "    variables: {token: {exec: [/bin/vault]}}\n    networks:")
    vault, clock = Vault(), FakeClock()
    origin = FakeOrigin(tree("newest", {"machines.yaml": model, **SECRET_NAME}), good=tree("good"))
    source = site_configurations(origin, clock, replace(toolbox(), programs=vault))
    source.current.refresh()
    assert revision_of(source) == "good"
    assert "the vault is sealed" in source.current.state().problem
    origin.has_changed = vault.is_sealed = False
    clock.advance(61)
    source.current.refresh()
    assert (revision_of(source), source.current.state().problem) == ("newest", "")


def test_after_a_restart_an_origin_that_is_reachable_again_has_no_problem() -> None:
    origin = FakeOrigin(tree("good"), has_changed=False, good=tree("good"), failure=UNREACHABLE)
    current = site_configurations(origin).current
    current.refresh()
    assert (current.state().revision, current.state().problem) == ("good", "the repository cannot be fetched")
    origin.failure = None
    current.refresh()
    assert (current.state().revision, current.state().problem) == ("good", "")


def test_a_problem_that_changes_keeps_the_time_of_its_beginning() -> None:
    clock = FakeClock()
    origin = FakeOrigin(tree("first"))
    current = site_configurations(origin, clock).current
    current.refresh()
    origin.newest, since = tree("second", WORKER_BROKEN), clock.now()
    current.refresh()
    clock.advance(60)
    origin.failure = UNREACHABLE
    current.refresh()
    assert (current.state().problem, current.state().since) == ("the repository cannot be fetched", since)


async def test_unknown_machines_make_the_origin_be_looked_at_once_in_a_second() -> None:
    clock, origin = FakeClock(), FakeOrigin(tree("first"), has_changed=False)
    source = site_configurations(origin, clock)
    source.current.refresh()
    clock.advance(5)
    for _ in range(3):
        assert await source.find_entry(MachineIdentity(serial="SN-UNKNOWN")) is None
    assert origin.looks == 2
