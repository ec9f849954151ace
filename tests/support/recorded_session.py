"""Replays a recorded session of the reference client: the real command, and a provider that answers as recorded."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import struct
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, zero seconds: close() sends RST
_LIMITS = {
    "TALOS_CONFIG_LOAD_TIMEOUT": "--timeout",
    "TALOS_CONFIG_LOAD_ATTEMPT_TIMEOUT": "--attempt-timeout",
    "TALOS_RETRY_UNITS": "--retry-pause",
}


@dataclass(slots=True)
class Seen:
    """One request as received; ``at`` is in seconds on the monotonic clock."""

    at: float
    method: str
    target: str
    headers: list[str]
    body: str


@dataclass(slots=True)
class Played:
    """The output and requests of the command in one session. ``port`` is the provider's."""

    port: int
    started: float
    ended: float = 0.0
    status: int | None = None
    stdout: bytes = b""
    stderr: bytes = b""
    requests: list[Seen] = field(default_factory=list)

    def masked(self, text: str) -> str:
        """``text`` with the ports of this run masked as in the recording."""
        text = text.replace(f"127.0.0.1:{self.port}", "127.0.0.1:{port}")
        return re.sub(r"127\.0\.0\.1:\d+->", "127.0.0.1:{local}->", text)


class _Provider:
    """Answers the n-th request with the n-th recorded answer."""

    def __init__(self, session: dict[str, Any], played: Played) -> None:
        self._session = session
        self._played = played

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._serve(reader, writer)
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        length = next((int(line.split(":")[1]) for line in head if line.lower().startswith("content-length:")), 0)
        body = (await reader.readexactly(length)).decode("latin-1")
        method, target, _ = head[0].split(" ")
        number = len(self._played.requests)
        headers = [self._played.masked(line) for line in head[1:-2]]
        self._played.requests.append(Seen(time.monotonic(), method, target, headers, body))
        exchanges = self._session["exchanges"]
        if number < len(exchanges):
            await self._answer(exchanges[number], reader, writer)

    async def _answer(
        self, exchange: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        answer = exchange["answer"]
        if answer is None:
            await reader.read()
        elif answer == "RESET":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        elif isinstance(answer, dict):
            hold = exchange["answered_at_s"] - exchange["at_s"]
            if hold > 1:
                await asyncio.sleep(hold)
            writer.write(self._written(answer, exchange["target"]))
            await writer.drain()

    def _written(self, answer: dict[str, Any], target: str) -> bytes:
        body: bytes = answer["body"].encode("latin-1")
        if target.startswith("/config") and self._session["stdout_bytes"] > 1_000_000:
            body = body[:1] * self._session["stdout_bytes"]
        lines = [f"HTTP/1.1 {answer['status']} X"]
        lines += [f"{name}: {value}" for name, value in answer["headers"].items()]
        if answer["status"] != 204:
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


@contextlib.asynccontextmanager
async def _listening(session: dict[str, Any]) -> AsyncIterator[Played]:
    played = Played(0, time.monotonic())
    provider = _Provider(session, played)
    if session["cmdline"].startswith("talos.config=https://127.0.0.1:{port}"):
        server = await asyncio.start_server(_never_answer, "127.0.0.1", 0)
    else:
        server = await asyncio.start_server(provider, "127.0.0.1", 0, limit=1 << 20)
    played.port = server.sockets[0].getsockname()[1]
    async with server:
        yield played


async def _never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        await reader.read()
    writer.close()


async def play(session: dict[str, Any], root: Path) -> Played:
    """Run ``bootgrant acquire --compat talos`` against the recording. ``root`` is an empty folder for its machine."""
    async with _listening(session) as played:
        command = _command(session, root, played.port)
        played.started = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=_environment()
        )
        late = asyncio.create_task(_appear_late(session, root))
        stop = asyncio.create_task(_stopped_as_recorded(session, process))
        played.stdout, played.stderr = await process.communicate()
        played.ended = time.monotonic()
        played.status = process.returncode
        stop.cancel()
        await late
    return played


def _environment() -> dict[str, str]:
    proxies = {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}
    kept = {name: value for name, value in os.environ.items() if name.lower() not in proxies}
    return {**kept, "LC_ALL": "C.UTF-8"}


def _command(session: dict[str, Any], root: Path, port: int) -> list[str]:
    command = [sys.executable, "-m", "bootgrant", "acquire", "--compat", "talos", "--root", str(root)]
    command += ["--cmdline", session["cmdline"].replace("{port}", str(port))]
    values = dict(session["values"])
    if "delay" in values:
        command += ["--code-file", str(root / "code")]
    else:
        command += [word for name, value in values.items() for word in ("--set", f"{name}={value}")]
    limits = session["env"] or {}
    return command + [word for name, value in limits.items() for word in (_LIMITS[name], value)]


async def _appear_late(session: dict[str, Any], root: Path) -> None:
    """Write the machine's variables, each after its recorded delay."""
    values = session["values"]
    if "delay" not in values:
        return
    await asyncio.sleep(float(values["delay"].removesuffix("s")))
    files = {
        "sys/class/dmi/id/product_uuid": values["uuid"],
        "sys/class/dmi/id/product_serial": values["serial"],
        "sys/class/net/eth0/type": "1",
        "sys/class/net/eth0/device/vendor": "0x8086",
        "sys/class/net/eth0/address": values["mac"],
        "proc/sys/kernel/hostname": values["hostname"],
        "code": values["code"],
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)


async def _stopped_as_recorded(session: dict[str, Any], process: asyncio.subprocess.Process) -> None:
    if session["stopped_by_harness"]:
        await asyncio.sleep(session["elapsed_s"])
        process.send_signal(signal.SIGKILL)
