"""The server of a rehearsal, its approvals, and the configurations of its machines."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from bootgrant.cli.client.asking import user_header
from bootgrant.fleet.exchange import Address, Answer, ExchangeFailed, exchange
from bootgrant.fleet.rehearsal import ToApprove
from bootgrant.fleet.scenario import Run

_START_LIMIT: Final = 30.0
_AT_ONCE: Final = 32
"""Requests in parallel."""
_TOGETHER: Final = 2000
"""Codes in one approval (the maximum of the API)."""
_SINGLY: Final = "not_in_batch"
_TIME_LIMIT: Final = 60.0
_LOOPBACK_SOURCES: Final = "127.64.0.0/10"


class NoRehearsal(Exception):
    """Why the rehearsal cannot run, in one line."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server to rehearse on, and its admin socket if approvals can be made from here."""

    url: str
    address: Address
    admin: Path | None = None

    @property
    def host(self) -> str:
        """The value of the Host header."""
        return urlsplit(self.url).netloc

    @property
    def loopback(self) -> bool:
        """Whether the server is on this computer."""
        return ipaddress.ip_address(self.address.host).is_loopback


def find_target(url: str, admin: Path | None = None) -> Target:
    """Resolve the server at ``url``, once. Raises NoRehearsal."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise NoRehearsal(f"{url!r} is not the URL of a server: write http://host:port or https://host")
    try:
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        raise NoRehearsal(f"cannot find the server of {url}: {error}") from error
    context = None
    if parts.scheme == "https":
        from bootgrant.acquire.http.tls import client_context

        context = client_context(None)
    return Target(
        f"{parts.scheme}://{parts.netloc}", Address(str(found[0][4][0]), port, parts.hostname, context), admin
    )


def check_aim(target: Target, machines: int, *, entries: Path | None, sure: bool) -> None:
    """Refuse to fill the queue of a real site by mistake. Raises NoRehearsal."""
    if sure or target.loopback:
        return
    files = f", and {machines} files in {entries} while it runs" if entries else ""
    raise NoRehearsal(
        f"this would put {machines} simulated machines in the queue of {target.url}{files}; "
        "pass --yes to confirm, or omit --config and --url to rehearse on a temporary server"
    )


def sources_of(network: str | None, target: Target, machines: int) -> list[str]:
    """Choose source addresses for the machines, so that a server can distinguish them. Raises NoRehearsal."""
    if network is None:
        if not target.loopback or ":" in target.address.host:
            return []
        network = _LOOPBACK_SOURCES
    try:
        addresses = ipaddress.ip_network(network)
    except ValueError as error:
        raise NoRehearsal(f"--from {network}: {error}") from error
    count = max(1, min(machines, addresses.num_addresses - 2))
    return [str(addresses[index + 1 if addresses.num_addresses > 2 else index]) for index in range(count)]


@contextlib.contextmanager
def own_server(machines: int) -> Iterator[tuple[Target, Path]]:
    """Start a temporary server on loopback. Yield it and its folder of configurations.

    Raises NoRehearsal and what ``init_site`` raises.
    """
    from bootgrant.service.commands.init_site import init_site

    with tempfile.TemporaryDirectory(prefix="bootgrant-rehearsal-") as place:
        folder, port = Path(place), free_port()
        url = f"http://127.0.0.1:{port}"
        made = init_site(folder, url, f"127.0.0.1:{port}", "rehearsal")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BOOTGRANT_")}
        environment["BOOTGRANT_LIMITS_PENDING"] = str(max(100_000, 2 * machines))
        with running_server(made.config, port, environment):
            yield find_target(url, folder / "data" / "admin.sock"), folder / "machines"


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing uses."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextlib.contextmanager
def running_server(config: Path, port: int, environment: Mapping[str, str] | None = None) -> Iterator[None]:
    """Run `bootgrant serve` on a port of 127.0.0.1 until the block ends. Raises NoRehearsal if it does not start."""
    log = config.with_name("serve.log")
    with log.open("wb") as sink:
        words = (sys.executable, "-m", "bootgrant", "serve", "--config", str(config))
        server = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=sink, env=environment)
    with ended(server):
        until = time.monotonic() + _START_LIMIT
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if time.monotonic() > until or server.poll() is not None:
                raise NoRehearsal(f"the server did not start. Its output:\n{log.read_text(errors='replace')}")
            time.sleep(0.02)
        yield


@contextlib.contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """End the process after the block."""
    try:
        yield
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)
        process.kill()
        process.wait()


@contextlib.contextmanager
def entries(folder: Path, run: Run, machines: int) -> Iterator[None]:
    """Provide a configuration for each machine of the run during the block. Raises NoRehearsal."""
    paths = [folder / f"{run.identity(index).uuid}.yaml" for index in range(machines)]
    try:
        try:
            for index, path in enumerate(paths):
                path.write_text(_config(run, index), "utf-8")
        except OSError as error:
            raise NoRehearsal(
                f"{folder} cannot be written ({error.strerror}): run this as the server's user"
            ) from error
        yield
    finally:
        for path in paths:
            path.unlink(missing_ok=True)


def _config(run: Run, index: int) -> str:
    identity = run.identity(index)
    return (
        f"# For a rehearsal, not for a real machine: {identity.uuid}\nversion: v1alpha1\nmachine:\n  type: worker\n"
        f"  ca: {{crt: YQ==}}\n  network:\n    hostname: {identity.serial.lower()}\n"
        "cluster:\n  clusterName: rehearsal\n"
    )


class Approver:
    """Approves over ``admin.sock``, as ``bootgrant approve`` does.

    With ``verify`` it checks each request first and approves only machines of its own run.
    """

    def __init__(self, admin: Path, run: Run, *, verify: bool = True) -> None:
        self._admin = Address(str(admin), 0)
        self._run = run
        self._verify = verify
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in user_header(", rehearsal").items())

    async def __call__(self, machines: Sequence[ToApprove]) -> Mapping[str, str]:
        """Approve all of them. Return the reasons for those that were not, by user code."""
        room = asyncio.Semaphore(_AT_ONCE)
        refused: dict[str, str] = {}

        async def look(machine: ToApprove) -> None:
            async with room:
                if why := await self._why_not_ours(machine):
                    refused[machine.user_code] = why

        if self._verify:
            await asyncio.gather(*(look(machine) for machine in machines))
        codes = [machine.user_code for machine in machines if machine.user_code not in refused]
        for start in range(0, len(codes), _TOGETHER):
            refused.update(await self._approve(codes[start : start + _TOGETHER]))
        return refused

    async def _approve(self, codes: Sequence[str]) -> Mapping[str, str]:
        """Approve them together, and those that no batch may have one by one."""
        answer = await self._try("approve", {"codes": codes})
        if isinstance(answer, str):
            return dict.fromkeys(codes, answer)
        refused = {code: str(refusal.get("message")) for code, refusal in answer["refused"].items()}
        room = asyncio.Semaphore(_AT_ONCE)

        async def singly(code: str) -> None:
            async with room:
                outcome = await self._try("approve", {"code": code})
            refused.pop(code)
            if isinstance(outcome, str):
                refused[code] = outcome

        await asyncio.gather(*(singly(code) for code, why in answer["refused"].items() if why.get("error") == _SINGLY))
        return refused

    async def _try(self, path: str, members: Mapping[str, object]) -> dict[str, Any] | str:
        try:
            return await self._ask("POST", path, members)
        except ExchangeFailed as failure:
            return f"admin.sock: {failure}"

    async def _why_not_ours(self, machine: ToApprove) -> str:
        try:
            grant = await self._ask("GET", f"grants/{machine.user_code}")
        except ExchangeFailed as failure:
            return f"admin.sock: {failure}"
        if isinstance(grant, str):
            return grant
        uuid = grant.get("identity", {}).get("uuid", "")
        if uuid != machine.uuid or not self._run.has(uuid):
            return "the request with this code is not part of this rehearsal"
        return ""

    async def _ask(self, method: str, path: str, members: Mapping[str, object] | None = None) -> dict[str, Any] | str:
        body = json.dumps(members) if members is not None else ""
        head = f"{method} /api/v1/{path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n{self._headers}"
        typed = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
        answer = await exchange(self._admin, f"{head}{typed}\r\n{body}".encode(), time.monotonic() + _TIME_LIMIT)
        return _read(answer)


def _read(answer: Answer) -> dict[str, Any] | str:
    try:
        members = json.loads(answer.body)
    except ValueError:
        return f"admin.sock is not a bootgrant server (status {answer.status})"
    if answer.status == 200 and isinstance(members, dict):
        return members
    return str(members.get("message", f"refused with status {answer.status}"))
