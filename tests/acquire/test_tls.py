"""TLS as a client: whom it trusts, and what it says when it does not."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest

from bootgrant.acquire.dial import TransportError, Trouble
from bootgrant.acquire.endpoint import parse_endpoint
from bootgrant.acquire.errors import AcquireError, BadParameter, TlsFailed
from bootgrant.acquire.transport import CertificateError, Request, Response, Transport
from support.answering_server import AnsweringServer, http
from support.certificates import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def exchange(url: str, ca: Path | None) -> Response:
    endpoint = parse_endpoint(url)
    request = Request("GET", endpoint, (("Host", endpoint.host_header), ("Connection", "close")))
    return Transport(ca=ca).exchange(request, time.monotonic() + 10, max_body=1000)


def refusal(server: AnsweringServer, ca: Path | None) -> AcquireError:
    with pytest.raises(CertificateError) as caught:
        exchange(f"{server.url}/", ca)
    assert isinstance(caught.value.error, TlsFailed)
    return caught.value.error


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_a_private_authority_is_trusted_when_it_is_given(authority: Authority, name: str) -> None:
    tls = authority.server("DNS:localhost,IP:127.0.0.1")
    with AnsweringServer(lambda _: http(200, b"private"), tls=tls) as server:
        assert exchange(f"https://{name}:{server.port}/", authority.certificate).body == b"private"


def test_an_ipv6_server_with_a_zone_is_checked_by_its_address(authority: Authority) -> None:
    tls = authority.server("IP:::1")
    with AnsweringServer(lambda _: http(200, b"six"), host="::1", tls=tls) as server:
        assert exchange(f"https://[::1%25lo]:{server.port}/", authority.certificate).body == b"six"


def test_an_unknown_authority_is_told_with_the_way_out(authority: Authority) -> None:
    with AnsweringServer(lambda _: http(200), tls=authority.server("IP:127.0.0.1")) as server:
        error = refusal(server, ca=None)
    assert "authority that this machine does not know" in error.what
    assert "--ca" in error.next_step


def test_a_clock_that_is_behind_is_told_as_that(authority: Authority) -> None:
    tls = authority.server("IP:127.0.0.1", start="20980101000000Z")
    with AnsweringServer(lambda _: http(200), tls=tls) as server:
        error = refusal(server, authority.certificate)
    assert "not yet valid" in error.what
    assert time.strftime("%Y-%m-%d", time.gmtime()) in error.what
    assert "clock" in error.next_step


def test_an_old_certificate_names_both_possible_reasons(authority: Authority) -> None:
    tls = authority.server("IP:127.0.0.1", start="20200101000000Z", end="20210101000000Z")
    with AnsweringServer(lambda _: http(200), tls=tls) as server:
        error = refusal(server, authority.certificate)
    assert "no longer valid" in error.what
    assert "new certificate" in error.next_step
    assert "clock" in error.next_step


def test_a_certificate_for_another_name_is_told_as_that(authority: Authority) -> None:
    with AnsweringServer(lambda _: http(200), tls=authority.server("DNS:other.example")) as server:
        assert "another name" in refusal(server, authority.certificate).what


def test_a_port_that_speaks_no_tls_is_told_as_that() -> None:
    def answer_anything(listener: socket.socket) -> None:
        with listener, listener.accept()[0] as connection:
            connection.recv(10_000)
            connection.sendall(http(400))

    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    threading.Thread(target=answer_anything, args=(listener,), daemon=True).start()
    with pytest.raises(TransportError) as caught:
        exchange(f"https://127.0.0.1:{port}/", None)
    assert caught.value.trouble is Trouble.TLS


def test_a_file_that_holds_no_authority_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    for name in ("empty.pem", "missing.pem"):
        with AnsweringServer(lambda _: http(200)) as server, pytest.raises(BadParameter, match=name):
            exchange(f"https://127.0.0.1:{server.port}/", tmp_path / name)
