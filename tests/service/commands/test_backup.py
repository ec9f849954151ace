"""A site is backed up into one file and restored: what is in it, what is refused, what happens to what was there."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import stat
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyrage
import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.epoch import Seen
from bootgrant.ports.grants import FolderInUse
from bootgrant.service.commands.archive import MANIFEST, BadArchive
from bootgrant.service.commands.backup import Made, back_up, check_backup
from bootgrant.service.commands.restore import mark, restore
from bootgrant.service.parts.seen_file import SeenInFolder
from bootgrant.service.settings.setting import SettingsError
from bootgrant.store.sqlite.database import DATABASE, SqliteDatabase
from support.grants import NOW
from support.new_database import put_new_database

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _loose_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A site with a database, a key, the folder of a repository, and a file that is none of its own."""
    folder = tmp_path / "site"
    (folder / "data/machines.git/refs").mkdir(parents=True)
    (folder / "machines").mkdir()
    (folder / "machines/cp-1.yaml").write_text("machine: {}")
    put_new_database(folder / "data")
    for name in ("code.key", "lock", "epoch", "machines.git/HEAD", "machines.git/refs/main"):
        (folder / "data" / name).write_bytes(b"k" * 32)
    (folder / "data/link").symlink_to("/etc/passwd")
    os.mkfifo(folder / "data/pipe")
    (folder / "corp.pem").write_text("a certificate")
    (folder / "corp.key").write_text("a key")
    made = folder / "bootgrant.toml"
    tls = '[tls]\ncertificate = "corp.pem"\nkey = "corp.key"\n'
    made.write_text(f'public_url = "http://boot.example:8080"\n{tls}')
    return made


def names(made: Made) -> set[str]:
    return set(made.manifest.members)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def append(config: Path, *kinds: AuditKind) -> None:
    with SqliteDatabase(config.parent / "data", NOW) as database:
        await database.audit.append([AuditEvent(NOW, kind) for kind in kinds])


def test_everything_of_the_data_folder_is_in_it_but_what_belongs_to_a_running_server(
    config: Path, tmp_path: Path
) -> None:
    made = back_up(config, tmp_path / "b")
    data = {"data/code.key", "data/machines.git/HEAD", "data/machines.git/refs/main"}
    assert names(made) == {"bootgrant.toml", "database.sqlite3", *data}
    assert made.manifest.outside == (str(config.parent / "corp.key"), str(config.parent / "corp.pem"))
    assert mode(tmp_path / "b") == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "site"]
    with_machines = back_up(config, tmp_path / "c", machines=True)
    assert names(with_machines) - names(made) == {"machines/cp-1.yaml"}


def test_an_existing_file_is_not_replaced_by_accident(config: Path, tmp_path: Path) -> None:
    (tmp_path / "b").write_text("precious")
    with pytest.raises(SettingsError, match="exists already"):
        back_up(config, tmp_path / "b")
    back_up(config, tmp_path / "b", replace=True)
    assert check_backup(tmp_path / "b").manifest.members


async def test_the_copy_is_of_one_moment_while_the_server_writes(config: Path, tmp_path: Path) -> None:
    with SqliteDatabase(config.parent / "data", NOW) as database:
        head = await database.audit.append([AuditEvent(NOW, AuditKind.DENIED)])
        made = back_up(config, tmp_path / "b")
        await database.audit.append([AuditEvent(NOW, AuditKind.OPENED)])
    assert (made.manifest.head, made.chain) == (head, None)
    assert check_backup(tmp_path / "b").manifest.head == head


async def test_a_broken_chain_is_backed_up_and_reported(config: Path, tmp_path: Path) -> None:
    await append(config, AuditKind.DENIED, AuditKind.OPENED)
    with closing(sqlite3.connect(config.parent / "data" / DATABASE)) as connection, connection:
        connection.execute("UPDATE audit SET line = replace(line, 'denied', 'opened') WHERE seq = 1")
    assert back_up(config, tmp_path / "b").chain is not None
    assert check_backup(tmp_path / "b").chain is not None


async def test_an_empty_place_gets_the_whole_site_and_a_mark(config: Path, tmp_path: Path) -> None:
    await append(config, AuditKind.DENIED)
    back_up(config, tmp_path / "b", machines=True)
    new = tmp_path / "new/bootgrant.toml"
    done = restore(tmp_path / "b", new)
    assert (done.wrote_settings, done.replaced) == (True, None)
    for name in ("code.key", "machines.git/HEAD", DATABASE):
        path = tmp_path / "new/data" / name
        assert mode(path) == 0o600, name
    assert (tmp_path / "new/machines/cp-1.yaml").read_text() == "machine: {}"
    assert mode(tmp_path / "new/data") == 0o700
    seen = SeenInFolder(tmp_path / "new/data").read()
    assert seen is not None
    assert (seen.marked_at is not None, seen.head) == (True, done.manifest.head)
    with SqliteDatabase(tmp_path / "new/data", NOW) as database:
        assert await database.epochs.newest() == done.manifest.head


async def test_what_a_restore_replaces_is_kept_and_the_file_of_what_was_seen_stays(
    config: Path, tmp_path: Path
) -> None:
    data = config.parent / "data"
    SeenInFolder(data).write(Seen(4))
    back_up(config, tmp_path / "b")
    (data / "code.key").write_bytes(b"n" * 32)
    (data / "later").write_text("made after the backup")
    done = restore(tmp_path / "b", config)
    assert done.replaced is not None
    assert (done.replaced / "code.key").read_bytes() == b"n" * 32
    assert (data / "code.key").read_bytes() == b"k" * 32
    assert not (data / "later").exists()
    assert (done.replaced / "link").is_symlink()
    assert SeenInFolder(data).read() == Seen(4)
    again = back_up(config, tmp_path / "c")
    assert not [name for name in names(again) if "replaced" in name]


def test_a_running_server_refuses(config: Path, tmp_path: Path) -> None:
    back_up(config, tmp_path / "b")
    with SqliteDatabase(config.parent / "data", NOW):
        with pytest.raises(FolderInUse, match="stop that one first"):
            restore(tmp_path / "b", config, patience=0.0)
        with pytest.raises(FolderInUse):
            mark(config, patience=0.0)


def test_a_mark_keeps_what_was_seen(config: Path) -> None:
    file = SeenInFolder(config.parent / "data")
    file.write(Seen(4, at=5.0))
    mark(config)
    seen = file.read()
    assert seen is not None
    assert (seen.epoch, seen.at, seen.marked_at is not None) == (4, 5.0, True)


def test_a_mark_keeps_a_file_that_cannot_be_used(config: Path) -> None:
    data = config.parent / "data"
    mark(config)
    assert (data / "epoch.unreadable").read_bytes() == b"k" * 32
    seen = SeenInFolder(data).read()
    assert seen is not None
    assert seen.marked_at is not None


def test_an_encrypted_backup_needs_its_identity(config: Path, tmp_path: Path) -> None:
    key, other = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
    back_up(config, tmp_path / "b", [str(key.to_public())])
    assert (tmp_path / "b").read_bytes().startswith(b"age-encryption.org/v1")
    for name, identity in (("right", key), ("wrong", other)):
        (tmp_path / name).write_text(str(identity))
    with pytest.raises(BadArchive, match="--identity"):
        check_backup(tmp_path / "b")
    with pytest.raises(BadArchive, match="cannot be decrypted"):
        check_backup(tmp_path / "b", tmp_path / "wrong")
    assert restore(tmp_path / "b", tmp_path / "new/bootgrant.toml", tmp_path / "right").wrote_settings
    with pytest.raises(SettingsError, match="not a public key of age"):
        back_up(config, tmp_path / "c", ["AGE-SECRET-KEY-1"])
    assert not (tmp_path / "c").exists()


Change = Callable[[dict[str, bytes], dict[str, Any]], None]


def rewritten(source: Path, target: Path, change: Change) -> None:
    """Write an archive again with other members and another manifest."""
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if name != MANIFEST}
        manifest = json.loads(archive.read(MANIFEST))
    change(members, manifest)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.writestr(MANIFEST, json.dumps(manifest))


def add(name: str, content: bytes = b"x", size: int | None = None) -> Change:
    def change(members: dict[str, bytes], manifest: dict[str, Any]) -> None:
        import hashlib

        members[name] = content
        count = len(content) if size is None else size
        manifest["members"][name] = {"size": count, "sha256": hashlib.sha256(content).hexdigest()}

    return change


def put(**values: object) -> Change:
    return lambda _, manifest: manifest.update(values)


def unlisted(members: dict[str, bytes], _: dict[str, Any]) -> None:
    members["data/more"] = b"x"


def without_key(members: dict[str, bytes], _: dict[str, Any]) -> None:
    del members["data/code.key"]


def other_content(members: dict[str, bytes], _: dict[str, Any]) -> None:
    members["data/code.key"] = b"z" * 32


def with_trigger(members: dict[str, bytes], manifest: dict[str, Any]) -> None:
    import hashlib
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "d"
        path.write_bytes(members["database.sqlite3"])
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("CREATE TRIGGER t AFTER DELETE ON sessions BEGIN DELETE FROM operators; END")
        content = path.read_bytes()
    members["database.sqlite3"] = content
    digest = hashlib.sha256(content).hexdigest()
    manifest["members"]["database.sqlite3"] = {"size": len(content), "sha256": digest}


def with_torn_database(members: dict[str, bytes], manifest: dict[str, Any]) -> None:
    add("database.sqlite3", members["database.sqlite3"][:20_000])(members, manifest)


HOSTILE: dict[str, tuple[Change, str]] = {
    "a way out": (add("data/../../evil"), "a member that no backup has"),
    "an absolute path": (add("/etc/cron.d/evil"), "a member that no backup has"),
    "a backslash": (add("data/..\\evil"), "a member that no backup has"),
    "another folder": (add("site/evil"), "a member that no backup has"),
    "a dot": (add("data/./evil"), "a member that no backup has"),
    "a control character": (add("data/evil\n"), "a member that no backup has"),
    "what the server has seen": (add("data/epoch"), "a member that no backup has"),
    "a log of the database": (add("data/bootgrant.sqlite3-wal"), "a member that no backup has"),
    "a socket's name": (add("data/admin.sock"), "a member that no backup has"),
    "a time without end": (put(made_at=float("inf")), "manifest cannot be read"),
    "a number without end": (put(epoch=float("inf")), "manifest cannot be read"),
    "a bomb": (add("data/bomb", bytes(64 << 20), 100), "larger than its manifest says"),
    "more than there is": (add("data/short", b"x", 100), "its size or SHA-256 differs"),
    "no member for it": (without_key, "not those of its manifest"),
    "not listed": (unlisted, "not those of its manifest"),
    "changed": (other_content, "its size or SHA-256 differs"),
    "another program": (put(program="other"), "manifest cannot be read"),
    "a newer format": (put(format=2, version="9.0"), "written by a newer bootgrant (9.0)"),
    "a newer schema": (put(schema=["9999_later"], version="9.0"), "made by a newer bootgrant (9.0;"),
    "a huge size": (add("data/huge", b"x", 1 << 50), "make room first"),
    "a trigger": (with_trigger, "triggers or views"),
    "half a database": (with_torn_database, "its database"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_or_foreign_archive_is_refused_and_changes_nothing(config: Path, tmp_path: Path, name: str) -> None:
    change, reason = HOSTILE[name]
    back_up(config, tmp_path / "good")
    rewritten(tmp_path / "good", tmp_path / "b", change)
    before = {path: path.stat().st_mtime_ns for path in config.parent.rglob("*") if path.is_file()}
    with pytest.raises(SettingsError) as refused:
        restore(tmp_path / "b", config)
    assert reason in str(refused.value)
    assert {path: path.stat().st_mtime_ns for path in config.parent.rglob("*") if path.is_file()} == before
    with pytest.raises(SettingsError):
        restore(tmp_path / "b", tmp_path / "new/bootgrant.toml")
    assert not (tmp_path / "new/bootgrant.toml").exists()
    assert not list((tmp_path / "new").rglob("*evil*"))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"hello", b"age-encryption.org/v1\nx", b"\x1f\x8b"])
def test_a_file_of_something_else_is_refused(config: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "b").write_bytes(content)
    (tmp_path / "key").write_text(str(pyrage.x25519.Identity.generate()))
    with pytest.raises(BadArchive):
        restore(tmp_path / "b", config, tmp_path / "key")


@pytest.mark.parametrize("part", [0.05, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_refused(config: Path, tmp_path: Path, part: float) -> None:
    back_up(config, tmp_path / "b")
    content = (tmp_path / "b").read_bytes()
    (tmp_path / "b").write_bytes(content[: int(len(content) * part)])
    with pytest.raises(BadArchive, match="damaged or cut off"):
        check_backup(tmp_path / "b")


def test_a_link_in_an_archive_is_only_a_file(config: Path, tmp_path: Path) -> None:
    back_up(config, tmp_path / "good")
    rewritten(tmp_path / "good", tmp_path / "b", add("data/link", b"/etc/passwd"))
    with zipfile.ZipFile(tmp_path / "b") as archive:
        content = {entry: archive.read(entry) for entry in archive.infolist()}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for entry, member in content.items():
            if entry.filename == "data/link":
                entry.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(entry, member)
    (tmp_path / "b").write_bytes(out.getvalue())
    restore(tmp_path / "b", tmp_path / "new/bootgrant.toml")
    assert not (tmp_path / "new/data/link").is_symlink()
    assert mode(tmp_path / "new/data/link") == 0o600


def test_the_settings_decide_about_the_kind_of_database(config: Path, tmp_path: Path) -> None:
    back_up(config, tmp_path / "b")
    config.write_text('public_url = "http://boot.example:8080"\n[database]\nurl = "postgresql://b@127.0.0.1:1/b"\n')
    with pytest.raises(SettingsError, match="site on sqlite"):
        restore(tmp_path / "b", config)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")
def test_root_restores_for_the_owner_of_the_data_folder(config: Path, tmp_path: Path) -> None:
    back_up(config, tmp_path / "b")
    data = config.parent / "data"
    os.chown(data, 12345, 12346)
    done = restore(tmp_path / "b", config)
    restored = [data / "code.key", data / DATABASE, data / "machines.git", data / "machines.git/refs/main"]
    assert done.replaced is not None
    for path in [*restored, done.replaced]:
        assert (path.stat().st_uid, path.stat().st_gid) == (12345, 12346), path


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")
def test_root_restores_an_empty_site_for_the_user_of_its_package(config: Path, tmp_path: Path) -> None:
    back_up(config, tmp_path / "b", machines=True)
    new = tmp_path / "new"
    (new / "data").mkdir(parents=True, mode=0o700)
    os.chown(new / "data", 12345, 12346)
    restore(tmp_path / "b", new / "bootgrant.toml")
    mark(new / "bootgrant.toml")
    for name in ("bootgrant.toml", "data/epoch", "data/lock", "data/code.key", "machines", "machines/cp-1.yaml"):
        assert (new / name).stat().st_uid == 12345, name


def test_a_restore_says_what_it_leaves_and_what_is_missing(config: Path, tmp_path: Path) -> None:
    back_up(config, tmp_path / "b", machines=True)
    machines = config.parent / "machines"
    assert restore(tmp_path / "b", config).notes == (f"{config} was not changed", f"{machines} was not changed")
    back_up(config, tmp_path / "c")
    [note] = restore(tmp_path / "c", tmp_path / "new/bootgrant.toml").notes
    assert note == f"put back {tmp_path}/new/machines yourself: the backup was made without --machines"


def test_an_empty_machines_folder_of_a_package_is_filled(config: Path, tmp_path: Path) -> None:
    back_up(config, tmp_path / "b", machines=True)
    machines = tmp_path / "new/machines"
    machines.mkdir(parents=True, mode=0o750)
    restore(tmp_path / "b", tmp_path / "new/bootgrant.toml")
    assert (machines / "cp-1.yaml").read_text() == "machine: {}"
    assert mode(machines) == 0o750


def test_unzip_can_read_it_when_no_bootgrant_is_at_hand(config: Path, tmp_path: Path) -> None:
    back_up(config, tmp_path / "b")
    listed = subprocess.run(
        ["python3", "-m", "zipfile", "-l", tmp_path / "b"], capture_output=True, text=True, check=True
    )
    assert "database.sqlite3" in listed.stdout
