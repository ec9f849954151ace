"""bootgrant behind the proxies of packaging/proxies/."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from bootgrant.trust import client_context
from support.answering_server import AnsweringServer, http
from support.machine import DEVICE_GRANT, TALOS
from support.proxies import KINDS, Proxied, proxied
from support.site import CONFIG, booting, wait_until

# Changes to the shipped configurations: the time in which a request must arrive.
SOON = {
    "nginx": {"header_timeout 15s": "header_timeout 1s", "body_timeout 15s": "body_timeout 1s"},
    "caddy": {"read_header 15s": "read_header 1s", "read_body 15s": "read_body 1s"},
    "haproxy": {"timeout http-request 15s": "timeout http-request 1s"},
    "traefik": {"readTimeout: 15s": "readTimeout: 1s"},
}
ANOTHER = "7b2f3f60-52c1-4e0f-8a6d-0d5f1c3e9a11"
LARGE = "# filler\n" * 300_000


@pytest.fixture(scope="module", params=KINDS)
def proxy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    with proxied(request.param, tmp_path_factory.mktemp(request.param), {}) as running:
        yield running


def client(proxy: Proxied, address: str = "127.0.0.1") -> httpx2.Client:
    """A client at ``address`` that calls the machines' host name."""
    transport = httpx2.HTTPTransport(verify=client_context(proxy.ca), local_address=address)
    return httpx2.Client(transport=transport, base_url=proxy.machines, timeout=30)


def poll_form(codes: dict[str, str]) -> dict[str, str]:
    return {**TALOS, "grant_type": DEVICE_GRANT, "device_code": codes["device_code"]}


def approved(proxy: Proxied, machine: httpx2.Client, **variables: str) -> str:
    """The token of a machine whose request was approved."""
    codes = machine.post("/device/code", data={"client_id": "talos", **variables}).json()
    assert proxy.site.command("approve", codes["user_code"]).returncode == 0
    token: str = machine.post("/token", data=poll_form(codes)).json()["access_token"]
    return token


def raw(proxy: Proxied, request: bytes, *, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> bytes:
    """Send these bytes inside TLS and return what comes back until the proxy closes."""
    context = client_context(proxy.ca)
    # Only this level offers old versions of TLS.
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    plain = socket.create_connection(("127.0.0.1", proxy.port), timeout=20)
    with plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
        connection.sendall(request)
        answer = b""
        with contextlib.suppress(OSError):
            while chunk := connection.recv(65536):
                answer += chunk
    return answer


def test_a_machine_gets_its_configuration_through_https(proxy: Proxied, tmp_path: Path) -> None:
    with booting(proxy.machines, tmp_path, "--ca", str(proxy.ca)) as machine:
        code = machine.code()
        assert f"{proxy.people}/device and enter the code {code}" in machine.said
        assert proxy.site.command("approve", code).returncode == 0
        assert machine.delivered() == CONFIG


def test_a_token_request_is_held_through_the_proxy_until_the_decision(proxy: Proxied) -> None:
    with client(proxy) as machine, ThreadPoolExecutor() as pool:
        codes = machine.post("/device/code", data=TALOS).json()
        held = pool.submit(machine.post, "/token", data=poll_form(codes))
        assert proxy.site.command("approve", codes["user_code"]).returncode == 0
        assert held.result(10).elapsed.total_seconds() < 10
        assert "access_token" in held.result().json()


def test_a_configuration_is_compressed_only_on_request(proxy: Proxied) -> None:
    with client(proxy) as machine:
        token = approved(proxy, machine, **TALOS)
        config = machine.get("/config", headers={"Authorization": f"Bearer {token}", "Accept-Encoding": "gzip"})
        assert (config.text, config.headers["content-encoding"]) == (CONFIG, "gzip")
        plain = machine.get("/config", headers={"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"})
        assert (plain.text, "content-encoding" in plain.headers) == (CONFIG, False)


def test_the_address_of_a_machine_is_real_whatever_it_claims(proxy: Proxied) -> None:
    lies = {"X-Forwarded-For": "203.0.113.9, 127.0.0.1", "Forwarded": "for=203.0.113.9"}
    with client(proxy, "127.0.0.5") as machine:
        codes = machine.post("/device/code", data={"client_id": "talos", "serial": "HONEST"}, headers=lies).json()
    waiting = json.loads(proxy.site.command("pending", "--json").stdout)["pending"]
    (row,) = [row for row in waiting if row["code"] == codes["user_code"]]
    assert row["address"] == "127.0.0.5"


def test_the_unescaped_request_target_of_talos_passes(proxy: Proxied) -> None:
    body = b"client_id=talos&serial=UNESCAPED"
    head = b"POST /device/code?uuid=${uuid} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    form = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n" % len(body)
    assert raw(proxy, head + form + body).startswith(b"HTTP/1.1 200 ")
    wait_until(lambda: "UNESCAPED" in proxy.site.log, "the server says who asks")


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 3\r\nContent-Length: 40\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Content-Length : 3\r\n",
        b"Content-Length: -3\r\n",
        b"Host: other.example\r\nContent-Length: 3\r\n",
    ],
)
def test_an_ambiguous_request_is_refused_without_effect(proxy: Proxied, headers: bytes) -> None:
    inner = b"POST /device/code HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 33\r\n"
    inner += b"Content-Type: application/x-www-form-urlencoded\r\n\r\nclient_id=talos&serial=SMUGGLED01"
    answer = raw(proxy, b"POST /token HTTP/1.1\r\nHost: 127.0.0.1\r\n" + headers + b"\r\nabc" + inner)
    if proxy.kind == "haproxy":
        assert answer == b""
    else:
        assert answer[9:12] in (b"400", b"501")
        assert answer.count(b"HTTP/1.1 ") == 1
    assert "SMUGGLED01" not in proxy.site.log


def test_a_length_together_with_chunks_does_not_hide_a_second_request(proxy: Proxied) -> None:
    both = (
        b"POST /token HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG"
    )
    answer = raw(proxy, both + b"ET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    assert answer[9:12] == b"400"
    # nginx and HAProxy answer nothing more. Caddy and Traefik see the second request, too, and pass it on as such.
    assert answer.count(b"HTTP/1.1 ") == (2 if proxy.kind in ("caddy", "traefik") else 1)


def test_tls_is_1_2_or_later(proxy: Proxied) -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    assert raw(proxy, request, version=ssl.TLSVersion.TLSv1_2).startswith(b"HTTP/1.1 200 ")
    refused = pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"), refused:
        raw(proxy, request, version=ssl.TLSVersion.TLSv1_1)


def test_http_2_is_offered_by_those_that_answer_a_held_request_when_the_server_ends(proxy: Proxied) -> None:
    """On HTTP/2, HAProxy resets such a request instead."""
    context = client_context(proxy.ca)
    context.set_alpn_protocols(["h2", "http/1.1"])
    plain = socket.create_connection(("127.0.0.1", proxy.port), timeout=20)
    with plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
        expected = {"caddy": "h2", "traefik": "h2", "haproxy": "http/1.1", "nginx": "http/1.1"}
        assert connection.selected_alpn_protocol() == expected[proxy.kind]


def test_people_and_machines_have_separate_host_names(proxy: Proxied) -> None:
    context = client_context(proxy.ca)
    with httpx2.Client(verify=context, base_url=proxy.people, follow_redirects=True) as person:
        page = person.get("/device")
        assert (page.status_code, page.url.path) == (200, "/login")
        assert person.post("/token", data={}).status_code in (404, 405)
    with client(proxy) as machine:
        assert machine.get("/login").status_code == 404


def test_a_request_that_is_too_large_is_refused_without_a_page(proxy: Proxied) -> None:
    with client(proxy) as machine:
        for size in (17_000, 2_000_000):
            refused = machine.post("/token", content=b"x" * size, headers={"Content-Type": "text/plain"})
            assert 400 <= refused.status_code < 500
            assert "<html" not in refused.text


def test_a_large_configuration_arrives_complete(proxy: Proxied) -> None:
    (proxy.site.machines / f"{ANOTHER}.yaml").write_text(LARGE)
    with client(proxy) as machine:
        token = approved(proxy, machine, uuid=ANOTHER)
        answer = machine.get("/config", headers={"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"})
        assert answer.text == LARGE


@pytest.mark.parametrize("kind", KINDS)
def test_a_request_arrives_as_it_was_sent_except_for_its_claims_about_the_address(kind: str, tmp_path: Path) -> None:
    targets = (
        "/device/code?uuid=${uuid}&mac=<${mac}>",
        "/config/rack%2F4/node?uuid=${uuid}&serial=a%20b+c",
        "/config//a/../b",
    )
    claims = "X-Forwarded-For: 203.0.113.9\r\nForwarded: for=203.0.113.9\r\n"
    with AnsweringServer(lambda _: http(200, b"seen")) as upstream:
        changes = {"127.0.0.1:8080": f"127.0.0.1:{upstream.port}"}
        with proxied(kind, tmp_path, changes) as proxy:
            for target in targets:
                request = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{claims}\r\n"
                raw(proxy, request.encode())
    assert tuple(upstream.targets()) == targets
    for asked in upstream.asked:
        assert asked.headers["x-forwarded-for"] == ("203.0.113.9, 127.0.0.1" if kind == "nginx" else "127.0.0.1")
        assert not asked.headers.get("forwarded")


@pytest.mark.parametrize("kind", KINDS)
def test_a_slow_request_ends_and_a_held_one_does_not(kind: str, tmp_path: Path) -> None:
    head = b"POST /token HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    with proxied(kind, tmp_path, SOON[kind], 'hold = "3s"') as proxy:
        for request in (head, head + b"Content-Length: 40\r\n\r\nclient_id="):
            began = time.monotonic()
            answer = raw(proxy, request)
            assert time.monotonic() - began < 10
            assert b"<html" not in answer.lower()
        with client(proxy) as machine:
            codes = machine.post("/device/code", data=TALOS).json()
            held = machine.post("/token", data=poll_form(codes))
        assert held.json() == {"error": "authorization_pending"}
        assert held.elapsed.total_seconds() > 2
