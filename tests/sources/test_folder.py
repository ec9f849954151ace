"""A machines folder: everything in it is read, and nothing outside it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bootgrant.machines.site.findings import SiteBroken
from bootgrant.sources.folder import Folder


def read(folder: Path) -> dict[str, bytes]:
    return dict(Folder(folder).tree().files)


def test_files_have_their_path_as_name_and_hidden_files_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "all/sub").mkdir(parents=True)
    (tmp_path / "all/sub/a.yaml").write_text("a")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/config").write_text("x")
    (tmp_path / "all/.a.yaml.swp").write_text("x")
    assert read(tmp_path) == {"all/sub/a.yaml": b"a"}


def test_a_link_inside_the_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/a.yaml").write_text("a")
    (tmp_path / "node").symlink_to("real")
    assert read(tmp_path)["node/a.yaml"] == b"a"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("/etc/passwd", "loop: this link points outside"),
        ("../outside.yaml", "loop: this link points outside"),
        ("loop", "loop: cannot be read"),
        (".", "loop: this link points to a folder that contains it"),
    ],
)
def test_a_link_out_of_the_folder_or_in_a_loop_is_refused_by_name(tmp_path: Path, target: str, message: str) -> None:
    folder = tmp_path / "machines"
    folder.mkdir()
    (tmp_path / "outside.yaml").write_text("x")
    (folder / "loop").symlink_to(target)
    with pytest.raises(SiteBroken, match=message):
        read(folder)


def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(SiteBroken, match="neither a file nor a folder"):
        read(tmp_path)


def test_a_file_of_fifty_megabytes_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "large.yaml").open("wb") as file:
        file.truncate(50 << 20)
    with pytest.raises(SiteBroken, match=r"large\.yaml: larger than 16 MiB"):
        read(tmp_path)


def test_a_missing_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SiteBroken, match="cannot be read"):
        read(tmp_path / "gone")


def test_a_file_that_is_being_written_is_read_once_it_is_complete(tmp_path: Path) -> None:
    written = tmp_path / "a.yaml"
    written.write_text("old")
    rests = iter(["machine: {}\ncluster", "machine: {}\ncluster: {}\n"])

    def write_on(seconds: float) -> None:
        if (text := next(rests, None)) is not None:
            written.write_text(text)

    tree = Folder(tmp_path, write_on)
    assert tree.tree().files["a.yaml"] == b"old"
    written.write_text("mach")
    assert tree.tree().files["a.yaml"] == b"machine: {}\ncluster: {}\n"


def test_a_folder_that_keeps_changing_is_reported(tmp_path: Path) -> None:
    written = tmp_path / "a.yaml"
    written.write_text("a")

    def write_on(seconds: float) -> None:
        written.write_text(written.read_text() + "a")

    tree = Folder(tmp_path, write_on)
    tree.tree()
    written.write_text("aa")
    with pytest.raises(SiteBroken, match="keeps changing"):
        tree.tree()
    assert tree.changed()


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_a_file_that_becomes_a_link_or_a_pipe_meanwhile_is_refused(tmp_path: Path, kind: str) -> None:
    folder, outside = tmp_path / "machines", tmp_path / "identity"
    folder.mkdir()
    outside.write_text("secret")
    (folder / "a.yaml").write_text("first")
    kept = tmp_path / "kept"
    (folder / "b.yaml").write_text("b")

    def swap(seconds: float) -> None:
        (folder / "b.yaml").rename(kept)
        if kind == "link":
            (folder / "b.yaml").symlink_to(outside)
        else:
            os.mkfifo(folder / "b.yaml")

    tree = Folder(folder, swap)
    tree.tree()
    (folder / "b.yaml").write_text("changed")
    with pytest.raises(SiteBroken, match=r"b\.yaml: (this link points outside|neither a file)"):
        tree.tree()


def test_a_change_is_noticed_once_and_only_changed_files_are_read_again(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a")
    tree = Folder(tmp_path)
    first = tree.tree()
    assert not tree.changed()
    (tmp_path / "b.yaml").write_text("b")
    assert tree.changed()
    second = tree.tree()
    assert not tree.changed()
    assert second.files["a.yaml"] is first.files["a.yaml"]
    assert second.revision != first.revision


MACHINE = "40dcbd19-3b10-444e-bfff-aaee44a51fda.yaml"


def write(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)


@pytest.mark.parametrize("model", ["machines.yaml", "entries/rack1.yaml"])
def test_finished_files_next_to_entries_are_listed_and_not_read(tmp_path: Path, model: str) -> None:
    write(tmp_path, model, MACHINE, "52-54-00-12-34-56.yaml", "SN-1.yaml", f"node/{MACHINE}")
    tree = Folder(tmp_path).tree()
    assert tree.finished == (MACHINE, "52-54-00-12-34-56.yaml")
    assert sorted(tree.files) == sorted([model, "SN-1.yaml", f"node/{MACHINE}"])


def test_finished_files_without_entries_are_part_of_the_tree(tmp_path: Path) -> None:
    write(tmp_path, MACHINE)
    tree = Folder(tmp_path).tree()
    assert (tree.finished, list(tree.files)) == ((), [MACHINE])


def test_a_new_finished_file_is_listed_and_is_not_a_change(tmp_path: Path) -> None:
    write(tmp_path, "machines.yaml")
    folder = Folder(tmp_path)
    first = folder.tree()
    write(tmp_path, MACHINE)
    assert not folder.changed()
    write(tmp_path, "all/a.yaml")
    assert folder.changed()
    assert (first.finished, folder.tree().finished) == ((), (MACHINE,))


def test_a_change_behind_a_linked_folder_is_noticed(tmp_path: Path) -> None:
    write(tmp_path, "real/a.yaml")
    (tmp_path / "all").symlink_to("real")
    folder = Folder(tmp_path)
    folder.tree()
    write(tmp_path, "real/b.yaml")
    assert folder.changed()
    assert folder.tree().files["all/b.yaml"] == b"real/b.yaml"


def test_a_folder_linked_from_outside_is_refused_even_next_to_valid_files(tmp_path: Path) -> None:
    write(tmp_path, "machines/all/a.yaml", "outside/b.yaml")
    folder = Folder(tmp_path / "machines")
    folder.tree()
    (tmp_path / "machines/node").symlink_to(tmp_path / "outside")
    with pytest.raises(SiteBroken, match="node: this link points outside"):
        folder.changed()


def test_a_file_that_is_added_while_the_folder_is_read_is_in_the_tree(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml")
    added = iter(["new.yaml"])
    folder = Folder(tmp_path, lambda seconds: write(tmp_path, *added))
    folder.tree()
    write(tmp_path, "b.yaml")
    assert sorted(folder.tree().files) == ["a.yaml", "b.yaml", "new.yaml"]


@pytest.mark.parametrize(
    ("path", "message"),
    [("/".join("d" * 18) + "/a.yaml", "more than 16 folders deep"), ("all/a\u202eb.yaml", "unprintable characters")],
)
def test_a_path_that_is_too_deep_or_unprintable_is_refused(tmp_path: Path, path: str, message: str) -> None:
    write(tmp_path, path)
    with pytest.raises(SiteBroken, match=message):
        read(tmp_path)


def test_more_than_256_mebibytes_are_refused(tmp_path: Path) -> None:
    for number in range(17):
        with (tmp_path / f"{number}.yaml").open("wb") as file:
            file.truncate(16 << 20)
    with pytest.raises(SiteBroken, match="more than 256 MiB"):
        read(tmp_path)


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", "b.yaml", "c.yaml")
    assert Folder(tmp_path, most_files=3).changed()
    with pytest.raises(SiteBroken, match="more than 2 files"):
        Folder(tmp_path, most_files=2).changed()


def test_a_change_of_the_same_size_is_noticed(tmp_path: Path) -> None:
    changed = tmp_path / "a.yaml"
    changed.write_text("old")
    folder = Folder(tmp_path)
    folder.tree()
    changed.write_text("new")
    os.utime(changed, (1_000_000_000, 1_000_000_000))
    assert folder.changed()
    assert folder.tree().files["a.yaml"] == b"new"


def test_the_list_of_submodules_is_looked_at_once(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitmodules").write_text("  path = vendor \t\n  path = \n  path = a" + " " * (1 << 20) + "b\n")
    assert Folder(tmp_path).tree().submodules[0] == "vendor"
