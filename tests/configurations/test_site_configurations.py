"""Machines with layers, through the port: what they get, and that a change is taken whole or not at all."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import yaml

from bootgrant.configurations.site_configurations import SiteConfigurations
from bootgrant.machines.site.findings import SiteBroken, error
from bootgrant.ports.configurations import ConfigUnavailable, MachineEntry, Rendered
from bootgrant.ports.origins import Tree
from bootgrant.sources.folder import Folder
from bootgrant.sources.programs import SitePrograms
from bootgrant.wire.identity import MachineIdentity
from support.fakes import FakeClock
from support.grants import MAC, UUID
from support.layered_site import BASE, MODEL, site_configurations, toolbox, write_machines

pytestmark = pytest.mark.anyio
CP = MachineIdentity(UUID)
SPARE = MachineIdentity(mac=MAC)


def source_of(folder: Path, clock: FakeClock | None = None) -> SiteConfigurations:
    return site_configurations(Folder(folder), clock)


async def entry_of(source: SiteConfigurations, identity: MachineIdentity) -> MachineEntry:
    entry = await source.find_entry(identity)
    assert entry is not None
    return entry


async def rendered(source: SiteConfigurations, name: str, identity: MachineIdentity = CP) -> Rendered:
    made = await source.render(name, identity)
    assert made is not None
    return made


async def test_an_entry_says_what_people_decide_by(tmp_path: Path) -> None:
    entry = await entry_of(source_of(write_machines(tmp_path)), CP)
    assert (entry.name, entry.matched, entry.exact) == ("cp-1", "uuid", True)
    assert entry.labels == {"role": "control-plane", "site": "fra"}
    assert entry.layers == ("all", "control-plane", "node/cp-1")
    assert (entry.networks, entry.match) == (("10.20.0.0/24",), {"uuid": (UUID,)})
    assert entry.is_control_plane
    assert entry.revision.startswith("folder-")


async def test_an_entry_that_a_pattern_found_is_not_exact(tmp_path: Path) -> None:
    entry = await entry_of(source_of(write_machines(tmp_path)), SPARE)
    assert (entry.name, entry.matched, entry.exact) == ("spare-worker", "mac 52:2f:*", False)
    assert not entry.is_control_plane


async def test_layers_are_put_together_in_their_order_and_templates_filled(tmp_path: Path) -> None:
    made = await rendered(source_of(write_machines(tmp_path)), "cp-1")
    config = yaml.safe_load(made.config)
    assert config["machine"]["type"] == "controlplane"
    assert config["machine"]["network"]["hostname"] == "cp-1"
    assert (made.composer, made.content_type) == ("bootgrant", "application/yaml")


async def test_what_is_approved_has_the_fingerprint_of_what_is_delivered(tmp_path: Path) -> None:
    source = source_of(write_machines(tmp_path))
    assert (await entry_of(source, CP)).fingerprint == (await rendered(source, "cp-1")).entry.fingerprint


async def test_a_preview_shows_the_configuration_without_its_secrets(tmp_path: Path) -> None:
    preview = await source_of(write_machines(tmp_path)).preview("cp-1", CP)
    assert preview is not None
    assert "s3cr3t" not in preview
    (line,) = [line for line in preview.splitlines() if "hostname: cp-1" in line]
    assert line.endswith("# node/cp-1/50-name.yaml.j2")


async def test_a_second_rendering_is_the_very_same_from_cache(tmp_path: Path) -> None:
    source = source_of(write_machines(tmp_path))
    assert await source.render("cp-1", CP) is await source.render("cp-1", MachineIdentity(UUID, mac=MAC))


async def test_a_template_that_names_the_machine_gives_each_its_own(tmp_path: Path) -> None:
    template = "machine:\n  network:\n    hostname: w-{{ machine.mac | replace(':', '') }}\n"
    source = source_of(write_machines(tmp_path, {"worker/20-name.yaml.j2": template}))
    for mac in ("52:2f:00:00:00:01", "52:2f:00:00:00:02"):
        made = await rendered(source, "spare-worker", MachineIdentity(mac=mac))
        assert mac.replace(":", "").encode() in made.config


async def test_a_change_is_taken_over_when_it_is_sound(tmp_path: Path) -> None:
    source = source_of(write_machines(tmp_path))
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
async def test_a_broken_change_is_not_taken_and_said_loudly(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, path: str, text: str
) -> None:
    clock = FakeClock()
    source = source_of(write_machines(tmp_path), clock)
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


async def test_a_folder_that_could_not_be_read_for_a_while_is_well_again_as_it_was(tmp_path: Path) -> None:
    source = source_of(write_machines(tmp_path))
    before = await rendered(source, "cp-1")
    (tmp_path / "all/link.yaml").symlink_to("/etc/passwd")
    source.current.refresh()
    assert "all/link.yaml: this link points outside" in source.current.state().problem
    (tmp_path / "all/link.yaml").unlink()
    source.current.refresh()
    assert source.current.state().problem == ""
    assert await rendered(source, "cp-1") is before


async def test_what_is_broken_stays_so_when_the_folder_could_not_be_read_in_between(tmp_path: Path) -> None:
    source = source_of(write_machines(tmp_path))
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
    """A program of the site, and the file without which it has no value."""
    program, value = folder / "vault", folder / "value"
    program.write_text(f"#!/bin/sh\necho asked >> {folder}/asked\nexec cat {value}\n")
    program.chmod(0o755)
    return program, value


SECRET_NAME = {"node/cp-1/60-secret.yaml.j2": "machine: {token: '{{ variables.token }}'}\n"}


def with_program(folder: Path, program: Path, clock: FakeClock) -> SiteConfigurations:
    return site_configurations(Folder(folder), clock, toolbox(programs=SitePrograms([program])))


async def test_a_program_that_was_away_at_the_start_is_asked_again_each_minute(
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
    assert len((tmp_path / "asked").read_text().splitlines()) == 4
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
    assert len((tmp_path / "asked").read_text().splitlines()) == 5


async def test_a_change_that_a_program_kept_back_is_taken_when_it_answers_again(tmp_path: Path) -> None:
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
    folder.is_faulty = False
    (tmp_path / "all/00-base.yaml").write_text(BASE.replace("demo", "another"))
    source.current.refresh()
    assert source.current.state().problem == ""


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


class Shut(Folder):
    """A folder that nobody may look into for a while."""

    is_shut = True

    def is_layered(self) -> bool:
        if self.is_shut:
            raise SiteBroken([error("unreadable", "Permission denied")])
        return super().is_layered()


async def test_finished_files_are_served_when_their_folder_may_be_looked_into_again(tmp_path: Path) -> None:
    (tmp_path / f"{UUID}.yaml").write_text(BASE)
    folder = Shut(tmp_path)
    source = site_configurations(folder)
    with pytest.raises(ConfigUnavailable, match="Permission denied"):
        await source.find_entry(CP)
    folder.is_shut = False
    source.current.refresh()
    assert (await entry_of(source, CP)).name == f"{UUID}.yaml"
    assert source.current.state().problem == ""


async def test_a_folder_that_may_not_be_looked_into_is_told(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 300)
    for _ in range(2):
        with pytest.raises(ConfigUnavailable, match="cannot be read: File name too long"):
            await source_of(folder).find_entry(CP)


async def test_at_the_start_sound_entries_are_served_and_broken_ones_are_not(tmp_path: Path) -> None:
    source = source_of(write_machines(tmp_path, {"worker/10-role.yaml": "machine: {nope: 1}\n"}))
    assert (await rendered(source, "cp-1")).config
    with pytest.raises(ConfigUnavailable, match=r"worker/10-role\.yaml") as caught:
        await source.find_entry(SPARE)
    assert len(caught.value.reason) <= 32
    with pytest.raises(ConfigUnavailable):
        await source.render("spare-worker", SPARE)


async def test_a_machine_between_two_entries_gets_neither(tmp_path: Path) -> None:
    twin = MODEL + "  - name: twin\n    match: {mac: '52:2f:*'}\n    layers: [all]\n"
    source = source_of(write_machines(tmp_path, {"machines.yaml": twin}))
    with pytest.raises(ConfigUnavailable, match="equally well") as caught:
        await source.find_entry(SPARE)
    assert len(caught.value.reason) <= 32
    assert (await entry_of(source, CP)).name == "cp-1"


async def test_a_configuration_that_talos_would_refuse_is_not_served(tmp_path: Path) -> None:
    no_type = "version: v1alpha1\nmachine: {}\ncluster: {}\n"
    source = source_of(write_machines(tmp_path, {"all/00-base.yaml": no_type}))
    with pytest.raises(ConfigUnavailable, match=r"machine\.type"):
        await source.render("spare-worker", SPARE)
    assert (await rendered(source, "cp-1")).entry.is_control_plane


async def test_a_machine_that_was_just_written_down_is_found_at_once(tmp_path: Path) -> None:
    clock = FakeClock()
    source = source_of(write_machines(tmp_path), clock)
    new = MachineIdentity(serial="SN-NEW")
    assert await source.find_entry(new) is None
    (tmp_path / "machines.yaml").write_text(MODEL + "  - name: new\n    match: {serial: SN-NEW}\n    layers: [all]\n")
    clock.advance(2)
    assert (await entry_of(source, new)).name == "new"


async def test_finished_files_beside_the_entries_are_found_by_uuid_and_mac_alone(tmp_path: Path) -> None:
    other = "7b2f3f60-52c1-4e0f-8a6d-0d5f1c3e9a11"
    files = {f"{other}.yaml": BASE, "secret.yaml": BASE, f"{UUID}.yaml": BASE}
    source = source_of(write_machines(tmp_path, files))
    assert (await entry_of(source, MachineIdentity(other))).name == f"{other}.yaml"
    assert (await entry_of(source, CP)).name == "cp-1"
    for serial in ("secret", "machines"):
        assert await source.find_entry(MachineIdentity(serial=serial)) is None
        assert await source.named_entry(f"{serial}.yaml") is None
        assert await source.render(f"{serial}.yaml", CP) is None


async def test_without_machines_yaml_every_file_is_finished_and_read_as_it_is(tmp_path: Path) -> None:
    source = source_of(tmp_path)
    assert await source.find_entry(CP) is None
    (tmp_path / f"{UUID}.yaml").write_text("x: 1\n")
    assert (await entry_of(source, CP)).name == f"{UUID}.yaml"
    assert (await rendered(source, f"{UUID}.yaml")).config == b"x: 1\n"


async def test_a_machines_yaml_that_vanishes_takes_nothing_away(tmp_path: Path) -> None:
    source = source_of(write_machines(tmp_path))
    await rendered(source, "cp-1")
    (tmp_path / "machines.yaml").unlink()
    source.current.refresh()
    assert "machines.yaml is gone" in source.current.state().problem
    assert (await entry_of(source, CP)).name == "cp-1"


async def test_profiles_are_listed_and_named_and_found_by_no_machine(tmp_path: Path) -> None:
    source = source_of(write_machines(tmp_path, {"machines.yaml": MODEL + "  - name: profile\n    layers: [all]\n"}))
    assert [entry.name for entry in await source.entries()] == ["cp-1", "profile", "spare-worker"]
    named = await source.named_entry("profile")
    assert named is not None
    assert (named.matched, named.machine_type) == ("name", "worker")
    assert (await rendered(source, "profile", SPARE)).entry.name == "profile"


@pytest.mark.parametrize(
    ("schema", "files", "config"),
    [
        ("json", {"all/a.json": '{"a": 1, "l": [1]}', "all/b.json": '{"b": 2}'}, {"a": 1, "l": [1], "b": 2}),
        ("yaml", {"all/a.yaml": "a: {x: 1}\n", "all/b.yaml": "a: {y: 2}\n"}, {"a": {"x": 1, "y": 2}}),
    ],
)
async def test_other_kinds_are_merged_as_what_they_are(
    tmp_path: Path, schema: str, files: dict[str, str], config: object
) -> None:
    model = f"entries: [{{name: x, schema: {schema}, layers: [all]}}]\n"
    source = source_of(write_machines(tmp_path, {"machines.yaml": model, "all/00-base.yaml": None, **files}))
    assert yaml.safe_load((await rendered(source, "x")).config) == config


async def test_a_text_is_served_as_it_is(tmp_path: Path) -> None:
    model = "entries: [{name: x, schema: text, layers: [run.sh]}]\n"
    source = source_of(write_machines(tmp_path, {"machines.yaml": model, "run.sh": "#!/bin/sh\n# only this\n"}))
    made = await rendered(source, "x")
    assert (made.config, made.content_type) == (b"#!/bin/sh\n# only this\n", "text/plain; charset=utf-8")


async def test_a_control_plane_under_another_schema_is_shown_as_one_to_whoever_decides(tmp_path: Path) -> None:
    model = f"entries: [{{name: x, schema: text, match: {{uuid: {UUID}}}, layers: [run.yaml]}}]\n"
    config = "machine:\n  type: controlplane\n"
    source = source_of(write_machines(tmp_path, {"machines.yaml": model, "run.yaml": config}))
    assert (await entry_of(source, CP)).is_control_plane
    assert (await rendered(source, "x")).entry.is_control_plane


async def test_an_entry_whose_template_uses_the_machine_says_so_until_it_is_rendered(tmp_path: Path) -> None:
    kind = '{{ "controlplane" if machine.mac.endswith("01") else "worker" }}'
    template = f"machine:\n  type: {kind}\n"
    source = source_of(write_machines(tmp_path, {"worker/20-kind.yaml.j2": template}))
    for last, is_control_plane in (("01", True), ("02", False)):
        machine = MachineIdentity(mac=f"52:2f:00:00:00:{last}")
        entry, made = await entry_of(source, machine), await rendered(source, "spare-worker", machine)
        assert (entry.varies, made.entry.varies) == (True, False)
        assert made.entry.is_control_plane is is_control_plane
    assert not (await entry_of(source, CP)).varies
