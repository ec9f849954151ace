"""Machine configurations in a git repository: the ``git`` program fetches, and files are read from its objects.

Nothing is checked out. The commit that was taken over last is kept (``refs/bootgrant/good``), so that a restart with a
broken branch, or without the network, serves it on.
"""

from __future__ import annotations

import contextlib
import posixpath
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bootgrant.machines.site.findings import SiteBroken, error
from bootgrant.sources.programs import ProgramFailed, run_program
from bootgrant.sources.tree import Tree
from bootgrant.wire.limits import CONFIG

_FETCHED: Final = "refs/bootgrant/fetched"
_GOOD: Final = "refs/bootgrant/good"
_SECONDS: Final = 60.0
_IN_ALL: Final = 256 << 20
_LINKS: Final = 8
_SETTINGS: Final = ("-c", "core.hooksPath=/dev/null", "-c", "protocol.ext.allow=never", "-c", "gc.auto=0")
_ENVIRONMENT: Final = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C",
    "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
}


class Repository:
    """A git directory on this computer."""

    def __init__(self, git_dir: Path) -> None:
        self._git_dir = git_dir

    def run(self, *words: str, given: bytes = b"", most: int = CONFIG) -> bytes:
        """What git prints. Raises ProgramFailed."""
        program = shutil.which("git")
        if program is None:
            raise ProgramFailed("git is not installed: install it on this host")
        command = [program, *_SETTINGS, f"--git-dir={self._git_dir}", *words]
        return run_program(command, seconds=_SECONDS, given=given, environment=_ENVIRONMENT, most=most)

    def commit(self, revision: str) -> str:
        """The whole id of a commit; empty when there is none. Raises ProgramFailed for other troubles."""
        try:
            return (
                self.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
                .decode()
                .strip()
            )
        except ProgramFailed:
            return ""

    def tree(self, commit: str, folder: str) -> Tree:
        """Every file of a commit below ``folder``. Raises SiteBroken."""
        try:
            listed = list(self._listed(commit, folder))
            contents = self._contents([found.object_id for found in listed])
        except ProgramFailed as failed:
            if "Not a valid object name" in str(failed) and self.commit(commit):
                failed = ProgramFailed(f"there is no folder {folder} in the commit {commit[:12]}: correct git.folder")
            raise SiteBroken([error("git", str(failed))]) from None
        files = {found.path: content for found, content in zip(listed, contents, strict=True)}
        links = {found.path for found in listed if found.is_link}
        return Tree({path: _followed(path, files, links) for path in files}, commit)

    def _listed(self, commit: str, folder: str) -> Iterator[_Listed]:
        printed = self.run("ls-tree", "-r", "-z", "-l", "--full-tree", f"{commit}:{folder}", most=_IN_ALL)
        size = 0
        for row in printed.split(b"\0"):
            if not row:
                continue
            told, _, raw = row.partition(b"\t")
            mode, kind, object_id, length = told.decode("ascii").split()
            path = raw.decode("utf-8", "replace")
            if kind != "blob" or any(step.startswith(".") for step in path.split("/")):
                continue
            size += int(length)
            if int(length) > CONFIG or size > _IN_ALL:
                raise SiteBroken([error("too-large", f"larger than {CONFIG >> 20} MiB", path)])
            yield _Listed(path, object_id, mode == "120000")

    def _contents(self, object_ids: list[str]) -> Iterator[bytes]:
        given = "".join(f"{object_id}\n" for object_id in object_ids).encode()
        printed = self.run("cat-file", "--batch", given=given, most=_IN_ALL + 200 * len(object_ids))
        at = 0
        for _ in object_ids:
            end = printed.index(b"\n", at)
            length = int(printed[at:end].split()[2])
            yield printed[end + 1 : end + 1 + length]
            at = end + length + 2


@dataclass(frozen=True, slots=True)
class _Listed:
    path: str
    object_id: str
    is_link: bool


def _followed(path: str, files: Mapping[str, bytes], links: set[str]) -> bytes:
    """The content behind a link, which has to be a file of the same tree."""
    at = path
    for _ in range(_LINKS):
        if at not in links:
            return files[at]
        target = files[at].decode("utf-8", "replace")
        at = posixpath.normpath(posixpath.join(posixpath.dirname(at), target))
        if at not in files:
            break
    raise SiteBroken(
        [error("unreadable", "this link leads to no file of the machines folder: put the file there", path)]
    )


class GitOrigin:
    """A branch of a repository. ``interval`` is in seconds; ``look_now`` makes the next look fetch at once."""

    def __init__(
        self, url: str, branch: str, folder: str, place: Path, interval: float, signers: Path | None = None
    ) -> None:
        self._url = url
        self._branch = branch
        self._folder = folder
        self._place = place
        self._interval = interval
        self._signers = signers
        self._repository = Repository(place)
        self._next = float("-inf")
        self._fetched = ""
        self._tried = ""
        self._failure: SiteBroken | None = None

    def look_now(self) -> None:
        self._next = float("-inf")

    def is_layered(self) -> bool:
        return True

    def changed(self) -> bool:
        """Fetch when it is time to; whether there is a commit that was not tried yet. Raises SiteBroken."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self._interval
            self._fetch()
        if self._failure is not None:
            raise self._failure
        return self._fetched != self._tried

    def tree(self) -> Tree:
        """The newest commit, if it may be served. Raises SiteBroken."""
        if self._next == float("-inf"):
            self.changed()
        commit = self._tried = self._fetched
        self._verify(commit)
        return self._repository.tree(commit, self._folder)

    def tree_at(self, revision: str) -> Tree:
        """The tree of a commit; ``HEAD`` and the branch's name are the newest that was fetched. Raises SiteBroken."""
        name = re.match(r"[^~^@:]*", revision)
        is_newest = name is not None and name[0] in ("HEAD", self._branch, f"origin/{self._branch}")
        commit = self._repository.commit(_FETCHED + revision[name.end() :] if name and is_newest else revision)
        if not commit:
            raise SiteBroken([error("git", f"there is no commit {revision} in the branch {self._branch}")])
        return self._repository.tree(commit, self._folder)

    def taken(self, revision: str) -> None:
        """Remember a commit that is served now."""
        try:
            self._repository.run("update-ref", _GOOD, revision)
        except ProgramFailed as failed:
            raise SiteBroken([error("git", str(failed))]) from None

    def last_good(self) -> Tree | None:
        """What was served before the last restart. Raises SiteBroken."""
        commit = self._repository.commit(_GOOD) if self._place.is_dir() else ""
        return self._repository.tree(commit, self._folder) if commit else None

    def _fetch(self) -> None:
        try:
            if not (self._place / "HEAD").exists():
                self._repository.run("init", "--quiet", "--bare", str(self._place))
            self._forget_locks()
            wanted = f"+refs/heads/{self._branch}:{_FETCHED}"
            self._repository.run("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", self._url, wanted)
        except ProgramFailed as failed:
            told = f"the branch {self._branch} of {_without_password(self._url)} cannot be fetched: {failed}"
            self._failure = SiteBroken([error("git-fetch", told)])
        else:
            self._failure = None
            self._fetched = self._repository.commit(_FETCHED)

    def _forget_locks(self) -> None:
        """Remove the locks of a git that was killed: none of ours may run longer than _SECONDS."""
        for lock in self._place.rglob("*.lock"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - lock.stat().st_mtime > _SECONDS:
                    lock.unlink()

    def _verify(self, commit: str) -> None:
        if self._signers is None:
            return
        # Only SSH signatures of this file count: what other keys this host trusts does not matter here.
        trusted = (
            "-c",
            f"gpg.ssh.allowedSignersFile={self._signers}",
            "-c",
            "gpg.program=false",
            "-c",
            "gpg.x509.program=false",
        )
        try:
            self._repository.run(*trusted, "verify-commit", commit)
        except ProgramFailed:
            told = f"the commit {commit[:12]} is not signed by a key of git.signers_file: it is not served"
            raise SiteBroken([error("unsigned", told)]) from None


def repository_around(folder: Path) -> tuple[Repository, str] | None:
    """The repository whose work tree holds this folder, and the folder's path in it."""
    program = shutil.which("git")
    if program is None:
        return None
    words = [program, "-C", str(folder), "rev-parse", "--absolute-git-dir", "--show-prefix"]
    try:
        git_dir, prefix, *_ = [*run_program(words, seconds=_SECONDS).decode().split("\n"), ""]
    except ProgramFailed:
        return None
    return Repository(Path(git_dir)), prefix.strip("/")


def _without_password(url: str) -> str:
    scheme, found, rest = url.partition("://")
    if not found or "@" not in rest.partition("/")[0]:
        return url
    return f"{scheme}://…@{rest.partition('@')[2]}"
