"""The file of a backup: a ZIP archive with a manifest, or an age file that contains one.

The manifest names every member with its size and SHA-256. Reading trusts nothing: a member must be in the manifest, its
name must be a plain relative path, and no more than the announced bytes are read. Links and modes are not restored.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from bootgrant.approval.audit import Head
from bootgrant.service.parts.seen_file import EPOCH
from bootgrant.service.settings.setting import SettingsError
from bootgrant.store.sqlite.database import DATABASE

MANIFEST: Final = "manifest.json"
DATABASE_MEMBER: Final = "database.sqlite3"
SETTINGS_MEMBER: Final = "bootgrant.toml"
KEY_MEMBER: Final = "code.key"
FOLDERS: Final = ("data", "machines")
FORMAT: Final = 1
_MOST_MEMBERS: Final = 100_000
_MOST_MANIFEST: Final = 32 << 20
_AGE: Final = (b"age-encryption.org/v1", b"-----BEGIN AGE ENCRYPTED FILE-----")
_ZIP: Final = b"PK\x03\x04"
_DAMAGED: Final = (zipfile.BadZipFile, EOFError, RuntimeError, zlib.error)
"""What zipfile raises for an archive that it cannot read. RuntimeError includes NotImplementedError."""
NEVER: Final = frozenset(
    {
        "lock", EPOCH, f"{EPOCH}.new", f"{EPOCH}.unreadable", "admin.sock", "control.sock",
        *(DATABASE + end for end in ("", "-wal", "-shm", "-journal")),
    }
)  # fmt: skip
"""What no backup has of the data folder: it belongs to a running server, or would change what was checked."""
_PART: Final = re.compile(r"[^/\\\0-\x1f\x7f]{1,255}")
_PIECE: Final = 1 << 20
_LATEST: Final = 253402300800.0
"""The end of the year 9999 in Unix seconds: later times cannot be shown."""


class BadArchive(SettingsError):
    """A file that is not a usable backup; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Member:
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds. ``database`` is "sqlite" or "postgresql", ``schema`` the migrations that were applied,
    ``head`` the end of its audit. ``outside`` names files of the settings that are not in the backup."""

    version: str
    made_at: float
    database: str
    schema: tuple[str, ...]
    head: Head
    epoch: int
    outside: tuple[str, ...] = ()
    members: Mapping[str, Member] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "program": "bootgrant",
            "version": self.version,
            "made_at": self.made_at,
            "database": self.database,
            "schema": list(self.schema),
            "head": str(self.head),
            "epoch": self.epoch,
            "outside": list(self.outside),
            "members": {name: {"size": each.size, "sha256": each.sha256} for name, each in self.members.items()},
        }


def write_archive(target: Path, manifest: Manifest, files: Mapping[str, Path]) -> Manifest:
    """Write the archive of these files, by the names of their members, into a new file with mode 0600. Return the
    manifest with its members. Raises OSError."""
    members: dict[str, Member] = {}
    with new_private(target) as out, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
        for name, path in files.items():
            members[name] = _add(archive, name, path)
        whole = Manifest(
            manifest.version, manifest.made_at, manifest.database, manifest.schema, manifest.head, manifest.epoch,
            manifest.outside, members,
        )  # fmt: skip
        archive.writestr(_entry(MANIFEST), json.dumps(whole.as_json(), indent=1))
    return whole


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o600 << 16
    return entry


def _add(archive: zipfile.ZipFile, name: str, path: Path) -> Member:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as source, archive.open(_entry(name), "w", force_zip64=True) as member:
        while piece := source.read(_PIECE):
            digest.update(piece)
            size += len(piece)
            member.write(piece)
    return Member(size, digest.hexdigest())


@contextmanager
def new_private(path: Path) -> Iterator[IO[bytes]]:
    """Yield a new file with mode 0600, whatever the umask; it is on the disk afterwards. Raises OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w+b") as file:
        os.fchmod(file.fileno(), 0o600)
        yield file
        file.flush()
        os.fsync(file.fileno())


class Archive:
    """An opened backup whose manifest was read. Use ``opened``."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path = path
        self._archive = archive
        self.manifest = self._read_manifest()

    def unpack(self, name: str, target: Path) -> None:
        """Write a member to a new file with mode 0600. Raises BadArchive and OSError."""
        expected = self.manifest.members[name]
        with new_private(target) as file:
            self._copy(name, expected, file)

    def check(self, name: str) -> None:
        """Read a member and compare its digest. Raises BadArchive."""
        with open(os.devnull, "wb") as nothing:  # noqa: PTH123
            self._copy(name, self.manifest.members[name], nothing)

    def text(self, name: str) -> bytes:
        """Return a small member. Raises BadArchive."""
        with tempfile.TemporaryFile() as file:
            self._copy(name, self.manifest.members[name], file)
            file.seek(0)
            return file.read()

    def _copy(self, name: str, expected: Member, target: IO[bytes]) -> None:
        digest, left = hashlib.sha256(), expected.size
        try:
            with self._archive.open(name) as source:
                while piece := source.read(_PIECE):
                    left -= len(piece)
                    if left < 0:
                        raise self._bad(f"{name} is larger than its manifest says")
                    digest.update(piece)
                    target.write(piece)
        except (*_DAMAGED, KeyError) as error:
            raise self._bad(f"{name} cannot be read ({error})") from error
        if left or digest.hexdigest() != expected.sha256:
            raise self._bad(f"{name} is not what was backed up (its size or SHA-256 differs)")

    def _read_manifest(self) -> Manifest:
        entries = self._archive.infolist()
        if len(entries) > _MOST_MEMBERS:
            raise self._bad(f"it has more than {_MOST_MEMBERS} members")
        names = [entry.filename for entry in entries]
        if names.count(MANIFEST) != 1 or len(set(names)) != len(names):
            raise self._bad("it is not a backup of bootgrant (no manifest, or a name twice)")
        if self._archive.getinfo(MANIFEST).file_size > _MOST_MANIFEST:
            raise self._bad("its manifest is too large")
        try:
            with self._archive.open(MANIFEST) as file:
                members = json.loads(file.read(_MOST_MANIFEST))
            manifest = _manifest(members)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise self._bad(f"its manifest cannot be read ({type(error).__name__})") from error
        except _DAMAGED as error:
            raise self._bad(f"its manifest cannot be read ({error})") from error
        if members["format"] != FORMAT:
            raise self._bad(f"it was written by a newer bootgrant ({manifest.version}): install that version")
        if {*manifest.members, MANIFEST} != set(names):
            raise self._bad("its members are not those of its manifest")
        for name in manifest.members:
            if not _is_plain(name):
                raise self._bad(f"it has a member that no backup has: {ascii(name)[:80]}")
        return manifest

    def _bad(self, problem: str) -> BadArchive:
        return BadArchive(f"{self._path} cannot be restored: {problem}. Use another backup")


def _is_plain(name: str) -> bool:
    """Return whether a member's name is one that a backup has: no absolute path, no way out of its folder."""
    if name in (DATABASE_MEMBER, SETTINGS_MEMBER, KEY_MEMBER):
        return True
    folder, *parts = name.split("/")
    if folder == FOLDERS[0] and parts[:1] and parts[0] in NEVER:
        return False
    return (
        folder in FOLDERS and bool(parts) and all(_PART.fullmatch(each) and each not in (".", "..") for each in parts)
    )


def _manifest(members: Any) -> Manifest:
    if members["program"] != "bootgrant":
        raise ValueError("another program's")
    seq, _, digest = str(members["head"]).partition(":")
    listed = {
        str(name): Member(int(each["size"]), str(each["sha256"])) for name, each in dict(members["members"]).items()
    }
    if any(each.size < 0 for each in listed.values()):
        raise ValueError("a negative size")
    made_at = float(members["made_at"])
    if not 0 <= made_at < _LATEST:
        raise ValueError("no time")
    return Manifest(
        str(members["version"])[:64],
        made_at,
        str(members["database"]),
        tuple(map(str, members["schema"])),
        Head(int(seq), digest),
        int(members["epoch"]),
        tuple(map(str, members["outside"])),
        listed,
    )


@contextmanager
def opened(path: Path, identities: Sequence[Any] = ()) -> Iterator[Archive]:
    """Open a backup; ``identities`` decrypt it if it is encrypted. Raises BadArchive and OSError."""
    with path.open("rb") as file:
        start = file.read(64)
        file.seek(0)
        if start.startswith(_AGE):
            with tempfile.TemporaryFile() as clear:
                _decrypt(path, file, clear, identities)
                clear.seek(0)
                yield _archive(path, clear)
        elif start.startswith(_ZIP):
            yield _archive(path, file)
        else:
            raise BadArchive(f"{path} is not a backup of bootgrant: name a file that `bootgrant backup` wrote")


def _archive(path: Path, file: IO[bytes]) -> Archive:
    try:
        return Archive(path, zipfile.ZipFile(file))
    except (*_DAMAGED, ValueError) as error:
        raise BadArchive(f"{path} is damaged or cut off ({error}): use another backup") from error


def encrypt(source: Path, target: Path, recipients: Sequence[Any]) -> None:
    """Write an age file of ``source`` for public keys into a new file. Raises OSError."""
    import pyrage

    with source.open("rb") as clear, new_private(target) as sealed:
        pyrage.encrypt_io(clear, sealed, recipients)


def _decrypt(path: Path, sealed: IO[bytes], clear: IO[bytes], identities: Sequence[Any]) -> None:
    import pyrage

    if not identities:
        raise BadArchive(f"{path} is encrypted: give the private key with --identity FILE")
    try:
        pyrage.decrypt_io(sealed, clear, identities)
    except pyrage.DecryptError as error:
        raise BadArchive(f"{path} cannot be decrypted with this identity ({error}): give the right one") from error


def free_bytes(folder: Path) -> int:
    """Return how much can be written into the file system of a folder. Raises OSError."""
    return shutil.disk_usage(folder).free
