"""Any bytes sent to an endpoint get a well-formed answer, and never make the server fail."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Iterator, MutableMapping
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bootgrant.machine_plane.git_webhook import GitWebhook
from bootgrant.operator_plane.api.routes import ROUTES
from bootgrant.operator_plane.app import PAGES
from bootgrant.wire.secret import Secret
from support.grants import MAC, UUID
from support.machine import DEVICE_GRANT
from support.site import CONFIG, InProcess, site_in_process

OAUTH = ("/device/code", "/token", "/introspect", "/revoke")
CONFIGS = ("/config", "/config/", "/config/worker.yaml")
_PARAMETER = re.compile(r"\{\w+\}")
OTHERS = ("/healthz", "/readyz", "/metrics", "/.well-known/oauth-authorization-server")
PAGE_ROUTES = [(page.method, _PARAMETER.sub("x", page.path)) for page in PAGES]
SUFFIXES = st.sampled_from(["", "", "", "", "/x", "/", "\0", "\u00e9"])
"""Suffixes of a path."""
API_ROUTES = [(route.method, _PARAMETER.sub("x", route.path)) for route in ROUTES]
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
# Each example checks the log for errors, so a log shared by all examples is fine.
EXAMPLES = settings(
    max_examples=150, deadline=None, database=None, suppress_health_check=[*SLOW, HealthCheck.function_scoped_fixture]
)
FEWER = settings(EXAMPLES, max_examples=60)
FORM = b"application/x-www-form-urlencoded"
ORIGIN = b"http://boot.example:8080"

tokens = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12).map(str.encode)
values = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([FORM, FORM + b"; charset=utf-8", b"application/json", b"gzip;q=", b"Bearer x", b"Basic dGFsb3M6",
                     b"Basic \xff", b"1.2.3.4, ::1", b"for=\"[::1", b"18446744073709551616", b"chunked", b"a:b@c"]),
)  # fmt: skip
names = st.one_of(
    tokens,
    st.sampled_from([b"content-type", b"authorization", b"accept-encoding", b"x-forwarded-for", b"forwarded", b"host",
                     b"content-length", b"transfer-encoding", b"expect", b"cookie", b"range"]),
)  # fmt: skip
headers = st.lists(st.tuples(names, values), max_size=5)
variables = st.sampled_from(
    [
        "client_id",
        "client_secret",
        "grant_type",
        "device_code",
        "uuid",
        "serial",
        "mac",
        "hostname",
        "code",
        "token",
        "scope",
    ]
)
texts = st.one_of(st.text(max_size=30), st.sampled_from(["talos", DEVICE_GRANT, UUID, MAC, "${uuid}", "\0", "0" * 300]))
bodies = st.one_of(
    st.binary(max_size=200),
    st.lists(st.tuples(variables, texts), max_size=8).map(lambda pairs: urlencode(pairs).encode()),
)
methods = st.one_of(
    st.sampled_from(["POST", "GET", "HEAD", "OPTIONS", "PUT"]), st.text("ABCXYZ", min_size=1, max_size=9)
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    with site_in_process(tmp_path_factory.mktemp("site"), "[grants]", 'hold = "0s"') as made:
        (made.machines / f"{UUID}.yaml").write_text(CONFIG)
        yield made


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@pytest.fixture(scope="module")
def bearer_header(site: InProcess, runner: asyncio.Runner) -> bytes:
    """The Authorization header of an admin's program."""

    async def add() -> str:
        about = {"name": "all", "role": "admin", "seconds": 86400}
        made = await site.admin().post("/api/v1/tokens", json=about)
        token: str = made.raise_for_status().json()["token"]
        return token

    return b"Bearer " + runner.run(add()).encode()


class Answered:
    """The collected response of an application."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.complete = False

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
        else:
            self.body += message.get("body", b"")
            self.complete = not message.get("more_body", False)


async def request(
    site: InProcess | GitWebhook,
    method: str,
    path: str,
    query: bytes,
    sent: list[tuple[bytes, bytes]],
    pieces: list[bytes],
) -> Answered:
    answer, left = Answered(), list(pieces) or [b""]

    async def receive() -> MutableMapping[str, Any]:
        if not left:
            # A server sends this when the response is complete or the client hung up.
            await asyncio.sleep(0)
            return {"type": "http.disconnect"} if answer.complete else await asyncio.get_running_loop().create_future()
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": query, "root_path": "",
        "headers": sent, "client": ("10.20.0.11", 40000), "server": ("boot.example", 8080),
    }  # fmt: skip
    async with asyncio.timeout(20):
        app = site.built.public if isinstance(site, InProcess) else site
        await app(scope, receive, answer.send)
    return answer


def pieces_of(body: bytes, cut: int) -> list[bytes]:
    return [body[:cut], body[cut:]] if cut < len(body) else [body]


@EXAMPLES
@given(
    path=st.sampled_from(OAUTH), method=methods, query=st.binary(max_size=30), sent=headers, body=bodies,
    cut=st.integers(0, 300), usual=st.booleans(),
)  # fmt: skip
def test_an_oauth_endpoint_answers_json_and_never_fails(
    site: InProcess, runner: asyncio.Runner, caplog: pytest.LogCaptureFixture, path: str, method: str, query: bytes,
    sent: list[tuple[bytes, bytes]], body: bytes, cut: int, usual: bool,
) -> None:  # fmt: skip
    if usual:
        method, sent = "POST", [(b"host", b"x"), (b"content-type", FORM), *sent]
    answer = runner.run(request(site, method, path, query, sent, pieces_of(body, cut)))
    assert 200 <= answer.status < 500
    assert answer.headers[b"content-type"] == b"application/json"
    assert answer.headers[b"cache-control"] == b"no-store"
    members = json.loads(answer.body)
    assert answer.status == 200 or members["error"]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@EXAMPLES
@given(
    path=st.sampled_from(CONFIGS), method=methods, query=st.binary(max_size=60), sent=headers,
    bearer=st.one_of(st.none(), st.binary(max_size=60)), body=st.binary(max_size=30),
)  # fmt: skip
def test_config_answers_a_line_for_the_console_and_never_fails(
    site: InProcess, runner: asyncio.Runner, caplog: pytest.LogCaptureFixture, path: str, method: str, query: bytes,
    sent: list[tuple[bytes, bytes]], bearer: bytes | None, body: bytes,
) -> None:  # fmt: skip
    if bearer is not None:
        sent = [(b"host", b"x"), (b"authorization", b"Bearer " + bearer), *sent]
    answer = runner.run(request(site, method, path, query, sent, [body]))
    assert 400 <= answer.status < 500
    assert answer.body.strip()
    assert answer.headers[b"content-type"].partition(b";")[0] in (b"text/plain", b"application/json")
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@EXAMPLES
@given(
    path=st.sampled_from(OTHERS),
    method=methods,
    query=st.binary(max_size=60),
    sent=headers,
    body=st.binary(max_size=30),
)
def test_the_other_endpoints_never_fail(
    site: InProcess, runner: asyncio.Runner, path: str, method: str, query: bytes,
    sent: list[tuple[bytes, bytes]], body: bytes,
) -> None:  # fmt: skip
    answer = runner.run(request(site, method, path, query, sent, [body]))
    assert 200 <= answer.status < 500
    assert b"text/html" not in answer.headers[b"content-type"]


harmless = st.lists(
    st.tuples(st.sampled_from([b"accept", b"cookie", b"range", b"user-agent", b"x-y"]), values), max_size=3
)


@FEWER
@given(
    route=st.sampled_from(PAGE_ROUTES), suffix=SUFFIXES, query=st.binary(max_size=60),
    sent=harmless, body=bodies,
)  # fmt: skip
def test_the_pages_never_fail_without_a_session(
    site: InProcess, runner: asyncio.Runner, caplog: pytest.LogCaptureFixture, route: tuple[str, str],
    suffix: str, query: bytes, sent: list[tuple[bytes, bytes]], body: bytes,
) -> None:  # fmt: skip
    method, path = route[0], route[1] + suffix
    sent = [(b"host", ORIGIN[7:]), (b"origin", ORIGIN), (b"content-type", FORM), *sent]
    answer = runner.run(request(site, method, path, query, sent, [body]))
    assert 200 <= answer.status < 500
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


documents = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)
members = st.dictionaries(
    st.sampled_from(
        ["code", "codes", "entry", "name", "role", "labels", "seconds", "uuid", "reason", "password", "seen"]
    ),
    st.one_of(documents, texts),
    max_size=4,
)
jsons = st.one_of(members, documents).map(lambda value: json.dumps(value).encode())


@FEWER
@given(
    route=st.sampled_from(API_ROUTES), suffix=SUFFIXES, known=st.booleans(),
    query=st.one_of(st.just(b""), st.binary(max_size=60)), sent=harmless,
    body=st.one_of(st.binary(max_size=100), jsons),
)  # fmt: skip
def test_the_api_always_answers_json_and_never_fails(
    site: InProcess, runner: asyncio.Runner, caplog: pytest.LogCaptureFixture, bearer_header: bytes,
    route: tuple[str, str], suffix: str, known: bool, query: bytes, sent: list[tuple[bytes, bytes]], body: bytes,
) -> None:  # fmt: skip
    method, path = route[0], route[1] + suffix
    sent = [(b"host", b"x"), *([(b"authorization", bearer_header)] if known else []), *sent]
    answer = runner.run(request(site, method, path, query, sent, [body]))
    assert 200 <= answer.status < 500
    assert answer.headers[b"content-type"] == b"application/json"
    assert answer.status < 400 or json.loads(answer.body)["error"]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@FEWER
@given(method=methods, query=st.binary(max_size=30), sent=headers, body=bodies)
def test_the_git_webhook_rejects_unsigned_requests_and_never_fails(
    runner: asyncio.Runner, method: str, query: bytes, sent: list[tuple[bytes, bytes]], body: bytes
) -> None:
    looks: list[str] = []
    hook = GitWebhook(Secret("0123456789abcdef0123456789abcdef"), lambda: looks.append("look"))
    answer = runner.run(request(hook, method, "/hooks/git", query, sent, [body]))
    assert (400 <= answer.status < 500, looks) == (True, [])
