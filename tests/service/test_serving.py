"""The server on its sockets: ambiguous and slow requests, TLS, systemd sockets, two listeners, stopping."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from support.grants import UUID
from support.machine import DEVICE_GRANT, TALOS
from support.parts import program
from support.site import CONFIG, Served, bootgrant, clean_environment, free_port, served, wait_until

FORM = "Content-Type: application/x-www-form-urlencoded\r\n"
BODY = f"client_id=talos&uuid={UUID}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("served")) as running:
        yield running


def raw(site: Served, request: str, seconds: float = 10) -> str:
    """Send the bytes, and return the answer until the server closes the connection."""
    port = int(site.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(request.encode("latin-1"))
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := connection.recv(65536):
                answer += chunk
    return answer.decode()


def test_the_unescaped_request_target_of_talos_is_understood(site: Served) -> None:
    target = '/device/code?uuid=${uuid}&s=<"x">&m=\\^`|'
    answer = raw(
        site,
        f"POST {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{FORM}Content-Length: {len(BODY)}\r\n\r\n{BODY}",
    )
    assert answer.startswith("HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "headers",
    [
        "Host: a\r\nHost: b\r\nContent-Length: 3\r\n",
        "Content-Length: 3\r\n",
        "Host: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n",
        "Host: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Host: a\r\nTransfer-Encoding: xchunked\r\n",
        "Host: a\r\nContent-Length: -1\r\n",
        "Host: a\r\nContent-Length: 3\r\nAuthorization: Basic YTo=\r\nAuthorization: Basic Yjo=\r\n",
        "Host : a\r\nContent-Length: 3\r\n",
        "Host: a\r\n X: folded\r\nContent-Length: 3\r\n",
    ],
)
def test_an_ambiguous_request_is_refused(site: Served, headers: str) -> None:
    answer = raw(site, f"POST /token HTTP/1.1\r\nConnection: close\r\n{FORM}{headers}\r\nabc")
    assert answer.startswith("HTTP/1.1 400 ")
    assert "<html" not in answer


BOTH_WAYS = ["/token", "/introspect"]
TWO_HOSTS = f"Host: a\r\nHost: b\r\n{FORM}"


@pytest.mark.parametrize("path", BOTH_WAYS)
@pytest.mark.parametrize(
    ("version", "headers"),
    [
        ("HTTP/1.1", "Transfer-Encoding: gzip, chunked\r\n"),
        ("HTTP/1.0", "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n"),
        ("HTTP/2.0", "Content-Length: 0\r\n"),
    ],
)
def test_an_unusual_body_or_version_closes_the_connection(site: Served, path: str, version: str, headers: str) -> None:
    answer = raw(site, f"POST {path} {version}\r\nHost: x\r\n{FORM}{headers}\r\n0\r\n\r\n")
    assert answer.startswith("HTTP/1.1 400 ")
    assert '"invalid_request"' in answer


def asked(site: Served) -> float:
    """Return the number of answered requests for codes."""
    lines = httpx2.get(f"{site.url}/metrics", trust_env=False).text.splitlines()
    name = 'bootgrant_answers_total{endpoint="/device/code"'
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


@pytest.mark.parametrize("path", BOTH_WAYS)
def test_bytes_after_a_refused_request_are_not_a_request(site: Served, path: str) -> None:
    smuggled = f"POST /device/code HTTP/1.1\r\nHost: x\r\n{FORM}Content-Length: {len(BODY)}\r\n\r\n{BODY}"
    before = asked(site)
    answer = raw(site, f"POST {path} HTTP/1.1\r\n{TWO_HOSTS}Content-Length: 0\r\n\r\n{smuggled}")
    assert answer.startswith("HTTP/1.1 400 ")
    assert answer.lower().count("connection: close") == answer.count("HTTP/1.1") == 1
    assert httpx2.post(f"{site.url}/device/code", data=TALOS, trust_env=False).status_code == 200
    assert asked(site) == before + 1


@pytest.mark.parametrize("path", ["/token", "/device/code", "/config", "/healthz"])
def test_the_answer_to_head_has_no_body(site: Served, path: str) -> None:
    answer = raw(site, f"HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith(("HTTP/1.1 405 ", "HTTP/1.1 200 "))
    assert answer.endswith("\r\n\r\n")


@pytest.mark.parametrize("path", ["/device/code", "/%64evice/code"])
def test_a_trailer_is_not_a_header(tmp_path: Path, path: str) -> None:
    """A proxy adds its headers, and some proxies pass on a client's trailers."""
    with served(tmp_path, settings='trusted_proxies = ["127.0.0.1/32"]') as site:
        answer = raw(
            site,
            f"POST {path} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.7\r\nConnection: close\r\n{FORM}"
            f"Transfer-Encoding: chunked\r\n\r\n{len(BODY):x}\r\n{BODY}\r\n0\r\nX-Forwarded-For: 10.1.2.3\r\n\r\n",
        )
    assert answer.startswith("HTTP/1.1 403 ")
    assert "192.0.2.7" in answer


def test_a_stalled_request_is_closed(site: Served) -> None:
    """The limit is 15 s, so three kinds of stalling share one wait."""
    port = int(site.url.rpartition(":")[2])
    stalls = [b"", b"POST /token HT", f"POST /token HTTP/1.1\r\nHost: x\r\n{FORM}Content-Length: 9\r\n\r\nab".encode()]
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=40)) for _ in stalls]
        for connection, stall in zip(connections, stalls, strict=True):
            connection.sendall(stall)
        answers = [connection.recv(65536) for connection in connections]
    assert answers[:2] == [b"", b""]
    assert answers[2].startswith(b"HTTP/1.1 408 ")


def test_occasional_bytes_do_not_keep_a_connection_open(site: Served) -> None:
    """Endless bodies of requests that are answered early or late, and endless empty lines."""
    port = int(site.url.rpartition(":")[2])
    head = f"HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    heads = [
        f"GET /healthz {head}\r\n",
        f"GET /config {head}Content-Length: 9999\r\n\r\n",
        f"POST /login {head}Origin: {site.url}\r\n{FORM}Content-Length: 9999\r\n\r\n",
    ]
    until = time.monotonic() + 40
    with contextlib.ExitStack() as stack:
        open_ones = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=0.2)) for _ in heads]
        for connection, begun in zip(open_ones, heads, strict=True):
            connection.sendall(begun.encode())
        while open_ones and time.monotonic() < until:
            open_ones = [connection for connection in open_ones if not ended_by_server(connection)]
        assert open_ones == []


def ended_by_server(connection: socket.socket) -> bool:
    """Return whether the connection has ended. If not, send two more bytes."""
    try:
        if not connection.recv(65536):
            return True
        connection.sendall(b"\r\n")
    except TimeoutError:
        with contextlib.suppress(OSError):
            connection.sendall(b"\r\n")
    except OSError:
        return True
    return False


def test_held_polls_are_answered_when_the_server_stops(tmp_path: Path) -> None:
    with served(tmp_path) as site:
        code = httpx2.post(f"{site.url}/device/code", data=TALOS, trust_env=False).json()["device_code"]
        form = f"client_id=talos&grant_type={DEVICE_GRANT}&device_code={code}"
        port = int(site.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as held:
            held.sendall(f"POST /token HTTP/1.1\r\nHost: x\r\n{FORM}Content-Length: {len(form)}\r\n\r\n{form}".encode())
            healthy = httpx2.get(f"{site.url}/healthz", trust_env=False)
            assert healthy.status_code == 200
            assert site.stop() == 0
            assert b"authorization_pending" in held.recv(65536)


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        [
            str(program("openssl", "openssl")), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1",
            "-keyout", str(key), "-out", str(cert),
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return cert, key


def peer_name(port: int) -> str:
    """Return the common name of the certificate that the server uses now."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain, context.wrap_socket(plain) as connection:
        der = connection.getpeercert(binary_form=True)
    assert der is not None
    names = subprocess.run(
        [str(program("openssl", "openssl")), "x509", "-inform", "der", "-noout", "-subject"],
        input=der, capture_output=True, check=True,
    )  # fmt: skip
    return names.stdout.decode().strip()


def test_tls_loads_a_new_certificate_without_a_restart_and_survives_an_invalid_one(tmp_path: Path) -> None:
    first, second = certificate(tmp_path, "first"), certificate(tmp_path, "second")
    live = (tmp_path / "live.pem", tmp_path / "live.key")
    for source, target in zip(first, live, strict=True):
        target.write_bytes(source.read_bytes())
    with served(tmp_path, settings=f'certificate = "{live[0]}"\nkey = "{live[1]}"') as site:
        port = int(site.url.rpartition(":")[2])
        assert peer_name(port).endswith("first")
        live[0].write_bytes(second[0].read_bytes())
        wait_until(lambda: "the old one stays" in site.log, "the pair that does not fit is noticed")
        assert peer_name(port).endswith("first")
        live[1].write_bytes(second[1].read_bytes())
        wait_until(lambda: "new certificate from" in site.log, "the new certificate is taken")
        assert peer_name(port).endswith("second")


def test_a_stalled_handshake_has_the_limit_of_a_request(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, "boot")
    with served(tmp_path, settings=f'certificate = "{cert}"\nkey = "{key}"') as site:
        port = int(site.url.rpartition(":")[2])
        # Shorter than uvloop's limit of one minute.
        with socket.create_connection(("127.0.0.1", port), timeout=40) as connection:
            connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
            assert connection.recv(1) == b""


def test_connections_to_a_systemd_socket_wait_for_the_next_server(tmp_path: Path) -> None:
    with served(tmp_path) as site, socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert site.stop() == 0
        # As systemd does: the socket is descriptor 3, with two variables; the process id is known only after exec.
        launch = (
            f"import os; os.dup2({listener.fileno()}, 3); os.set_inheritable(3, True); "
            "os.environ['LISTEN_PID'] = str(os.getpid()); os.environ['LISTEN_FDS'] = '1'; "
            f"os.execv({sys.executable!r}, {bootgrant('serve', '--config', str(site.made.config))!r})"
        )
        with socket.create_connection(("127.0.0.1", port), timeout=30) as early:
            early.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            process = subprocess.Popen(
                [sys.executable, "-c", launch],
                pass_fds=[listener.fileno()],
                env=clean_environment(),
                stderr=subprocess.DEVNULL,
            )
            try:
                assert early.recv(65536).startswith(b"HTTP/1.1 200 ")
            finally:
                process.terminate()
                process.wait(20)


def test_machines_and_people_can_have_separate_listeners(tmp_path: Path) -> None:
    port = free_port()
    settings = f'listen = "127.0.0.1:{port}"'
    with served(tmp_path) as site:
        assert site.stop() == 0
        text = site.made.config.read_text()
        head, _, tail = text.partition("[operators]")
        changed = tail.replace('listen = ""', settings, 1).replace(
            'public_url = ""', f'public_url = "http://127.0.0.1:{port}"', 1
        )
        site.made.config.write_text(f"{head}[operators]{changed}")
        site.start()
        people = f"http://127.0.0.1:{port}"
        codes = httpx2.post(f"{site.url}/device/code", data=TALOS, trust_env=False).json()
        assert codes["verification_uri"] == f"{people}/device"
        assert httpx2.get(f"{people}/login", trust_env=False).status_code == 200
        assert httpx2.get(f"{site.url}/login", trust_env=False).status_code == 404
        assert httpx2.post(f"{people}/device/code", data=TALOS, trust_env=False).status_code in (404, 405)


def test_a_data_folder_with_a_very_long_path_works(tmp_path: Path) -> None:
    folder = tmp_path / ("long-" * 20) / ("name-" * 20)
    folder.mkdir(parents=True)
    with served(folder, machine=CONFIG) as site:
        assert site.command("pending").returncode == 0


def test_an_interrupted_download_is_not_recorded_as_delivered(tmp_path: Path) -> None:
    large = CONFIG + "# filler\n" * 700_000
    with served(tmp_path, machine=large) as site:
        codes = httpx2.post(f"{site.url}/device/code", data=TALOS, trust_env=False).json()
        assert site.command("approve", codes["user_code"]).returncode == 0
        form = {"client_id": "talos", "grant_type": DEVICE_GRANT, "device_code": codes["device_code"]}
        token = httpx2.post(f"{site.url}/token", data=form, trust_env=False).json()["access_token"]
        bearer = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}
        port = int(site.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            lines = "".join(f"{name}: {value}\r\n" for name, value in bearer.items())
            connection.sendall(f"GET /config HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
        wait_until(lambda: "hung up before it had all" in site.log, "the server notices")
        assert "delivered" not in site.log
        assert httpx2.get(f"{site.url}/config", headers=bearer, trust_env=False).text == large
        wait_until(lambda: "delivered" in site.log, "the whole configuration left")
