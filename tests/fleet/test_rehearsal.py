"""Small rehearsals on the real server, and requests to servers that misbehave."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from bootgrant.cli.rehearsal_sites import Approver, entries
from bootgrant.fleet.behaviour import Paths
from bootgrant.fleet.exchange import Address, ExchangeFailed, exchange
from bootgrant.fleet.observations import Step
from bootgrant.fleet.rehearsal import Approve, Rehearsal, Rehearsed, Site, ToApprove, holds_identity
from bootgrant.fleet.scenario import Curve, Decisions, Kind, Run, Scenario
from support.site import Served, served

RUN = Run("0a1b2c3d")


def rehearse(site: Served, machines: int, kind: Kind, approve: Approve, limit: float = 20.0) -> Rehearsed:
    host = site.url.removeprefix("http://")
    paths = Paths(host, "/device/code?uuid=${uuid}", "/token", "/config?uuid=${uuid}", "talos")
    address = Address("127.0.0.1", int(host.rpartition(":")[2]))
    scenario = Scenario(machines, 0.2, Curve.EVEN, Decisions(0.1, 0), kind, limit)
    sources = [f"127.64.0.{index + 1}" for index in range(machines)]
    rehearsal = Rehearsal(Site(address, paths, sources), scenario, RUN, holds_identity, approve)
    with entries(site.machines, RUN, machines):
        return asyncio.run(rehearsal.go())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("rehearsal"), machine=None) as site:
        yield site


def approver(site: Served) -> Approver:
    return Approver(site.folder / "data" / "admin.sock", RUN)


@pytest.mark.parametrize("kind", list(Kind))
def test_every_machine_gets_its_own_configuration(site: Served, kind: Kind) -> None:
    seen = rehearse(site, 12, kind, approver(site)).observations
    assert not seen.problems
    assert all(one.approved_at <= one.token_at <= one.config_at for one in seen.journeys)
    assert seen.requests[Step.CONFIG].outcomes == {"configuration": 12}


def test_the_configuration_of_another_machine_is_a_problem() -> None:
    mine, other = RUN.identity(1), RUN.identity(2)
    assert holds_identity(mine, f"# {mine.uuid}".encode()) == ""
    assert holds_identity(mine, f"# {other.uuid}".encode()) == "the configuration of another machine"


def test_a_rehearsal_removes_its_files_from_the_machines_folder(site: Served) -> None:
    with entries(site.machines, RUN, 3):
        assert len(list(site.machines.glob("b0075eed-*.yaml"))) == 3
    assert not list(site.machines.glob("b0075eed-*.yaml"))


def test_a_code_of_another_machine_is_not_approved(site: Served) -> None:
    """The approver gets the code of a machine from another run."""
    refused: dict[str, str] = {}

    async def mistaken(machines: Sequence[ToApprove]) -> Mapping[str, str]:
        other = Approver(site.folder / "data" / "admin.sock", Run("ffffffff"))
        refused.update(await other(machines))
        return {}

    seen = rehearse(site, 1, Kind.TALOS, mistaken, limit=1.0).observations
    assert list(refused.values()) == ["the request with this code is not part of this rehearsal"]
    assert seen.requests[Step.CONFIG].outcomes == {}


async def status_of(answer: bytes, give_up_after: float = 5.0) -> int:
    """Send a request to a server that sends ``answer``, or nothing if it is empty. Return the status."""
    finished = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        if not answer:
            await reader.read()
        writer.close()
        await writer.wait_closed()
        finished.set()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        address = Address("127.0.0.1", server.sockets[0].getsockname()[1])
        try:
            until = time.monotonic() + give_up_after
            return (await exchange(address, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", until)).status
        finally:
            await finished.wait()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "closed"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\njunk", "not HTTP"),
    ],
)
def test_an_incomplete_or_invalid_answer_is_a_failure(answer: bytes, why: str) -> None:
    with pytest.raises(ExchangeFailed, match=why):
        asyncio.run(status_of(answer))


def test_a_request_to_a_silent_server_ends_at_the_deadline() -> None:
    with pytest.raises(ExchangeFailed) as failed:
        asyncio.run(status_of(b"", give_up_after=0.1))
    assert failed.value.timed_out


def test_an_address_without_a_server_is_a_failure(tmp_path: Path) -> None:
    for address in (Address("127.0.0.1", 1), Address(str(tmp_path / "admin.sock"), 0)):
        with pytest.raises(ExchangeFailed):
            asyncio.run(exchange(address, b"GET / HTTP/1.1\r\n\r\n", float("inf")))
