"""TLS as a client: whom it trusts, and how it explains a rejected certificate."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Self

import pytest

from bootgrant.acquire.errors import AcquireError, BadParameter, TlsFailed
from bootgrant.acquire.http.dial import TransportError, Trouble
from bootgrant.acquire.http.endpoint import parse_endpoint
from bootgrant.acquire.http.transport import CertificateError, Request, Response, Transport
from bootgrant.loaders.private_ca import early_value
from support.answering_server import AnsweringServer, http
from support.certificates import Authority
from support.site import bootgrant, clean_environment


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
def test_a_private_authority_is_trusted_if_it_is_configured(authority: Authority, name: str) -> None:
    tls = authority.server("DNS:localhost,IP:127.0.0.1")
    with AnsweringServer(lambda _: http(200, b"private"), tls=tls) as server:
        assert exchange(f"https://{name}:{server.port}/", authority.certificate).body == b"private"


@pytest.mark.parametrize("mode", [[], ["--compat", "talos"]], ids=["default", "compat"])
def test_an_authority_on_the_kernel_command_line_is_trusted(
    authority: Authority, tmp_path: Path, mode: list[str]
) -> None:
    early = early_value(authority.certificate.read_text())
    output = tmp_path / "config"
    with AnsweringServer(lambda _: http(200, b"private"), tls=authority.server("IP:127.0.0.1")) as server:
        cmdline = f"talos.config={server.url}/ talos.config.early={early}"
        words = ["--cmdline", cmdline, "--output", str(output), "--console", "plain", "--timeout", "20s", *mode]
        done = subprocess.run(bootgrant("acquire", *words), capture_output=True, env=clean_environment(), timeout=60)
    assert done.returncode == 0, done.stderr
    assert output.read_bytes() == b"private"


def test_an_ipv6_server_with_a_zone_is_checked_by_its_address(authority: Authority) -> None:
    tls = authority.server("IP:::1")
    with AnsweringServer(lambda _: http(200, b"six"), host="::1", tls=tls) as server:
        assert exchange(f"https://[::1%25lo]:{server.port}/", authority.certificate).body == b"six"


def test_an_unknown_authority_is_explained_with_a_fix(authority: Authority) -> None:
    with AnsweringServer(lambda _: http(200), tls=authority.server("IP:127.0.0.1")) as server:
        error = refusal(server, ca=None)
    assert "authority that this machine does not know" in error.what
    assert "--ca" in error.next_step


def test_a_clock_that_is_behind_is_explained(authority: Authority) -> None:
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


def test_a_certificate_for_another_name_is_explained(authority: Authority) -> None:
    with AnsweringServer(lambda _: http(200), tls=authority.server("DNS:other.example")) as server:
        assert "another name" in refusal(server, authority.certificate).what


def test_a_port_without_tls_is_reported() -> None:
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


def test_a_tunnelling_proxy_sees_only_the_destination(authority: Authority) -> None:
    tls = authority.server("DNS:boot.example")
    with AnsweringServer(lambda _: http(200, b"through"), tls=tls) as server, Tunnel(server.port) as tunnel:
        endpoint = parse_endpoint("https://boot.example/secret")
        request = Request("GET", endpoint, (("Host", endpoint.host_header), ("Connection", "close")))
        transport = Transport(ca=authority.certificate, environ={"https_proxy": f"http://127.0.0.1:{tunnel.port}"})
        assert transport.exchange(request, time.monotonic() + 10, max_body=1000).body == b"through"
    assert tunnel.asked.startswith(b"CONNECT boot.example:443 HTTP/1.1\r\nHost: boot.example:443\r\n")
    assert b"secret" not in tunnel.asked


class Tunnel:
    """A proxy that tunnels one connection, wherever it should go, to a port of this machine."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.asked = b""

    def __enter__(self) -> Self:
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _run(self) -> None:
        client, _ = self._listener.accept()
        server = socket.create_connection(("127.0.0.1", self._to))
        with client, server:
            while not self.asked.endswith(b"\r\n\r\n"):
                self.asked += client.recv(1000)
            client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            back = threading.Thread(target=self._pass_on, args=(server, client), daemon=True)
            back.start()
            self._pass_on(client, server)
            back.join(10)

    @staticmethod
    def _pass_on(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


def test_a_file_without_certificates_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    for name in ("empty.pem", "missing.pem"):
        with AnsweringServer(lambda _: http(200)) as server, pytest.raises(BadParameter, match=name):
            exchange(f"https://127.0.0.1:{server.port}/", tmp_path / name)
