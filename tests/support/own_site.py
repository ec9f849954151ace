"""A site with an authority of its own, made by `init --tls own`, and commands that must work."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bootgrant.service.commands.init_site import NewSite
from bootgrant.wire.secret import Secret
from support.grants import UUID
from support.site import CONFIG, Served, bootgrant, clean_environment, free_port


def run(*words: str) -> str:
    done = subprocess.run(bootgrant(*words), capture_output=True, text=True, env=clean_environment(), timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def own_site(place: Path, *words: str) -> Iterator[Served]:
    """A site made by the command, with more of its arguments, and its server."""
    port = free_port()
    url, folder = f"https://localhost:{port}", place / "site"
    usual = ("--public-url", url, "--listen", f"127.0.0.1:{port}", "--operator", "ana")
    made = json.loads(run("init", str(folder), "--tls", "own", *usual, *words, "--json"))
    found = Served(
        folder, NewSite(Path(made["config"]), "ana", Secret(made["password"]), made["authority_sha256"]), url=url
    )
    (found.machines / f"{UUID}.yaml").write_text(CONFIG)
    try:
        found.start()
        yield found
    finally:
        if found.process.poll() is None:
            found.kill()
