"""Sending messages to a real HTTP server and a real mail server, and the errors when that fails."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler
from aiosmtpd.smtp import AuthResult, LoginPassword

from bootgrant.messengers.chat import Ntfy
from bootgrant.messengers.email import Email, Security
from bootgrant.messengers.posting import Address
from bootgrant.messengers.webhook import Webhook, signature
from bootgrant.ports.notifications import Notice, NotSent
from bootgrant.wire.secret import Secret
from support.answering_server import AnsweringServer, Asked, http
from support.certificates import Authority
from support.site import free_port

pytestmark = pytest.mark.anyio
NOTICE = Notice("msg_1", 1000.0, "https://boot.example/", 2)
SECRET = Secret("a secret of the site")


@contextmanager
def hook(status: int = 200, **headers: str) -> Iterator[AnsweringServer]:
    with AnsweringServer(lambda _asked: http(status, b"", **headers)) as server:
        yield server


def webhook(url: str) -> Webhook:
    return Webhook(Address(Secret(url)), SECRET, lambda: 2000.4)


async def failure(url: str) -> NotSent:
    with pytest.raises(NotSent) as failed:
        await webhook(url).send(NOTICE, "text")
    return failed.value


async def test_a_webhook_arrives_with_a_valid_signature() -> None:
    with hook(204) as server:
        await webhook(f"{server.url}/hooks/1").send(NOTICE, "text")
    [asked] = server.asked
    assert (asked.method, asked.target, asked.headers["content-type"]) == ("POST", "/hooks/1", "application/json")
    assert json.loads(asked.body)["data"]["count"] == 2
    sent = asked.headers["webhook-signature"]
    assert sent == signature(SECRET, asked.headers["webhook-id"], "2000", asked.body)


async def test_ntfy_receives_its_token() -> None:
    with hook() as server:
        await Ntfy(Address(Secret(f"{server.url}/")), "boots", Secret("tk_1")).send(NOTICE, "text")
    [asked] = server.asked
    assert (asked.target, asked.headers["authorization"]) == ("/", "Bearer tk_1")
    assert json.loads(asked.body)["topic"] == "boots"


@pytest.mark.parametrize(("status", "permanent"), [(404, True), (403, True), (302, False), (500, False), (429, False)])
async def test_the_status_decides_whether_another_attempt_makes_sense(status: int, permanent: bool) -> None:
    with hook(status, Retry_After="40", Location="/elsewhere") as server:
        failed = await failure(server.url)
    assert (failed.permanent, failed.after) == (permanent, 40.0)
    assert str(failed) == f"{server.url} answered {status}"
    assert len(server.asked) == 1


async def test_an_endless_answer_is_not_read() -> None:
    def endless(_asked: Asked) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        while True:
            yield b"400\r\n" + b"x" * 1024 + b"\r\n"

    with AnsweringServer(endless) as server:
        await webhook(server.url).send(NOTICE, "text")


async def test_an_unreachable_server_is_named_without_the_secret_in_its_url() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    failed = await failure(f"{url}/services/T0/B0/secret")
    assert str(failed) == f"{url} cannot be reached (ConnectError)"
    assert not failed.permanent


async def test_a_certificate_of_an_unknown_authority_is_refused(tmp_path: Path) -> None:
    def answer(_asked: Asked) -> bytes:
        return http(200)

    with AnsweringServer(answer, tls=Authority(tmp_path).server("IP:127.0.0.1")) as server:
        assert "cannot be reached" in str(await failure(server.url))


class Mails(MessageHandler):
    def __init__(self) -> None:
        super().__init__()
        self.received: list[Message] = []

    def handle_message(self, message: Message) -> None:
        self.received.append(message)


@contextmanager
def mail_server(mails: Mails, **options: Any) -> Iterator[int]:
    controller = Controller(mails, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


def email(port: int, security: Security, **more: Any) -> Email:
    return Email("127.0.0.1", port, security, "boot@example.org", ("night@example.org",), **more)


async def test_a_mail_arrives() -> None:
    mails = Mails()
    with mail_server(mails) as port:
        await email(port, Security.NONE).send(NOTICE, "two machines\nare waiting")
    [mail] = mails.received
    assert (mail["Subject"], mail["To"]) == ("bootgrant: 2 machines are waiting", "night@example.org")
    assert str(mail.get_payload()).splitlines() == ["two machines", "are waiting"]


async def test_a_mail_is_sent_over_starttls_with_a_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mails, authority = Mails(), Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))

    def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=data == LoginPassword(b"boot", b"a password"), handled=False)

    tls: ssl.SSLContext = authority.server("IP:127.0.0.1")
    options = {
        "tls_context": tls,
        "require_starttls": True,
        "authenticator": authenticate,
        "auth_exclude_mechanism": ["LOGIN"],
    }
    with mail_server(mails, **options) as port:
        await email(port, Security.STARTTLS, user="boot", password=Secret("a password")).send(NOTICE, "text")
        with pytest.raises(NotSent) as refused:
            await email(port, Security.STARTTLS, user="boot", password=Secret("wrong")).send(NOTICE, "text")
    assert len(mails.received) == 1
    assert str(refused.value) == "127.0.0.1 refuses the login of boot; check user and password_file"
    assert refused.value.permanent


async def test_a_mail_server_without_starttls_receives_no_mail() -> None:
    mails = Mails()
    with mail_server(mails) as port, pytest.raises(NotSent):
        await email(port, Security.STARTTLS).send(NOTICE, "text")
    assert mails.received == []


async def test_an_unreachable_mail_server_is_named() -> None:
    port = free_port()
    with pytest.raises(NotSent) as refused:
        await email(port, Security.NONE).send(NOTICE, "text")
    assert str(refused.value) == f"127.0.0.1 port {port} cannot be used (Connection refused)"
