"""The short way of the busiest requests gives the same answers as ASGI: keep-alive, fragments, pipelines, hang-ups."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator

import httpx2
import pytest

from bootgrant.wire.limits import REQUEST_HEAD
from support.grants import UUID
from support.machine import DEVICE_GRANT, TALOS
from support.site import CONFIG, Served, served

FORM = "Content-Type: application/x-www-form-urlencoded\r\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("served")) as running:
        yield running


def connect(site: Served) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(site.url.rpartition(":")[2])), timeout=20)


def request(path: str, body: str, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", FORM.strip(), f"Content-Length: {len(body)}", *headers, "", body]
    return "\r\n".join(lines).encode()


def read_answer(connection: socket.socket) -> tuple[int, dict[str, str]]:
    """Read exactly one answer with a JSON body."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        assert byte, head
        head += byte
    (length,) = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
    body = b""
    while len(body) < length:
        body += connection.recv(length - len(body))
    return int(head.split()[1]), json.loads(body)


def poll_form(device_code: str) -> str:
    return f"client_id=talos&grant_type={DEVICE_GRANT}&device_code={device_code}"


def test_one_connection_serves_many_requests_on_both_paths(site: Served) -> None:
    with connect(site) as connection:
        for _ in range(3):
            connection.sendall(request("/token", poll_form("x")))
            assert read_answer(connection)[1]["error"] == "invalid_grant"
            connection.sendall(request("/introspect", "client_id=talos&token=x"))
            assert read_answer(connection)[1]["error"] == "invalid_client"


def test_a_request_can_arrive_byte_by_byte(site: Served) -> None:
    with connect(site) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request("/token", poll_form("x")):
            connection.sendall(bytes([byte]))
        assert read_answer(connection) == (
            400,
            {"error": "invalid_grant", "error_description": "unknown device_code: ask for a new one"},
        )


def test_pipelined_requests_are_answered_in_order(site: Served) -> None:
    with connect(site) as connection:
        asked = [
            request("/token", poll_form("x")),
            request("/token", "client_id=stranger"),
            request("/token", "client_id=talos"),
        ]
        connection.sendall(b"".join(asked))
        assert [read_answer(connection)[1]["error"] for _ in asked] == [
            "invalid_grant",
            "invalid_client",
            "invalid_request",
        ]


def test_a_pipelined_request_after_a_held_one_closes_the_connection_without_losing_an_answer(site: Served) -> None:
    with connect(site) as connection:
        serial = "client_id=talos&serial=PIPELINED"
        connection.sendall(request("/device/code", serial) + request("/token", poll_form("x")))
        assert read_answer(connection)[0] == 200
        assert connection.recv(1) == b""


def test_a_large_body_is_refused_without_buffering_it(site: Served) -> None:
    with connect(site) as connection:
        connection.sendall(request("/token", "x" * 200_000))
        assert read_answer(connection)[0] == 413
        assert connection.recv(1) == b""


def test_a_chunked_request_is_understood(site: Served) -> None:
    body = poll_form("x")
    with connect(site) as connection:
        head = f"POST /token HTTP/1.1\r\nHost: x\r\n{FORM}Transfer-Encoding: chunked\r\n\r\n"
        connection.sendall(f"{head}{len(body):x}\r\n{body}\r\n0\r\n\r\n".encode())
        assert read_answer(connection)[1]["error"] == "invalid_grant"


def test_connection_close_and_http_1_0_are_respected(site: Served) -> None:
    with connect(site) as connection:
        connection.sendall(request("/token", poll_form("x"), "Connection: close"))
        assert read_answer(connection)[0] == 400
        assert connection.recv(1) == b""
    with connect(site) as connection:
        connection.sendall(request("/token", poll_form("x")).replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert read_answer(connection)[0] == 400
        assert connection.recv(1) == b""


def test_expect_100_continue_is_answered(site: Served) -> None:
    body = poll_form("x")
    with connect(site) as connection:
        head = f"POST /token HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n{FORM}Content-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body.encode())
        assert read_answer(connection)[1]["error"] == "invalid_grant"


def test_a_machine_that_hangs_up_during_a_held_poll_uses_up_nothing(site: Served) -> None:
    codes = httpx2.post(f"{site.url}/device/code", data=TALOS, trust_env=False).json()
    with connect(site) as connection:
        connection.sendall(request("/token", poll_form(codes["device_code"])))
    assert site.command("approve", codes["user_code"]).returncode == 0
    assert "token issued" not in site.log
    form = {"client_id": "talos", "grant_type": DEVICE_GRANT, "device_code": codes["device_code"]}
    token = httpx2.post(f"{site.url}/token", data=form, trust_env=False).json()["access_token"]
    config = httpx2.get(f"{site.url}/config?uuid={UUID}", headers={"Authorization": f"Bearer {token}"}, trust_env=False)
    assert config.text == CONFIG


def test_every_answer_has_the_headers_that_forbid_caching(site: Served) -> None:
    for path in ("/token", "/device/code", "/introspect"):
        answer = httpx2.post(f"{site.url}{path}", data={"client_id": "talos"}, trust_env=False)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-type"] == "application/json"
        assert "date" in answer.headers


@pytest.mark.parametrize("path", ["/token", "/introspect"])
@pytest.mark.parametrize("head", ["long target", "long header", "many headers"])
def test_an_endless_head_is_refused_before_it_fills_the_memory(site: Served, path: str, head: str) -> None:
    begins = {
        "long target": f"POST {path}?",
        "long header": f"POST {path} HTTP/1.1\r\nHost: x\r\nX: ",
        "many headers": f"POST {path} HTTP/1.1\r\nHost: x\r\n",
    }[head].encode()
    more = (b"A: b\r\n" if head == "many headers" else b"x") * REQUEST_HEAD
    with connect(site) as connection:
        connection.sendall(begins)
        # One byte too many, and none unread, so that no reset discards the answer.
        connection.sendall(more[: REQUEST_HEAD + 1 - len(begins)])
        status, body = read_answer(connection)
        assert (status, body["error_description"]) == (431, "the address and the headers are larger than 32 KiB")
        assert connection.recv(1) == b""


@pytest.mark.parametrize("path", ["/token", "/introspect"])
def test_endless_trailers_close_the_connection(site: Served, path: str) -> None:
    with connect(site) as connection:
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\n{FORM}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
        connection.sendall(head.encode())
        connection.sendall((b"A: b\r\n" * REQUEST_HEAD)[: REQUEST_HEAD + 1])
        while connection.recv(4096):
            pass


@pytest.mark.parametrize("path", ["/token", "/introspect"])
def test_a_large_head_in_one_piece_is_refused(site: Served, path: str) -> None:
    with connect(site) as connection:
        connection.sendall(request(path, "", f"X: {'x' * REQUEST_HEAD}"))
        assert read_answer(connection)[0] == 431


def test_a_head_after_a_held_request_is_limited(site: Served) -> None:
    codes = httpx2.post(f"{site.url}/device/code", data=TALOS, trust_env=False).json()
    with connect(site) as connection:
        connection.sendall(request("/token", poll_form(codes["device_code"])))
        with contextlib.suppress(ConnectionError):
            # Bytes that arrive together with the poll are not counted, so send more than one piece.
            connection.sendall(b"POST /token HTTP/1.1\r\nX: " + b"x" * 100 * REQUEST_HEAD)
            # It closes without an answer, which the client would take for the answer to the poll.
            assert connection.recv(1) == b""


def test_a_large_body_does_not_count_as_a_head(site: Served) -> None:
    with connect(site) as connection:
        connection.sendall(request("/introspect", "x" * 10 * REQUEST_HEAD))
        assert read_answer(connection)[0] == 413


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02\x00", b"GET / HTTP/9\r\n\r\n", b"POST /token HTTP/1.1\r\nHost : x\r\n\r\n"]
)
def test_invalid_http_gets_a_json_error_and_is_counted_but_not_logged(site: Served, sent: bytes) -> None:
    counted = 'bootgrant_answers_total{endpoint="unreadable",status="400"}'
    before = metric(site, counted)
    with connect(site) as connection:
        connection.sendall(sent)
        head, _, body = b"".join(iter(lambda: connection.recv(4096), b"")).partition(b"\r\n\r\n")
    assert json.loads(body) == {"error": "invalid_request", "error_description": "this is not HTTP/1.1"}
    assert b"400 Bad Request" in head
    assert b"cache-control: no-store" in head
    assert metric(site, counted) == before + 1
    assert "Invalid HTTP" not in site.log


def test_an_offered_upgrade_is_ignored_and_not_logged(site: Served) -> None:
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
    assert httpx2.get(f"{site.url}/healthz", headers=upgrade, trust_env=False).status_code == 200
    assert "pgrade" not in site.log


@pytest.mark.parametrize("path", ["/token", "/introspect"])
def test_a_body_with_an_offered_upgrade_is_not_treated_as_empty(site: Served, path: str) -> None:
    with connect(site) as connection:
        connection.sendall(request(path, poll_form("x"), "Connection: Upgrade", "Upgrade: h2c"))
        status, body = read_answer(connection)
        assert (status, body["error"]) == (400, "invalid_request")
        assert "upgrade" in body["error_description"]
        assert connection.recv(1) == b""


def test_a_connection_closes_after_an_offered_upgrade(site: Served) -> None:
    with connect(site) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer


@pytest.mark.parametrize("path", ["/token", "/introspect"])
@pytest.mark.parametrize("host", ["", "a,b", "a b", "a/b", "a@b"])
def test_an_ambiguous_host_is_refused(site: Served, path: str, host: str) -> None:
    with connect(site) as connection:
        connection.sendall(request(path, poll_form("x")).replace(b"Host: x", f"Host: {host}".encode()))
        status, body = read_answer(connection)
        assert (status, body["error_description"]) == (400, "the header host must be a name with an optional port")


def metric(site: Served, name: str) -> float:
    lines = httpx2.get(f"{site.url}/metrics", trust_env=False).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))
