"""Arbitrary bytes sent to a running server never cause a fault, and other clients are still served."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx2
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from support.grants import UUID
from support.machine import DEVICE_GRANT, TALOS
from support.site import Served, free_port, served

FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
ASK = b"client_id=talos&uuid=" + UUID.encode()
POLL = b"client_id=talos&device_code=x&grant_type=" + DEVICE_GRANT.encode()
GOOD = [
    b"POST /device/code HTTP/1.1\r\nHost: x\r\n%bContent-Length: %d\r\n\r\n%b" % (FORM, len(ASK), ASK),
    b"POST /token HTTP/1.1\r\nHost: x\r\n%bContent-Length: %d\r\n\r\n%b" % (FORM, len(POLL), POLL),
    b"POST /token HTTP/1.1\r\nHost: x\r\n%bTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" % FORM,
    b"GET /config?uuid=${uuid} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\nAccept-Encoding: gzip\r\n\r\n",
    b"GET /readyz HTTP/1.0\r\nHost: x\r\n\r\n",
    b"POST /introspect HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n%bContent-Length: 3\r\n\r\nabc" % FORM,
]
NASTY = [
    *(
        b"\r\n",
        b"\0",
        b"\xff\xfe",
        b" ",
        b"\r",
        b":",
        b"%",
        b"%zz",
        b"HTTP/1.1",
        b"Content-Length: 9\r\n",
        b"x" * 70000,
    ),
    *(b"Upgrade: h2c\r\nConnection: Upgrade\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01"),
]
READING = 0.3
"""How long to wait for an answer, in seconds: a server waits for the rest of an incomplete request."""


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """One or two valid requests with parts removed, repeated or inserted."""
    data = b"".join(draw(st.lists(st.sampled_from(GOOD), min_size=1, max_size=2)))
    for _ in range(draw(st.integers(1, 4))):
        at, length = draw(st.integers(0, len(data))), draw(st.integers(0, 12))
        piece = draw(st.one_of(st.binary(max_size=6), st.sampled_from(NASTY), st.just(data[at : at + length] * 2)))
        data = data[:at] + piece + data[at + length :]
    return data


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    pages = f"127.0.0.1:{free_port()}"
    apart = {"operators.listen": pages, "operators.public_url": f"http://{pages}"}
    with served(tmp_path_factory.mktemp("served"), settings='hold = "0s"', database=apart) as running:
        yield running
        assert running.stop() == 0
        assert "Traceback" not in running.log
        assert "Exception" not in running.log


async def answer_to(port: int, data: bytes) -> bytes:
    """Send the bytes, and return the answer of the next moments. Then close or reset the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    try:
        async with asyncio.timeout(READING):
            writer.write(data)
            while chunk := await reader.read(65536):
                answer += chunk
    except (TimeoutError, ConnectionError):
        pass
    finally:
        writer.transport.abort()
    return answer


async def answers_to(port: int, requests: list[bytes]) -> list[bytes]:
    return await asyncio.gather(*(answer_to(port, data) for data in requests))


@settings(
    max_examples=12, deadline=None, database=None, suppress_health_check=list(HealthCheck),
    # The message shows the request, so shrinking is not needed.
    phases=[Phase.generate],
)  # fmt: skip
@given(requests=st.lists(st.one_of(damaged(), st.binary(max_size=300)), min_size=30, max_size=60))
def test_the_server_survives_any_bytes(site: Served, requests: list[bytes]) -> None:
    answers = asyncio.run(answers_to(int(site.url.rpartition(":")[2]), requests))
    for request, answer in zip(requests, answers, strict=True):
        assert answer == b"" or answer.startswith(b"HTTP/1.1 "), (request, answer)
        assert b"HTTP/1.1 5" not in answer, (request, answer)
        assert b"<html" not in answer.lower(), (request, answer)
    assert site.process.poll() is None
    good = httpx2.post(f"{site.url}/device/code", data=TALOS, trust_env=False)
    assert good.status_code == 200
