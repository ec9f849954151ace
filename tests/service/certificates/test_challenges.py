"""While an ACME authority checks a name, only its own connections get the certificate of the challenge."""

from __future__ import annotations

import socket
import ssl
import threading
from hashlib import sha256
from pathlib import Path

import httpx2
import pytest

from bootgrant.credentials.authority import as_pem, challenge_certificate, in_clear, new_authority, sign
from bootgrant.service.certificates.challenges import ALPN, ChallengeAnswers, ChallengeApp
from bootgrant.service.server.tls import ServerTls
from bootgrant.service.settings.tls import TlsFiles

pytestmark = pytest.mark.anyio
NOW = 1_800_000_000.0
NAME = "boot.example.org"


@pytest.fixture
def tls(tmp_path: Path) -> ServerTls:
    """The TLS of a server while a check is under way."""
    usual = sign(new_authority((NAME,), NOW), (NAME,), NOW)
    challenge = challenge_certificate(NAME, sha256(b"token.thumbprint").digest(), NOW)
    files = {"usual.pem": usual, "challenge.pem": challenge}
    for name, pair in files.items():
        (tmp_path / name).write_bytes(as_pem(pair.certificate).encode() + in_clear(pair.key))
    answers = ChallengeAnswers(context=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    assert answers.context is not None
    answers.context.set_alpn_protocols([ALPN])
    answers.context.load_cert_chain(tmp_path / "challenge.pem")
    return ServerTls(TlsFiles(tmp_path / "usual.pem", tmp_path / "usual.pem"), answers)


def greet(connection: socket.socket, *protocols: str) -> None:
    """Begin a TLS handshake as a client that offers these protocols."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(list(protocols))
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=NAME)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    hello = outgoing.read()
    connection.sendall(hello[:40])
    threading.Timer(0.05, connection.sendall, (hello[40:],)).start()


@pytest.mark.parametrize(("offered", "is_authority"), [(ALPN, True), ("h2", False), ("acme-tls/10", False)])
async def test_what_a_client_offers_decides_which_certificate_it_gets(
    tls: ServerTls, offered: str, is_authority: bool
) -> None:
    near, far = socket.socketpair()
    with near, far:
        greet(far, offered)
        assert (await tls.context_for(near) is tls.answers.context) is is_authority
        # Nothing was taken from the connection.
        assert near.recv(1) == b"\x16"


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\n"])
async def test_a_client_that_ends_or_sends_something_else_gets_the_usual_one(tls: ServerTls, sent: bytes) -> None:
    near, far = socket.socketpair()
    with near:
        far.sendall(sent)
        far.close()
        assert await tls.context_for(near) is tls.context


async def test_without_a_check_nothing_is_looked_at(tls: ServerTls) -> None:
    tls.answers.context = None
    near, far = socket.socketpair()
    with near, far:
        assert await tls.context_for(near) is tls.context


async def test_plain_http_answers_the_authority_redirects_people_and_refuses_machines() -> None:
    app = ChallengeApp({"token": "token.thumbprint"}, "https://boot.example.org")
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://boot.example.org") as client:
        assert (await client.get("/.well-known/acme-challenge/token")).text.strip() == "token.thumbprint"
        assert (await client.get("/.well-known/acme-challenge/other")).status_code == 404
        page = await client.get("/login")
        assert (page.status_code, page.headers["location"]) == (308, "https://boot.example.org/login")
        assert (await client.post("/token")).status_code == 403
