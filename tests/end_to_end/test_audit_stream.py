"""Audit sinks of a running server: nothing is lost when it is killed, and no receiver delays a machine."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from bootgrant.approval.audit import ChainCheck
from support.answering_server import AnsweringServer, Asked, http
from support.certificates import Authority
from support.grants import UUID
from support.machine import DEVICE_GRANT, TALOS
from support.postgres_cluster import Cluster
from support.replicas import two_servers
from support.site import CONFIG, Served, served, wait_until
from support.syslog_receiver import HEADER, SyslogReceiver


class Collector:
    """What an HTTP server got: the records of the requests that it answered, and of those that it did not."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.before_answer = threading.Event()
        self.kill = False

    def answer(self, asked: Asked) -> bytes:
        self.lines += asked.body.decode("ascii").splitlines()
        self.before_answer.set()
        while self.kill:
            time.sleep(0.001)
        return http(204)

    @property
    def numbers(self) -> list[int]:
        return [json.loads(line)["seq"] for line in self.lines]

    def verified(self) -> int:
        """Check the chain, in which records may be repeated; return the number of its last record."""
        check = ChainCheck()
        for line in self.lines:
            check.take_exported(line)
        assert check.finish() is None, check.broken
        return check.head.seq


def http_sink(url: str, name: str = "http") -> str:
    return f'\n[[audit.sinks]]\nkind = "http"\nname = "{name}"\nurl = "{url}/in"\n'


def ask(url: str, serial: str) -> None:
    form = {"client_id": "talos", "serial": serial}
    assert httpx2.post(f"{url}/device/code", data=form, timeout=60).status_code == 200


def head(site: Served) -> int:
    return int(site.command("audit", "head").stdout.partition(":")[0])


def test_no_record_is_lost_when_the_server_is_killed_before_it_knows_that_they_arrived(tmp_path: Path) -> None:
    collector = Collector()
    with (
        AnsweringServer(collector.answer) as server,
        served(tmp_path, more=http_sink(server.url)) as site,
    ):
        for number in range(2):
            collector.before_answer.clear()
            collector.kill = True
            ask(site.url, f"A{number}")
            assert collector.before_answer.wait(30)
            # The records are there, and the cursor has not moved.
            site.kill_server()
            collector.kill = False
            ask(site.url, f"B{number}")
        wait_until(lambda: any('"B1"' in line for line in collector.lines), "the last request arrives")
        end = head(site)
        wait_until(lambda: collector.numbers[-1:] == [end], "the last record arrives")
        assert collector.verified() == end
        assert len(collector.lines) > end
        status = json.loads(site.command("status", "--json").stdout)
        assert {each["name"]: each["ok"] for each in status["sources"]}["audit sink http"] is True
    assert not any(site.made.password.reveal() in line for line in collector.lines)


@pytest.fixture
def tarpit() -> Iterator[int]:
    """A port that accepts connections and never reads or answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        # The kernel accepts them.
        yield listener.getsockname()[1]


def test_sinks_that_hang_or_refuse_delay_no_machine(tmp_path: Path, tarpit: int) -> None:
    (tmp_path / "site-logs").mkdir()
    sinks = http_sink(f"http://127.0.0.1:{tarpit}", "hangs") + (
        f'[[audit.sinks]]\nkind = "syslog"\nname = "hangs-too"\naddress = "127.0.0.1:{tarpit}"\nsecurity = "none"\n'
        f'[[audit.sinks]]\nkind = "http"\nname = "refuses"\nurl = "http://127.0.0.1:9/"\n'
        f'[[audit.sinks]]\nkind = "file"\nname = "well"\npath = "{tmp_path}/site-logs/audit.jsonl"\n'
    )
    with served(tmp_path, more=sinks) as site, ThreadPoolExecutor() as pool:
        codes = httpx2.post(f"{site.url}/device/code", data=TALOS).json()
        wait_until(lambda: "audit sink refuses" in site.command("status").stdout, "a failure is reported")
        form = {**TALOS, "grant_type": DEVICE_GRANT, "device_code": codes["device_code"]}
        held = pool.submit(httpx2.post, f"{site.url}/token", data=form, timeout=60)
        assert site.command("approve", codes["user_code"]).returncode == 0
        # The poll is held for 25 s at most: it was answered by the decision, not by its end.
        token = held.result(20).json()["access_token"]
        assert httpx2.get(f"{site.url}/config?uuid={UUID}", headers={"Authorization": f"Bearer {token}"}).text == CONFIG
        metrics = httpx2.get(f"{site.url}/metrics").text
        assert 'bootgrant_audit_sink_failures_total{sink="refuses"}' in metrics
        lacks = next(
            line for line in metrics.splitlines() if line.startswith('bootgrant_audit_sink_lag_records{sink="h')
        )
        assert float(lacks.rpartition(" ")[2]) > 0
        assert httpx2.get(f"{site.url}/readyz").status_code == 200
        # A delivery is recorded once the machine has all of it.
        wait_until(lambda: "delivered" in site.command("audit", "--kind", "delivered").stdout, "it is recorded")
        end = head(site)
        file = tmp_path / "site-logs/audit.jsonl"
        wait_until(lambda: f'"seq":{end}' in file.read_text(), "the file has the last record")
        verified = site.command("audit", "verify", str(file), "--head", site.command("audit", "head").stdout.strip())
        assert verified.returncode == 0, verified.stderr
        sealed = site.command("audit", "seal", "--before", "2099-01-01", "--out", str(tmp_path / "old.jsonl"))
        assert "every audit sink has the records up to 0, and only these are sealed" in sealed.stderr


def test_a_syslog_server_gets_the_audit_over_tls(tmp_path: Path) -> None:
    (tmp_path / "ca").mkdir()
    authority = Authority(tmp_path / "ca")
    with SyslogReceiver(authority.server("IP:127.0.0.1")) as receiver:
        sink = f'\n[[audit.sinks]]\nkind = "syslog"\naddress = "127.0.0.1:{receiver.port}"\n'
        with served(tmp_path, more=f'{sink}ca_file = "{authority.certificate}"\n') as site:
            ask(site.url, "SN1")
            wait_until(lambda: '"SN1"' in "".join(receiver.messages), "the request arrives")
    check = ChainCheck()
    for message in receiver.messages:
        found = HEADER.fullmatch(message)
        assert found
        check.take_exported(found["text"])
    assert check.finish() is None


def test_two_servers_take_turns(tmp_path: Path, postgres: Cluster) -> None:
    collector = Collector()
    with (
        AnsweringServer(collector.answer) as server,
        two_servers(tmp_path, postgres, more=http_sink(server.url)) as (first, second),
    ):
        for number in range(5):
            ask(first.url, f"A{number}")
            ask(second.url, f"B{number}")
        names = [f'"{letter}{number}"' for letter in "AB" for number in range(5)]
        wait_until(lambda: all(name in "".join(collector.lines) for name in names), "every request arrives")
        assert collector.numbers == list(range(1, len(collector.lines) + 1))
        # One of them has the turn, and gives it back when it stops.
        first.stop()
        ask(second.url, "C1")
        wait_until(lambda: '"C1"' in collector.lines[-1], "the other one continues")
        second.stop()
        first.start()
        ask(first.url, "C2")
        wait_until(lambda: '"C2"' in collector.lines[-1], "the other one continues")
        assert collector.verified() > len(names)
        assert collector.numbers == sorted(set(collector.numbers))
