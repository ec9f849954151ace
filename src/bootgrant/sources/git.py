"""Machine configurations in a git repository: the ``git`` program fetches, and files are read from its objects.

Nothing is checked out. The last valid commit is kept as ``refs/bootgrant/good``, so that a server that restarts with a
broken branch, or without the network, still serves it. With signers, a commit must descend from the last one that was
served, ``refs/bootgrant/served``: an older commit is signed as well as a new one.
"""

from __future__ import annotations

import contextlib
import posixpath
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bootgrant.machines.site.findings import SiteBroken, error
from bootgrant.ports.origins import Acceptable, Tree
from bootgrant.sources.programs import ProgramFailed, run_program
from bootgrant.wire.limits import CONFIG

_FETCHED: Final = "refs/bootgrant/fetched"
_GOOD: Final = "refs/bootgrant/good"
_SERVED: Final = "refs/bootgrant/served"
_ACCEPTED: Final = "refs/bootgrant/accepted"
_SECONDS: Final = 60.0
_MOST_BYTES: Final = 256 << 20
_MOST_LINKS: Final = 8
_MOST_FILES: Final = 50_000
_COMMIT: Final = re.compile(r"[0-9a-f]{7,64}")
_SETTINGS: Final = ("-c", "core.hooksPath=/dev/null", "-c", "protocol.ext.allow=never", "-c", "gc.auto=0")
_ONLY_SSH: Final = ("-c", "gpg.program=false", "-c", "gpg.x509.program=false")
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
        """Run git and return its output. Raises ProgramFailed."""
        program = shutil.which("git")
        if program is None:
            raise ProgramFailed("git is not installed: install it on this host")
        command = [program, *_SETTINGS, f"--git-dir={self._git_dir}", *words]
        return run_program(command, seconds=_SECONDS, given=given, environment=_ENVIRONMENT, most=most)

    def commit(self, revision: str) -> str:
        """Return the full id of a commit; empty if there is no such commit or git fails."""
        try:
            words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
            return self.run(*words).decode().strip()
        except ProgramFailed:
            return ""

    def tree(self, commit: str, folder: str) -> Tree:
        """Return every file of a commit below ``folder``. Raises SiteBroken."""
        try:
            rows = list(self._rows(commit, folder))
            blobs = list(_blobs(rows))
            contents = self._contents([blob.object_id for blob in blobs])
        except ProgramFailed as failed:
            if "Not a valid object name" in str(failed) and self.commit(commit):
                failed = ProgramFailed(f"the commit {commit[:12]} has no folder {folder}: correct git.folder")
            raise SiteBroken([error("git", str(failed))]) from None
        files = {blob.path: content for blob, content in zip(blobs, contents, strict=True)}
        links = {blob.path for blob in blobs if blob.is_link}
        submodules = tuple(row.path for row in rows if row.kind == "commit")
        return Tree({path: _followed(path, files, links) for path in files}, commit, submodules=submodules)

    def _rows(self, commit: str, folder: str) -> Iterator[_Row]:
        printed = self.run("ls-tree", "-r", "-z", "-l", "--full-tree", f"{commit}:{folder}", most=_MOST_BYTES)
        if printed.count(b"\0") > _MOST_FILES:
            raise SiteBroken([error("too-many", f"more than {_MOST_FILES:,} files: is git.folder right?")])
        for row in filter(None, printed.split(b"\0")):
            columns, _, raw = row.partition(b"\t")
            mode, kind, object_id, length = columns.decode("ascii").split()
            path = raw.decode("utf-8", "replace")
            if not any(step.startswith(".") for step in path.split("/")):
                yield _Row(path, kind, object_id, mode, int(length) if kind == "blob" else 0)

    def _contents(self, object_ids: list[str]) -> Iterator[bytes]:
        given = "".join(f"{object_id}\n" for object_id in object_ids).encode()
        printed = self.run("cat-file", "--batch", given=given, most=_MOST_BYTES + 200 * len(object_ids))
        at = 0
        for _ in object_ids:
            end = printed.index(b"\n", at)
            length = int(printed[at:end].split()[2])
            yield printed[end + 1 : end + 1 + length]
            at = end + length + 2


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of ``git ls-tree``; the kind of a submodule is ``commit``."""

    path: str
    kind: str
    object_id: str
    mode: str
    length: int

    @property
    def is_link(self) -> bool:
        return self.mode == "120000"


def _blobs(rows: Iterable[_Row]) -> Iterator[_Row]:
    """Yield the files of a listing. Raises SiteBroken for more than a machines folder can have."""
    size = 0
    for row in rows:
        if row.kind != "blob":
            continue
        size += row.length
        if row.length > CONFIG:
            raise SiteBroken([error("too-large", f"larger than {CONFIG >> 20} MiB", row.path)])
        if size > _MOST_BYTES:
            raise SiteBroken([error("too-large", f"more than {_MOST_BYTES >> 20} MiB: is git.folder right?")])
        yield row


def _followed(path: str, files: Mapping[str, bytes], links: set[str]) -> bytes:
    """Return the content of a path; a link must point to a file of the same tree."""
    at = path
    for _ in range(_MOST_LINKS):
        if at not in links:
            return files[at]
        target = files[at].decode("utf-8", "replace")
        at = posixpath.normpath(posixpath.join(posixpath.dirname(at), target))
        if at not in files:
            break
    message = "this link points to no file of the machines folder: put the file there"
    raise SiteBroken([error("unreadable", message, path)])


class GitOrigin:
    """ports.origins.Origin on a branch of a repository, which is fetched every ``interval`` seconds."""

    def __init__(
        self, url: str, branch: str, folder: str, git_dir: Path, interval: float, signers: Path | None = None
    ) -> None:
        self._url = url
        self._branch = branch
        self._folder = folder
        self._git_dir = git_dir
        self._interval = interval
        self._signers = signers
        self._repository = Repository(git_dir)
        self._next_fetch = float("-inf")
        self._fetched = ""
        self._tried = ""
        self._failure: SiteBroken | None = None

    def fetch_soon(self) -> None:
        self._next_fetch = float("-inf")

    def is_layered(self) -> bool:
        return True

    def changed(self) -> bool:
        """Fetch if it is time; return whether there is a commit that was not tried yet. Raises SiteBroken."""
        if time.monotonic() >= self._next_fetch:
            self._next_fetch = time.monotonic() + self._interval
            self._fetch()
        if self._failure is not None:
            raise self._failure
        return self._fetched != self._tried

    def tree(self) -> Tree:
        """Return the newest commit if its signature is valid. Raises SiteBroken."""
        if self._next_fetch == float("-inf"):
            self.changed()
        commit = self._tried = self._fetched
        self._verify(commit)
        self._check_descent(commit)
        return self._repository.tree(commit, self._folder)

    def tree_at(self, revision: str) -> Tree:
        """Return a past commit; ``HEAD`` and the branch's name mean the last one fetched. Raises SiteBroken."""
        name = re.match(r"[^~^@:]*", revision)
        is_newest = name is not None and name[0] in ("HEAD", self._branch, f"origin/{self._branch}")
        commit = self._repository.commit(_FETCHED + revision[name.end() :] if name and is_newest else revision)
        if not commit:
            raise SiteBroken([error("git", f"the branch {self._branch} has no commit {revision}")])
        return self._repository.tree(commit, self._folder)

    def served(self, revision: str) -> None:
        served, accepted = self._repository.commit(_SERVED), self._repository.commit(_ACCEPTED)
        # What a restart falls back to may be older than what was served before.
        if served != revision and (accepted == revision or self._signers is None or self._follows(revision, served)):
            self._update("update-ref", _SERVED, revision)
        if accepted == revision:
            self._update("update-ref", "-d", _ACCEPTED)

    def keep(self, revision: str) -> None:
        self._update("update-ref", _GOOD, revision)

    def acceptable(self, commit: str) -> Acceptable:
        found = self._fetched or self._repository.commit(_FETCHED)
        if not _COMMIT.fullmatch(commit) or not found.startswith(commit):
            message = f"only the newest commit of the branch {self._branch} can be accepted, by its id: {found}"
            raise SiteBroken([error("accept", message)])
        return Acceptable(found, self._repository.commit(_SERVED))

    def accept(self, revision: str) -> None:
        self._update("update-ref", _ACCEPTED, revision)
        self._tried = ""

    def last_good(self) -> Tree | None:
        commit = self._repository.commit(_GOOD) if self._git_dir.is_dir() else ""
        return self._repository.tree(commit, self._folder) if commit else None

    def _fetch(self) -> None:
        try:
            if not (self._git_dir / "HEAD").exists():
                self._repository.run("init", "--quiet", "--bare", str(self._git_dir))
            self._remove_stale_locks()
            refspec = f"+refs/heads/{self._branch}:{_FETCHED}"
            self._repository.run("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", self._url, refspec)
        except ProgramFailed as failed:
            shown = _without_password(self._url)
            reason = str(failed).replace(self._url.rstrip("/"), shown.rstrip("/"))
            message = f"the branch {self._branch} of {shown} cannot be fetched: {reason}"
            self._failure = SiteBroken([error("git-fetch", message)])
        else:
            self._failure = None
            self._fetched = self._repository.commit(_FETCHED)

    def _remove_stale_locks(self) -> None:
        """Remove the locks of a git that was killed: our own never runs longer than _SECONDS."""
        for lock in self._git_dir.rglob("*.lock"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - lock.stat().st_mtime > _SECONDS:
                    lock.unlink()

    def _update(self, *words: str) -> None:
        try:
            self._repository.run(*words)
        except ProgramFailed as failed:
            raise SiteBroken([error("git", str(failed))]) from None

    def _check_descent(self, commit: str) -> None:
        """Raise SiteBroken for a commit that does not follow the one served last, unless a person accepted it."""
        served = self._repository.commit(_SERVED) or self._repository.commit(_GOOD)
        if self._signers is None or served in ("", commit) or self._repository.commit(_ACCEPTED) == commit:
            return
        if not self._follows(commit, served):
            message = (
                f"the commit {commit[:12]} does not descend from {served[:12]}, which is served{self._served_since()}: "
                f"push a commit on top of that one, or run `bootgrant machines accept {commit[:12]}` if it is meant"
            )
            raise SiteBroken([error("rollback", message)])

    def _follows(self, commit: str, served: str) -> bool:
        if not served:
            return True
        try:
            self._repository.run("merge-base", "--is-ancestor", served, commit)
        except ProgramFailed:
            return False
        return True

    def _served_since(self) -> str:
        try:
            since = (self._git_dir / _SERVED).stat().st_mtime
        except OSError:
            return ""
        return f" since {datetime.fromtimestamp(since, UTC):%Y-%m-%d %H:%M} UTC"

    def _verify(self, commit: str) -> None:
        """Raise SiteBroken unless the commit has an SSH signature by one of ``signers``. Other keys do not count."""
        if self._signers is None:
            return
        try:
            signers = f"gpg.ssh.allowedSignersFile={self._signers}"
            self._repository.run("-c", signers, *_ONLY_SSH, "verify-commit", commit)
        except ProgramFailed:
            message = f"the commit {commit[:12]} is not signed by a key in git.signers_file: sign it and push again"
            raise SiteBroken([error("unsigned", message)]) from None


def repository_around(folder: Path) -> tuple[Repository, str] | None:
    """Return the repository whose work tree contains a folder, and the folder's path in it."""
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
    """Return a URL without user and password. A password with a raw / or @ ends at the last @."""
    scheme, found, rest = url.partition("://")
    return f"{scheme}://…@{rest.rpartition('@')[2]}" if found and "@" in rest else url
