"""The git repository that a site pushes its machine configurations to, and commits that a person signs."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from support.layered_site import BASE, write_machines
from support.parts import program


@dataclass(frozen=True)
class Upstream:
    """The repository that a site pushes to, with a machines folder."""

    folder: Path

    def git(self, *words: str) -> str:
        who = ("-c", "user.name=t", "-c", "user.email=ana@example", "-c", "init.defaultBranch=main")
        command = [str(program("git", "git")), *who, "-C", str(self.folder), *words]
        environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, *words: str) -> str:
        self.git("add", "-A")
        self.git(*words, "commit", "-q", "--allow-empty", "-m", "x")
        return self.git("rev-parse", "HEAD")

    def change(self, old: str, new: str) -> None:
        base = self.folder / "site/all/00-base.yaml"
        base.write_text(base.read_text().replace(old, new))


def new_upstream(place: Path) -> Upstream:
    """A repository with the machines folder ``site`` and one commit that nobody signed."""
    write_machines(place / "upstream/site")
    made = Upstream(place / "upstream")
    made.git("init", "-q")
    made.commit()
    return made


@dataclass(frozen=True)
class Signed:
    """An upstream whose commits ana signs, and the file of her public key."""

    upstream: Upstream
    place: Path

    @property
    def signers(self) -> Path:
        return self.place / "signers"

    def commit(self, cluster: str) -> str:
        base = self.upstream.folder / "site/all/00-base.yaml"
        base.write_text(BASE.replace("demo", cluster))
        words = ("-c", "gpg.format=ssh", "-c", f"user.signingkey={self.place / 'ana'}", "-c", "commit.gpgsign=true")
        return self.upstream.commit(*words)


def signed_upstream(upstream: Upstream, place: Path) -> Signed:
    keygen = program("ssh-keygen", "openssh-client")
    subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", place / "ana"], check=True)
    (place / "signers").write_text(f"ana@example {(place / 'ana.pub').read_text()}")
    return Signed(upstream, place)
