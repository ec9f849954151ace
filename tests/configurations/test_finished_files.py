"""A folder of finished configurations: which file is for which machine, and what is refused."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bootgrant.configurations.finished_files import FinishedFiles, judged, shown
from bootgrant.machines.finish.validation import Judgement, Rules
from bootgrant.ports.configurations import ConfigUnavailable
from bootgrant.ports.origins import Stamp
from bootgrant.sources.folder import Folder
from bootgrant.wire.identity import MachineIdentity
from support.grants import MAC, UUID

CP = MachineIdentity(UUID)
DASHED = MAC.replace(":", "-")


def judge(name: str, content: bytes) -> Judgement:
    return judged(name, content, Rules())


def files(folder: Path) -> FinishedFiles:
    return FinishedFiles(Folder(folder), judge, shown)


def test_a_uuid_wins_over_a_serial_and_a_serial_over_a_mac(tmp_path: Path) -> None:
    source = files(tmp_path)
    identity = MachineIdentity(UUID, "SN1", MAC)
    for name, variable in ((f"{DASHED}.yaml", "mac"), ("SN1.yaml", "serial"), (f"{UUID}.yaml", "uuid")):
        (tmp_path / name).write_text("x: 1\n")
        entry = source.find_entry(identity)
        assert entry is not None
        assert (entry.name, entry.matched) == (name, variable)


def test_a_machine_without_a_file_has_no_entry(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("x: 1\n")
    assert files(tmp_path).find_entry(MachineIdentity(UUID)) is None


@pytest.mark.parametrize(
    "serial", ["../secret", "..", "a/b", "/etc/passwd", "a\0b", ".hidden", "a\nb", UUID, MAC, DASHED]
)
def test_a_hostile_serial_finds_nothing(tmp_path: Path, serial: str) -> None:
    folder = tmp_path / "machines"
    folder.mkdir()
    for path in (tmp_path / "secret.yaml", folder / f"{UUID}.yaml", folder / f"{DASHED}.yaml", folder / ".hidden.yaml"):
        path.write_text("x: 1\n")
    assert files(folder).find_entry(MachineIdentity(serial=serial)) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(serial=st.text(max_size=300))
def test_any_serial_finds_its_own_file_or_nothing(tmp_path: Path, serial: str) -> None:
    folder = tmp_path / "machines"
    folder.mkdir(exist_ok=True)
    (tmp_path / "outside.yaml").write_text("x: 1\n")
    assert files(folder).find_entry(MachineIdentity(serial=serial)) is None


def test_a_link_out_of_the_folder_is_refused_and_a_link_inside_is_followed(tmp_path: Path) -> None:
    folder = tmp_path / "machines"
    folder.mkdir()
    (tmp_path / "outside.yaml").write_text("x: 1\n")
    (folder / f"{UUID}.yaml").symlink_to(tmp_path / "outside.yaml")
    with pytest.raises(ConfigUnavailable, match="points outside"):
        files(folder).render(f"{UUID}.yaml")
    (folder / "real.yaml").write_text("y: 2\n")
    (folder / "SN1.yaml").symlink_to("real.yaml")
    rendered = files(folder).render("SN1.yaml")
    assert rendered is not None
    assert rendered.config == b"y: 2\n"


def test_every_file_is_listed_and_found_by_name(tmp_path: Path) -> None:
    source = files(tmp_path)
    for name in ("b.yaml", "a.yaml", "note.txt", ".hidden.yaml"):
        (tmp_path / name).write_text("x: 1\n")
    assert [entry.name for entry in source.entries()] == ["a.yaml", "b.yaml"]
    named = source.named_entry("a.yaml")
    assert named is not None
    assert (named.name, named.matched) == ("a.yaml", "name")
    for name in ("c.yaml", "../a.yaml", ".hidden.yaml", ""):
        assert source.named_entry(name) is None


def test_a_finished_file_with_a_key_of_the_cluster_is_precious(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "machine: {type: worker, ca: {crt: YQ==}}\ncluster: {serviceAccount: {key: YQ==}}\n"
    )
    (tmp_path / "b.yaml").write_text("machine: {type: worker, ca: {crt: YQ==}}\ncluster: {}\n")
    source = files(tmp_path)
    assert [entry.precious for entry in source.entries()] == [("cluster.serviceAccount.key",), ()]
    made = source.render("a.yaml")
    assert made is not None
    assert made.entry.is_precious


def test_a_preview_of_a_finished_file_quotes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("secret: swordfish\n")
    preview = files(tmp_path).preview("a.yaml")
    assert preview is not None
    assert "swordfish" not in preview


def test_a_preview_of_a_finished_file_of_talos_shows_what_is_harmless_and_all_to_admins(tmp_path: Path) -> None:
    config = "machine:\n  type: worker\n  token: swordfish\n  ca: {crt: YQ==}\ncluster: {}\n"
    (tmp_path / "a.yaml").write_text(config)
    source = files(tmp_path)
    heading, *lines = str(source.preview("a.yaml")).splitlines()
    assert heading == f"# a.yaml: a finished file of {len(config)} bytes, served unchanged"
    assert lines[:3] == ["machine:", "  type: worker", "  token: <redacted>"]
    assert source.preview("a.yaml", reveal=True) == config


def test_an_empty_or_oversized_file_is_never_served(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text(" \n")
    with (tmp_path / "large.yaml").open("wb") as file:
        file.truncate((16 << 20) + 1)
    for name, reason in (("empty.yaml", "config empty, retrying"), ("large.yaml", "config too large")):
        with pytest.raises(ConfigUnavailable, match=name) as caught:
            files(tmp_path).render(name)
        assert caught.value.reason == reason


def test_an_unreadable_folder_is_an_error_and_not_an_unknown_machine(tmp_path: Path) -> None:
    with pytest.raises(ConfigUnavailable, match="cannot be read"):
        files(tmp_path / "gone").find_entry(MachineIdentity(UUID))


def test_a_finished_control_plane_is_recognised(tmp_path: Path) -> None:
    (tmp_path / f"{UUID}.yaml").write_text(
        "machine:\n  type: controlplane\n  ca: {crt: YQ==, key: YQ==}\ncluster: {}\n"
    )
    entry = files(tmp_path).find_entry(MachineIdentity(UUID))
    assert entry is not None
    assert entry.is_control_plane
    assert entry.match == {"uuid": (UUID,)}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("machine: {<<: {type: controlplane}, bad: 'x", "line 1: not valid YAML"),
        ("machine: {<<: {type: controlplane}}\n", "has no machine.<<"),
        ("machine:\n  type: boss\n  ca: {crt: YQ==}\ncluster: {}\n", "machine.type must be"),
        ('"machine": {type: worker, tpye: 1}\n', "has no machine.tpye"),
    ],
)
def test_a_finished_file_that_talos_would_refuse_is_neither_approved_nor_served(
    tmp_path: Path, text: str, says: str
) -> None:
    source = files(tmp_path)
    name = f"{UUID}.yaml"
    (tmp_path / name).write_text(text)
    for call in (
        partial(source.find_entry, MachineIdentity(UUID)),
        partial(source.named_entry, name),
        partial(source.render, name),
    ):
        with pytest.raises(ConfigUnavailable, match=says) as caught:
            call()
        assert len(caught.value.reason) <= 32
    assert [entry.name for entry in source.entries()] == [name]
    (tmp_path / name).write_text("machine:\n  type: worker\n  ca: {crt: YQ==}\ncluster: {}\n")
    assert source.find_entry(MachineIdentity(UUID)) is not None


@pytest.mark.parametrize(
    "text",
    [
        '{"machine": {"type": "init", "ca": {"crt": "YQ==", "key": "YQ=="}}, "cluster": {}}\n',
        "  machine :\n    type: controlplane\n    ca: {crt: YQ==, key: YQ==}\n  cluster: {}\n",
        "\ufeffmachine:\n  type: !!binary Y29udHJvbHBsYW5l\n  ca: {crt: YQ==, key: YQ==}\ncluster: {}\n",
    ],
)
def test_a_control_plane_is_recognised_in_any_spelling(tmp_path: Path, text: str) -> None:
    source = files(tmp_path)
    (tmp_path / f"{UUID}.yaml").write_text(text)
    entry, rendered = source.find_entry(CP), source.render(f"{UUID}.yaml")
    assert entry is not None
    assert rendered is not None
    assert entry.is_control_plane
    assert entry.fingerprint == rendered.entry.fingerprint


class CountingFolder(Folder):
    """Counts how often a file is read."""

    reads = 0

    def finished_content(self, name: str) -> tuple[bytes, Stamp] | None:
        self.reads += 1
        return super().finished_content(name)


def test_a_file_is_read_again_only_when_it_has_changed(tmp_path: Path) -> None:
    folder = CountingFolder(tmp_path)
    source = FinishedFiles(folder, judge, shown)
    path = tmp_path / f"{UUID}.yaml"
    path.write_text("machine: {type: worker, ca: {crt: YQ==}}\ncluster: {}\n")
    first, second = source.find_entry(CP), source.find_entry(CP)
    assert first is not None
    assert (second, folder.reads, first.is_control_plane) == (first, 1, False)
    path.write_text("machine: {type: controlplane, ca: {crt: YQ==, key: YQ==}}\ncluster: {}\n")
    entry = source.find_entry(CP)
    assert entry is not None
    assert (folder.reads, entry.is_control_plane) == (2, True)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("clusterName: a\nclusterEndpoint: https://a\nnodes: []\n", "TOPF"),
        ("machine:\n  token: ENC[AES256_GCM,data:a]\nsops:\n  mac: ENC[a]\n", "encrypted with SOPS"),
        ("machine:\n  token: ENC[AES256_GCM,data:a]\n", "line 2: machine.token is ciphertext"),
    ],
)
def test_a_file_that_another_tool_left_is_not_served(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / f"{UUID}.yaml").write_text(text)
    with pytest.raises(ConfigUnavailable, match=why):
        files(tmp_path).find_entry(CP)
