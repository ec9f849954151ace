"""A newcomer who copies the commands of a page, in order, in a new folder."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx2

from bootgrant.cli.client.asking import ask_here
from support.pages import COMMANDS, ROOT, Block, blocks
from support.site import Served, clean_environment, free_port, served, wait_until

ENTRIES: Final = """\
entries:
  - name: cp-1
    match: {uuid: 40dcbd19-3b10-444e-bfff-aaee44a51fda}
    labels: {role: control-plane, site: fra}
    layers: [all]
    approvals: 1
  - name: worker-17
    labels: {role: worker, site: fra}
    layers: [all]
  - name: rack4-1
    match: {mac: "52:54:00:aa:*"}
    labels: {role: storage, site: fra}
    layers: [all]
"""
MAKE_THEIR_OWN: Final = frozenset({"README.md", "docs/start.md", "docs/talos.md"})
"""Pages that begin without a site."""
_BASE: Final = "version: v1alpha1\nmachine:\n  type: worker\n  ca: {crt: YQ==}\ncluster: {}\n"
_CODE: Final = re.compile(r"(?<=[ \n])([A-Z]{4}-[A-Z]{4}|CODE)\b")
_LIMIT: Final = 60.0
_MACHINES: Final = itertools.count(1)


@contextlib.contextmanager
def documented_site(folder: Path) -> Iterator[Served]:
    """A running site with the machines that pages name."""
    with served(folder, machine=None, more='\n[networks.names]\nfra-rack4 = "127.0.0.0/8"\n') as site:
        (site.machines / "machines.yaml").write_text(ENTRIES)
        (site.machines / "all").mkdir(exist_ok=True)
        (site.machines / "all" / "01-base.yaml").write_text(_BASE)
        site.command("check")
        yield site


def run_page(page: str, folder: Path, site: Served | None, *, whole: bool = False) -> None:
    """Run the commands of a page in order; those that take long only if the ``whole`` page is run."""
    session = Session(folder, site)
    try:
        for block in blocks(page):
            if block.is_run and block.language in COMMANDS and (whole or not block.is_long):
                session.run(block)
    finally:
        session.close()


@dataclass(slots=True)
class Session:
    """``site`` is a running one that the page takes for granted; without it, the page makes its own."""

    folder: Path
    site: Served | None = None
    port: int = field(default_factory=free_port)
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    codes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("examples", "packaging"):
            (self.folder / name).symlink_to(ROOT / name)
        if self.site:
            (self.folder / "site").symlink_to(self.site.folder)
            self.port = int(self.site.url.rpartition(":")[2])
        program = self.folder / "bin" / "bootgrant"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m bootgrant "$@"\n')
        program.chmod(0o755)

    @property
    def environment(self) -> Mapping[str, str]:
        own = {"HOME": str(self.folder), "PATH": f"{self.folder}/bin:{os.environ['PATH']}", "USER": "newcomer"}
        own |= {"PYTHONPATH": str(ROOT / "src")}
        if self.site:
            own["BOOTGRANT_CONFIG"] = str(self.site.made.config)
        return {**clean_environment(), **own}

    def run(self, block: Block) -> None:
        """Run the commands of a block. Fail with their output if one of them fails."""
        text = self._meant(block.commands)
        if block.more == "in the background":
            self._start(text)
            return
        before, served_by, after = text.partition("bootgrant serve ")
        self._finish(before, block)
        if served_by:
            line, _, after = after.partition("\n")
            self._start(served_by + line)
            wait_until(self._answers, f"{block}: the server answers")
            self._finish(after, block)

    def _finish(self, text: str, block: Block) -> None:
        if not text.strip():
            return
        commands = self._with_codes(text)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=_LIMIT,
        )  # fmt: skip
        assert done.returncode == 0, f"{block} ended with {done.returncode}:\n{commands}\n{done.stdout}\n{done.stderr}"

    def close(self) -> None:
        for process in reversed(self.running):
            process.terminate()
        for process in self.running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
            process.kill()

    def _meant(self, text: str) -> str:
        """The example's addresses replaced."""
        for written, meant in (
            ("boot.example.org:8443", f"localhost:{self.port}"),
            ("0.0.0.0:8443", f"127.0.0.1:{self.port}"),
            ("https://boot.example.org", f"http://127.0.0.1:{self.port}"),
            ("boot.example.org", "localhost"),
            ("127.0.0.1:8080", f"127.0.0.1:{self.port}"),
        ):
            text = text.replace(written, meant)
        return text

    def _with_codes(self, text: str) -> str:
        """Codes replaced with those of machines that are waiting."""
        is_unknown = "bootgrant assign " in text
        return _CODE.sub(lambda found: self._code(found[1], is_unknown=is_unknown), text)

    def _code(self, written: str, *, is_unknown: bool) -> str:
        if written not in self.codes:
            if not self.site:
                wait_until(self._waiting, "a machine of the site is waiting")
            self.codes[written] = self._new_machine(is_unknown=is_unknown) if self.site else self._waiting()[0]
        return self.codes[written]

    def _waiting(self) -> list[str]:
        """The codes of the machines that a page has started and that have a configuration."""
        asked = ask_here(self.folder / "site" / "bootgrant.toml", "GET", "pending")
        return [row["code"] for row in asked["pending"] if not row.get("problem")]

    def _new_machine(self, *, is_unknown: bool) -> str:
        """The code of a machine that an entry matches, or of the one that pages assign an entry to."""
        mac = "52:54:00:00:00:77" if is_unknown else f"52:54:00:aa:00:{next(_MACHINES):02x}"
        form = {"client_id": "talos", "mac": mac}
        url = f"http://127.0.0.1:{self.port}/device/code"
        return str(httpx2.post(url, data=form).raise_for_status().json()["user_code"])

    def _start(self, line: str) -> None:
        with (self.folder / f"background-{len(self.running)}.log").open("wb") as log:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {line.strip()}"], cwd=self.folder, env=self.environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self.running.append(process)

    def _answers(self) -> bool:
        assert self.running[-1].poll() is None, (self.folder / f"background-{len(self.running) - 1}.log").read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False
