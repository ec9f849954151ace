"""``bootgrant acquire`` as a process, with a provider that the test controls."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from support.answering_server import AnsweringServer, Asked, http, reply
from support.grants import UUID

CONFIG = b"version: v1alpha1\n"
_NO_PROXIES = {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}


@dataclass(slots=True)
class SmallProvider:
    """A provider and a configuration server in one. A test may replace any field."""

    codes: int = 0
    approved: threading.Event = field(default_factory=threading.Event)
    token: Callable[[Asked], bytes] | None = None
    config: Callable[[Asked], bytes] | None = None
    hold: float = 0.0
    expires_in: int = 600
    user_code: str = "WDJB-MJHT"

    def __call__(self, asked: Asked) -> bytes:
        if asked.target.startswith("/device/code"):
            self.codes += 1
            return reply(200, self._codes())
        if asked.target.startswith("/token"):
            return self.token(asked) if self.token else self._token()
        return self.config(asked) if self.config else http(200, CONFIG)

    def _codes(self) -> dict[str, object]:
        return {
            "device_code": f"device-{self.codes}",
            "user_code": self.user_code,
            "verification_uri": "https://idp.example/device",
            "expires_in": self.expires_in,
            "interval": 1,
        }

    def _token(self) -> bytes:
        if self.approved.wait(self.hold):
            return reply(200, {"access_token": "s3cret-token", "token_type": "bearer"})
        return reply(400, {"error": "authorization_pending"})


def parameters(url: str, *more: str) -> str:
    """A kernel command line for a provider at ``url``."""
    oauth = ("talos.config.oauth.client_id=talos", "talos.config.oauth.extra_variable=uuid")
    return " ".join([f"talos.config={url}/config?uuid=${{uuid}}", *oauth, *more])


@dataclass(slots=True)
class Machine:
    """The running command. ``seen`` waits for a line, ``ended`` for the exit."""

    process: subprocess.Popen[bytes]
    lines: list[str] = field(default_factory=list)
    stdout: bytes = b""
    _news: threading.Condition = field(default_factory=threading.Condition)
    _readers: list[threading.Thread] = field(default_factory=list)

    def follow(self) -> None:
        for read in (self._read_lines, self._read_stdout):
            thread = threading.Thread(target=read, daemon=True)
            thread.start()
            self._readers.append(thread)

    def _read_lines(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._news:
                self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                self._news.notify_all()

    def _read_stdout(self) -> None:
        assert self.process.stdout is not None
        self.stdout = self.process.stdout.read()

    def seen(self, text: str, count: int = 1, seconds: float = 20.0) -> str:
        """Wait for the ``count``-th line with ``text`` and return it."""

        def found() -> list[str]:
            return [line for line in self.lines if text in line]

        with self._news:
            assert self._news.wait_for(lambda: len(found()) >= count, seconds), self.lines
            return found()[count - 1]

    def ended(self, seconds: float = 30.0) -> int:
        """Wait for the exit and read all output; return the exit status."""
        status = self.process.wait(seconds)
        for reader in self._readers:
            reader.join(seconds)
        return status

    @property
    def last_line(self) -> str:
        return self.lines[-1]


@contextlib.contextmanager
def booting_machine(*words: str, **environ: str) -> Iterator[Machine]:
    """Run ``bootgrant acquire`` with ``words`` during the block."""
    kept = {name: value for name, value in os.environ.items() if name.lower() not in _NO_PROXIES}
    process = subprocess.Popen(
        [sys.executable, "-m", "bootgrant", "acquire", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**kept, "LC_ALL": "C.UTF-8", **environ},
    )
    machine = Machine(process)
    machine.follow()
    try:
        yield machine
    finally:
        process.kill()
        machine.ended()
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()


def run_machine(*words: str, **environ: str) -> Machine:
    """Run ``bootgrant acquire`` with ``words`` until it exits."""
    with booting_machine(*words, **environ) as machine:
        machine.ended()
    return machine


def server_for(provider: SmallProvider, port: int = 0) -> AnsweringServer:
    """A server on loopback for the provider; enter it to start it."""
    return AnsweringServer(provider, port=port)


def boot(url: str, *words: str) -> list[str]:
    """The usual arguments: the parameters for ``url`` and this machine's UUID."""
    return ["--cmdline", parameters(url), "--set", f"uuid={UUID}", *words]


def whole_output(path: Path) -> bytes:
    """Wait for the file and return its content."""
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        threading.Event().wait(0.01)
    return path.read_bytes()


def as_json(line: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(line)
    return found
