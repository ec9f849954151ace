"""The configurations of a site through the port: entries, renderings, previews, finished files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from bootgrant.ports.configurations import ConfigUnavailable
from bootgrant.wire.identity import MachineIdentity
from support.fakes import FakeClock
from support.grants import MAC, UUID
from support.layered_site import BASE, CP, MODEL, found, rendered, site_configurations, write_machines

pytestmark = pytest.mark.anyio
SPARE = MachineIdentity(mac=MAC)


async def test_an_entry_has_what_people_need_to_decide(tmp_path: Path) -> None:
    entry = await found(site_configurations(write_machines(tmp_path)), CP)
    assert (entry.name, entry.matched, entry.exact) == ("cp-1", "uuid", True)
    assert entry.labels == {"role": "control-plane", "site": "fra"}
    assert entry.layers == ("all", "control-plane", "node/cp-1")
    assert (entry.networks, entry.match) == (("10.20.0.0/24",), {"uuid": (UUID,)})
    assert entry.is_control_plane
    assert entry.revision.startswith("folder-")


async def test_an_entry_found_by_a_pattern_is_not_exact(tmp_path: Path) -> None:
    entry = await found(site_configurations(write_machines(tmp_path)), SPARE)
    assert (entry.name, entry.matched, entry.exact) == ("spare-worker", "mac 52:2f:*", False)
    assert not entry.is_control_plane


async def test_layers_are_composed_in_order_and_templates_rendered(tmp_path: Path) -> None:
    made = await rendered(site_configurations(write_machines(tmp_path)), "cp-1")
    config = yaml.safe_load(made.config)
    assert config["machine"]["type"] == "controlplane"
    assert config["machine"]["network"]["hostname"] == "cp-1"
    assert (made.composer, made.content_type) == ("bootgrant", "application/yaml")


async def test_the_approved_entry_and_the_delivery_have_the_same_fingerprint(tmp_path: Path) -> None:
    source = site_configurations(write_machines(tmp_path))
    assert (await found(source, CP)).fingerprint == (await rendered(source, "cp-1")).entry.fingerprint


async def test_a_preview_has_no_secrets(tmp_path: Path) -> None:
    preview = await site_configurations(write_machines(tmp_path)).preview("cp-1", CP)
    assert preview is not None
    assert "s3cr3t" not in preview
    (line,) = [line for line in preview.splitlines() if "hostname: cp-1" in line]
    assert line.endswith("# node/cp-1/50-name.yaml.j2")


async def test_a_second_rendering_comes_from_the_cache(tmp_path: Path) -> None:
    source = site_configurations(write_machines(tmp_path))
    assert await source.render("cp-1", CP) is await source.render("cp-1", MachineIdentity(UUID, mac=MAC))


async def test_a_template_that_uses_the_machine_renders_each_machine_separately(tmp_path: Path) -> None:
    template = "machine:\n  network:\n    hostname: w-{{ machine.mac | replace(':', '') }}\n"
    source = site_configurations(write_machines(tmp_path, {"worker/20-name.yaml.j2": template}))
    for mac in ("52:2f:00:00:00:01", "52:2f:00:00:00:02"):
        made = await rendered(source, "spare-worker", MachineIdentity(mac=mac))
        assert mac.replace(":", "").encode() in made.config


async def test_at_the_start_valid_entries_are_served_and_broken_ones_are_not(tmp_path: Path) -> None:
    source = site_configurations(write_machines(tmp_path, {"worker/10-role.yaml": "machine: {nope: 1}\n"}))
    assert (await rendered(source, "cp-1")).config
    with pytest.raises(ConfigUnavailable, match=r"worker/10-role\.yaml") as caught:
        await source.find_entry(SPARE)
    assert len(caught.value.reason) <= 32
    with pytest.raises(ConfigUnavailable):
        await source.render("spare-worker", SPARE)


async def test_a_machine_that_two_entries_match_equally_gets_neither(tmp_path: Path) -> None:
    twin = MODEL + "  - name: twin\n    match: {mac: '52:2f:*'}\n    layers: [all]\n"
    source = site_configurations(write_machines(tmp_path, {"machines.yaml": twin}))
    with pytest.raises(ConfigUnavailable, match="equally well") as caught:
        await source.find_entry(SPARE)
    assert len(caught.value.reason) <= 32
    assert (await found(source, CP)).name == "cp-1"


async def test_a_configuration_that_talos_would_refuse_is_not_served(tmp_path: Path) -> None:
    no_type = "version: v1alpha1\nmachine: {}\ncluster: {}\n"
    source = site_configurations(write_machines(tmp_path, {"all/00-base.yaml": no_type}))
    with pytest.raises(ConfigUnavailable, match=r"machine\.ca"):
        await source.render("spare-worker", SPARE)
    assert (await rendered(source, "cp-1")).entry.is_control_plane


async def test_an_entry_is_found_as_soon_as_it_is_written(tmp_path: Path) -> None:
    clock = FakeClock()
    source = site_configurations(write_machines(tmp_path), clock)
    new = MachineIdentity(serial="SN-NEW")
    assert await source.find_entry(new) is None
    (tmp_path / "machines.yaml").write_text(MODEL + "  - name: new\n    match: {serial: SN-NEW}\n    layers: [all]\n")
    clock.advance(2)
    assert (await found(source, new)).name == "new"


async def test_finished_files_next_to_entries_are_found_only_by_uuid_and_mac(tmp_path: Path) -> None:
    other = "7b2f3f60-52c1-4e0f-8a6d-0d5f1c3e9a11"
    files = {f"{other}.yaml": BASE, "secret.yaml": BASE, f"{UUID}.yaml": BASE}
    source = site_configurations(write_machines(tmp_path, files))
    assert (await found(source, MachineIdentity(other))).name == f"{other}.yaml"
    assert (await found(source, CP)).name == "cp-1"
    for serial in ("secret", "machines"):
        assert await source.find_entry(MachineIdentity(serial=serial)) is None
        assert await source.named_entry(f"{serial}.yaml") is None
        assert await source.render(f"{serial}.yaml", CP) is None


async def test_without_machines_yaml_every_file_is_a_finished_configuration(tmp_path: Path) -> None:
    source = site_configurations(tmp_path)
    assert await source.find_entry(CP) is None
    (tmp_path / f"{UUID}.yaml").write_text("x: 1\n")
    assert (await found(source, CP)).name == f"{UUID}.yaml"
    assert (await rendered(source, f"{UUID}.yaml")).config == b"x: 1\n"


async def test_finished_files_next_to_entries_are_listed_with_them(tmp_path: Path) -> None:
    write_machines(tmp_path)
    (tmp_path / f"{UUID}.yaml").write_text("x: 1\n")
    source = site_configurations(tmp_path)
    assert [entry.name for entry in await source.entries()] == [f"{UUID}.yaml", "cp-1", "spare-worker"]


async def test_a_profile_is_listed_and_found_by_name_but_by_no_machine(tmp_path: Path) -> None:
    source = site_configurations(
        write_machines(tmp_path, {"machines.yaml": MODEL + "  - name: profile\n    layers: [all]\n"})
    )
    assert [entry.name for entry in await source.entries()] == ["cp-1", "profile", "spare-worker"]
    named = await source.named_entry("profile")
    assert named is not None
    assert (named.matched, named.machine_type) == ("name", "worker")
    assert (await rendered(source, "profile", SPARE)).entry.name == "profile"


async def test_an_entry_that_is_named_is_exact_even_with_a_pattern(tmp_path: Path) -> None:
    source = site_configurations(write_machines(tmp_path))
    named = await source.named_entry("spare-worker")
    assert named is not None
    assert (named.matched, named.exact) == ("name", True)
    assert [entry.exact for entry in await source.entries()] == [True, False]


@pytest.mark.parametrize(
    ("schema", "files", "config"),
    [
        ("json", {"all/a.json": '{"a": 1, "l": [1]}', "all/b.json": '{"b": 2}'}, {"a": 1, "l": [1], "b": 2}),
        ("yaml", {"all/a.yaml": "a: {x: 1}\n", "all/b.yaml": "a: {y: 2}\n"}, {"a": {"x": 1, "y": 2}}),
    ],
)
async def test_other_schemas_are_merged_by_their_own_rules(
    tmp_path: Path, schema: str, files: dict[str, str], config: object
) -> None:
    model = f"entries: [{{name: x, schema: {schema}, layers: [all]}}]\n"
    source = site_configurations(write_machines(tmp_path, {"machines.yaml": model, "all/00-base.yaml": None, **files}))
    assert yaml.safe_load((await rendered(source, "x")).config) == config


async def test_a_text_is_served_unchanged(tmp_path: Path) -> None:
    model = "entries: [{name: x, schema: text, layers: [run.sh]}]\n"
    source = site_configurations(
        write_machines(tmp_path, {"machines.yaml": model, "run.sh": "#!/bin/sh\n# only this\n"})
    )
    made = await rendered(source, "x")
    assert (made.config, made.content_type) == (b"#!/bin/sh\n# only this\n", "text/plain; charset=utf-8")


async def test_a_control_plane_under_another_schema_is_recognised(tmp_path: Path) -> None:
    model = f"entries: [{{name: x, schema: text, match: {{uuid: {UUID}}}, layers: [run.yaml]}}]\n"
    config = "machine:\n  type: controlplane\n  ca: {crt: YQ==, key: YQ==}\n"
    source = site_configurations(write_machines(tmp_path, {"machines.yaml": model, "run.yaml": config}))
    assert (await found(source, CP)).is_control_plane
    assert (await rendered(source, "x")).entry.is_control_plane


async def test_an_entry_whose_template_uses_the_machine_varies_until_it_is_rendered(tmp_path: Path) -> None:
    kind = '{{ "controlplane" if machine.mac.endswith("01") else "worker" }}'
    key = '{{ "YQ==" if machine.mac.endswith("01") else """" }}'
    template = f"machine:\n  type: {kind}\n  ca: {{crt: YQ==, key: {key}}}\n"
    source = site_configurations(write_machines(tmp_path, {"worker/20-kind.yaml.j2": template}))
    for last, is_control_plane in (("01", True), ("02", False)):
        machine = MachineIdentity(mac=f"52:2f:00:00:00:{last}")
        entry, made = await found(source, machine), await rendered(source, "spare-worker", machine)
        assert (entry.varies, made.entry.varies) == (True, False)
        assert made.entry.is_control_plane is is_control_plane
    assert not (await found(source, CP)).varies


@pytest.mark.parametrize(
    ("identity", "may_need_two"),
    [(CP, True), (SPARE, False), (MachineIdentity(serial="UNKNOWN-1"), False), (MachineIdentity(), False)],
    ids=["control plane", "worker", "unknown", "nothing"],
)
async def test_memory_knows_who_may_need_two_people(
    tmp_path: Path, identity: MachineIdentity, may_need_two: bool
) -> None:
    source = site_configurations(write_machines(tmp_path))
    await source.find_entry(identity)
    assert await source.may_need_two(identity) is may_need_two


async def test_an_entry_whose_type_depends_on_the_machine_may_need_two_people(tmp_path: Path) -> None:
    template = "machine:\n  network:\n    hostname: w-{{ machine.mac | replace(':', '') }}\n"
    source = site_configurations(write_machines(tmp_path, {"worker/20-name.yaml.j2": template}))
    await source.find_entry(SPARE)
    assert await source.may_need_two(SPARE)


async def test_a_finished_file_may_need_two_people_within_a_second_of_its_writing(tmp_path: Path) -> None:
    clock = FakeClock()
    source = site_configurations(write_machines(tmp_path), clock=clock)
    machine = MachineIdentity(UUID.replace("4", "5"))
    await source.find_entry(machine)
    assert not await source.may_need_two(machine)
    (tmp_path / f"{machine.uuid}.yaml").write_text(
        "version: v1alpha1\nmachine:\n  type: controlplane\n  ca: {crt: YQ==, key: YQ==}\ncluster: {}\n"
    )
    clock.advance(1)
    assert await source.may_need_two(machine)


@pytest.mark.parametrize(
    ("path", "text", "says"),
    [
        (
            "worker/10-role.yaml",
            "machine:\n  logging:\n    destinations:\n      - {format: x}\n",
            "worker/10-role.yaml:4: ",
        ),
        ("all/20-net.yaml", "# nothing\nmachine: {certSANs: [a], nodeLabels: {a b: c}}\n", "all/20-net.yaml:2: "),
        (
            "worker/20-name.yaml.j2",
            "{% if true %}\nmachine: {kubelet: {image: k}}\n{% endif %}\n",
            "after rendering)",
        ),
        ("worker/20-cp.yaml", "cluster: {etcd: {}}\n", "worker/20-cp.yaml:1: cluster.etcd: only a control plane"),
    ],
)
async def test_what_talos_refuses_is_shown_in_the_layer_that_wrote_it(
    tmp_path: Path, path: str, text: str, says: str
) -> None:
    source = site_configurations(write_machines(tmp_path, {path: text}))
    with pytest.raises(ConfigUnavailable, match=re.escape(says)):
        await source.render("spare-worker", SPARE)
