"""Audit records in a file, at a real syslog server, and at a real HTTP server, and the errors when that fails."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import ssl
import threading
from pathlib import Path

import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind, ChainCheck, Head, chain, exported
from bootgrant.messengers.audit_file import FileSink
from bootgrant.messengers.audit_http import Body, HttpSink
from bootgrant.messengers.audit_syslog import SyslogSink
from bootgrant.messengers.own_thread import OwnThread
from bootgrant.messengers.posting import Address
from bootgrant.messengers.webhook import signature
from bootgrant.ports.audit_sinks import AuditSink, SinkRecord
from bootgrant.ports.notifications import NotSent
from bootgrant.trust import client_context
from bootgrant.wire.secret import Secret
from support.answering_server import AnsweringServer, http
from support.certificates import Authority
from support.grants import NOW
from support.site import free_port
from support.syslog_receiver import HEADER, SyslogReceiver

pytestmark = pytest.mark.anyio


def records(count: int, first: int = 1) -> list[SinkRecord]:
    """Records of a chain, from the number ``first`` on."""
    events = [AuditEvent(NOW, AuditKind.DENIED, "ana", reason=f"no. {number} is ünfit") for number in range(99)]
    made = [
        SinkRecord(each.seq, each.digest, each.event.kind.value, "2027-01-15T08:00:00.000Z", line)
        for each in chain(events, Head())
        for line in [exported(each.line, each.digest)]
    ]
    return made[first - 1 : first - 1 + count]


def assert_true(value: bool) -> None:
    assert value


def numbers(path: Path) -> list[int]:
    return [json.loads(line)["seq"] for line in path.read_text("ascii").splitlines()]


async def failure(sink: AuditSink) -> NotSent:
    with pytest.raises(NotSent) as failed:
        await sink.send(records(1))
    return failed.value


async def test_a_file_is_appended_to_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    umask = os.umask(0)
    try:
        for first in (1, 3):
            await FileSink(path).send(records(2, first))
    finally:
        os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o600
    check = ChainCheck()
    for line in path.read_text().splitlines():
        check.take_exported(line)
    assert (check.finish(), check.records) == (None, 4)


async def test_a_file_that_was_rotated_away_is_created_again(tmp_path: Path) -> None:
    path, sink = tmp_path / "audit.jsonl", FileSink(tmp_path / "audit.jsonl", sync=False)
    await sink.send(records(2))
    path.rename(tmp_path / "audit.jsonl.1")
    await sink.send(records(1, 3))
    assert (numbers(tmp_path / "audit.jsonl.1"), numbers(path)) == ([1, 2], [3])


@pytest.mark.parametrize("cut", [1, 20, 10_000])
async def test_a_file_continues_after_a_server_that_was_killed_in_the_middle(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "audit.jsonl"
    await FileSink(path).send(records(3))
    whole = path.read_bytes()
    path.write_bytes(whole[: -min(cut, len(whole))])
    await FileSink(path).send(records(4))
    assert numbers(path) == [1, 2, 3, 4]


async def test_a_line_of_another_program_in_the_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_text("something else")
    await FileSink(path).send(records(1))
    assert path.read_text().splitlines()[0] == "something else"


async def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    assert str(await failure(FileSink(tmp_path / "gone" / "audit.jsonl"))).endswith(
        "gone/audit.jsonl cannot be written: No such file or directory"
    )
    os.mkfifo(tmp_path / "pipe")
    assert str(await failure(FileSink(tmp_path / "pipe"))).endswith("pipe cannot be written: it is not a regular file")


async def test_a_call_that_hangs_is_not_made_again_and_occupies_no_thread_of_others() -> None:
    thread, release = OwnThread(), threading.Event()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await thread.run(lambda: assert_true(release.wait(20)))
    with pytest.raises(NotSent, match="an earlier attempt still hangs"):
        await thread.run(lambda: None)
    release.set()
    async with asyncio.timeout(20):
        while True:
            try:
                await thread.run(lambda: None)
                break
            except NotSent:
                await asyncio.sleep(0.001)


def syslog(port: int, authority: Path | None) -> SyslogSink:
    context = None if authority is None else lambda: client_context(authority)
    return SyslogSink("127.0.0.1", port, context, "boot1")


async def test_a_syslog_server_gets_whole_messages_over_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with SyslogReceiver(authority.server("IP:127.0.0.1")) as receiver:
        for first in (1, 21):
            await syslog(receiver.port, authority.certificate).send(records(20, first))
    parsed = [HEADER.fullmatch(message) for message in receiver.messages]
    assert len(parsed) == 40
    check = ChainCheck()
    for number, found in enumerate(parsed, 1):
        assert found
        assert found["priority"] == "110"
        assert (found["at"], found["host"], found["app"]) == ("2027-01-15T08:00:00.000Z", "boot1", "bootgrant")
        assert (found["kind"], found["structured"]) == ("denied", f'[meta sequenceId="{number}"]')
        check.take_exported(found["text"])
    assert (check.finish(), check.records) == (None, 40)


async def test_a_syslog_server_on_this_computer_may_do_without_tls() -> None:
    with SyslogReceiver() as receiver:
        await syslog(receiver.port, None).send(records(2))
        assert len(receiver.messages) == 2


@pytest.mark.parametrize("is_tls", [True, False])
async def test_records_that_a_syslog_server_did_not_read_are_not_accepted(tmp_path: Path, is_tls: bool) -> None:
    """The server dies with the records in its buffer: the connection is reset."""
    authority = Authority(tmp_path)
    context = authority.server("IP:127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def die() -> None:
            connection, _ = listener.accept()
            with connection:
                if is_tls:
                    connection = context.wrap_socket(connection, server_side=True)
                connection.recv(1)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
                connection.close()

        threading.Thread(target=die, daemon=True).start()
        sink = syslog(listener.getsockname()[1], authority.certificate if is_tls else None)
        with pytest.raises(NotSent, match=r"cannot be reached|failed"):
            await sink.send(records(99))


async def test_a_certificate_of_another_authority_is_refused(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two = Authority(tmp_path / "one"), Authority(tmp_path / "two")
    with SyslogReceiver(one.server("IP:127.0.0.1")) as receiver:
        failed = await failure(syslog(receiver.port, two.certificate))
    assert re.match(r"the certificate of 127.0.0.1:\d+ is not accepted: unable to get local issuer", str(failed))
    assert receiver.messages == []


async def test_a_syslog_server_that_is_away_or_without_tls_is_named(tmp_path: Path) -> None:
    port = free_port()
    assert str(await failure(syslog(port, None))) == f"127.0.0.1:{port} cannot be reached: Connection refused"
    authority = Authority(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            with listener.accept()[0] as connection:
                connection.sendall(b"220 mail.example.org\r\n")
                connection.recv(1)

        threading.Thread(target=greet, daemon=True).start()
        port = listener.getsockname()[1]
        assert str(await failure(syslog(port, authority.certificate))).startswith(f"TLS with 127.0.0.1:{port} failed: ")


async def test_a_syslog_server_may_ask_for_a_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = authority.server("IP:127.0.0.1")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.certificate)

    def with_certificate() -> ssl.SSLContext:
        made = client_context(authority.certificate)
        made.load_cert_chain(tmp_path / "s.pem", tmp_path / "s.key")
        return made

    with SyslogReceiver(context) as receiver:
        await failure(syslog(receiver.port, authority.certificate))
        assert receiver.messages == []
        await SyslogSink("127.0.0.1", receiver.port, with_certificate, "boot1").send(records(1))
        assert len(receiver.messages) == 1


@pytest.mark.parametrize(("body", "kind"), [(Body.LINES, "application/x-ndjson"), (Body.ARRAY, "application/json")])
async def test_an_http_server_gets_records_with_secret_and_signature(body: Body, kind: str) -> None:
    secret = Secret("a secret of the site")
    with AnsweringServer(lambda _: http(204)) as server:
        address = Address(Secret(f"{server.url}/in?key=1"))
        await HttpSink(address, body, lambda: 2000.4, Secret("Bearer abc"), secret).send(records(3))
    [asked] = server.asked
    found = json.loads(asked.body) if body is Body.ARRAY else [json.loads(row) for row in asked.body.splitlines()]
    assert [event["seq"] for event in found] == [1, 2, 3]
    assert (asked.headers["content-type"], asked.headers["authorization"]) == (kind, "Bearer abc")
    assert asked.headers["webhook-id"] == "audit_1_3"
    assert asked.headers["webhook-signature"] == signature(secret, "audit_1_3", "2000", asked.body)


async def test_an_http_server_that_refuses_is_named_without_its_path() -> None:
    with AnsweringServer(lambda _: http(503, Retry_After="7")) as server:
        failed = await failure(HttpSink(Address(Secret(f"{server.url}/in?key=1")), Body.LINES, lambda: NOW))
    assert (str(failed), failed.after) == (f"{server.url} answered 503", 7.0)
