"""Profiles: the servers that this user has logged in to, each with its API token, in a file that only they can read.

The file is ``$XDG_CONFIG_HOME/bootgrant/profiles.json``. A token in it, or in the keyring, is for one server.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from bootgrant.cli.client import keyring
from bootgrant.cli.output import Refused
from bootgrant.wire.origin import browser_origin, origin_of
from bootgrant.wire.secret import Secret

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+-]{0,63}")
NAME_RULE: Final = 'letters, digits, and ".", "_", "-", ":", "@", "+", at most 64, a letter or digit first'

_VERSION: Final = 1
_MOST_BYTES: Final = 1 << 20
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class Profile:
    """One server and its token. ``token`` is None when the keyring has it.

    ``about`` is what the server said about the token at the login, for the list. ``allows_http`` is whether the person
    allowed plain HTTP.
    """

    name: str
    server: str
    token: Secret | None = None
    allows_http: bool = False
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def in_keyring(self) -> bool:
        return self.token is None

    @property
    def keyring_name(self) -> str:
        """What the keyring knows the token by. It has the server, so that no other one ever gets this token."""
        return f"{self.name} {self.server}"

    def secret(self) -> Secret:
        """Return the token. Raises Refused."""
        return self.token if self.token is not None else keyring.read(self.keyring_name)


@dataclass(frozen=True, slots=True)
class Profiles:
    """All profiles by name. ``default`` is the name of the one that is used when nothing names another; or empty."""

    by_name: Mapping[str, Profile] = field(default_factory=dict)
    default: str = ""

    def named(self, name: str) -> Profile:
        """Return the profile of this name. Raises Refused."""
        if name not in self.by_name:
            others = f"the profiles are {known}" if (known := ", ".join(self.by_name)) else "run `bootgrant login URL`"
            raise Refused("no_profile", f"there is no profile {name!r}; {others}")
        return self.by_name[name]

    def of_server(self, server: str) -> Profile | None:
        """Return the profile for this server; of several, the default one, or None if none of them is."""
        found = [one for one in self.by_name.values() if origin_of(one.server) == origin_of(server)]
        chosen = [one for one in found if one.name == self.default] if len(found) > 1 else found
        return chosen[0] if chosen else None

    def with_profile(self, profile: Profile) -> Profiles:
        """Add or replace one. The first one becomes the default."""
        return Profiles({**self.by_name, profile.name: profile}, self.default or profile.name)

    def without(self, name: str) -> Profiles:
        """Remove one. If it was the default, there is none afterwards, unless a single one is left."""
        left = {key: one for key, one in self.by_name.items() if key != name}
        default = self.default if self.default in left else ""
        return Profiles(left, default or (next(iter(left)) if len(left) == 1 else ""))


def place() -> Path:
    """Return the file of the profiles. Raises Refused."""
    if (path := _place()) is None:
        raise Refused("no_profiles", "this user has no home folder for profiles: set HOME or XDG_CONFIG_HOME")
    return path


def _place() -> Path | None:
    # XDG Base Directory Specification: a relative path is ignored.
    given = os.environ.get("XDG_CONFIG_HOME", "")
    try:
        folder = Path(given) if given.startswith("/") else Path.home() / ".config"
    except RuntimeError:
        # In a container, a user may have neither HOME nor a line in /etc/passwd.
        return None
    return folder / "bootgrant" / "profiles.json"


def check_writable() -> None:
    """Raise Refused if a profile could not be written: better before a person has approved it."""
    path = place()
    with _locked(path):
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise Refused("no_profiles", f"{path.parent} cannot be written")


def server_address(url: str) -> str:
    """Return the address of a server in one form, from scheme, host and port. Raises Refused."""
    try:
        origin = browser_origin(url)
    except ValueError:
        origin = ""
    if not origin.startswith(("http://", "https://")):
        raise Refused("bad_server", f"{url!r} is not the address of a server: write https://boot.example.org")
    if url.rstrip("/").partition("://")[2].count("/") or "?" in url or "#" in url:
        raise Refused("bad_server", f"{url!r} has more than a host: write {origin}")
    return origin


def load() -> Profiles:
    """Read the profiles. Raises Refused for a file that other users can read, or that cannot be used."""
    path = _place()
    if path is None:
        return Profiles()
    try:
        body = _read(path)
    except FileNotFoundError:
        return Profiles()
    except OSError as error:
        raise Refused("no_profiles", f"{path} cannot be read: {error.strerror}") from error
    try:
        return _parse(json.loads(body))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        reason = f"{path} is damaged: remove it, and log in again with `bootgrant login URL`"
        raise Refused("no_profiles", reason) from error


@contextmanager
def changing() -> Iterator[Changes]:
    """Keep other commands from changing the profiles meanwhile, and write what ``Changes.profiles`` is afterwards.

    Raises Refused.
    """
    path = place()
    with _locked(path) as folder:
        changes = Changes(load())
        yield changes
        _write(path, folder, changes.profiles)


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Create and lock the folder of the profiles. Raises Refused, also for an OSError of the body."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise Refused("no_profiles", f"{path.parent} cannot be used: {error.strerror}") from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield folder
    except OSError as error:
        raise Refused("no_profiles", f"{path} cannot be written: {error.strerror}") from error
    finally:
        os.close(folder)


@dataclass(slots=True)
class Changes:
    """The profiles as they are, to be replaced by those that should be."""

    profiles: Profiles


def _read(path: Path) -> bytes:
    """Read a file that only its user can read, in a folder that only they can change. Raises OSError and Refused."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise Refused("no_profiles", f"{path} is not a file: remove it")
        _check_owner(path, found)
        if found.st_mode & _OTHERS:
            reason = f"other users can read {path}, which has API tokens: run `chmod 600 {path}`"
            raise Refused("not_private", f"{reason}, and log out if someone may have read it")
        folder = path.parent.stat()
        _check_owner(path.parent, folder)
        if folder.st_mode & _OTHERS_WRITE:
            raise Refused("not_private", f"other users can change {path.parent}: run `chmod 700 {path.parent}`")
        return file.read(_MOST_BYTES)


def _check_owner(path: Path, found: os.stat_result) -> None:
    if found.st_uid != os.geteuid():
        raise Refused("not_private", f"{path} belongs to another user: run this as that user, or remove it")


def _parse(stored: dict[str, Any]) -> Profiles:
    if stored["version"] != _VERSION:
        raise ValueError(stored["version"])
    profiles = [
        Profile(
            str(name),
            server_address(one["server"]),
            Secret(one["token"]) if "token" in one else None,
            one.get("allows_http") is True,
            dict(one.get("about", {})),
        )
        for name, one in stored["profiles"].items()
    ]
    return Profiles({one.name: one for one in profiles}, str(stored.get("default", "")))


def _write(path: Path, folder: int, profiles: Profiles) -> None:
    """Replace the file at once, so that a process that is killed leaves the old one or the new one."""
    stored = {"version": _VERSION, "default": profiles.default, "profiles": {}}
    stored["profiles"] = {name: _stored(one) for name, one in profiles.by_name.items()}
    new = f".{path.name}.new"
    # Only one process is here at a time: what is left of this name is of one that was killed.
    with suppress(FileNotFoundError):
        os.unlink(new, dir_fd=folder)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(new, flags, 0o600, dir_fd=folder)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(json.dumps(stored, indent=2) + "\n")
        file.flush()
        os.fsync(descriptor)
    os.replace(new, path.name, src_dir_fd=folder, dst_dir_fd=folder)
    os.fsync(folder)


def _stored(profile: Profile) -> dict[str, Any]:
    kept = {"token": profile.token.reveal()} if profile.token is not None else {}
    http = {"allows_http": True} if profile.allows_http else {}
    return {"server": profile.server, **kept, **http, "about": dict(profile.about)}


def in_keyring(profile: Profile) -> Profile:
    """Move the token of a profile to the keyring. Raises Refused."""
    keyring.write(profile.keyring_name, profile.secret())
    return replace(profile, token=None)
