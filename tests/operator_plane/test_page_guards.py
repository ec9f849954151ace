"""What protects the pages: origin and token of forms, host, headers, permissions, limits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import httpx2
import pytest
from starlette.responses import PlainTextResponse, Response

from bootgrant.approval.operators import Role
from bootgrant.approval.transitions import GrantState
from bootgrant.asgi import App, Message
from bootgrant.credentials.passwords import Argon2Hasher
from bootgrant.operator_plane.app import PAGES, PageRoute, build_pages
from bootgrant.operator_plane.permissions import Permission, UndeclaredRoute
from bootgrant.operator_plane.plane import OperatorPlane
from bootgrant.operator_plane.visit import Visit
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.ports.people import Operator
from bootgrant.service.parts.decisions import build_decisions
from bootgrant.service.parts.people import people_plane
from bootgrant.service.parts.status import SiteStatus
from bootgrant.store.people_rows import OperatorRows
from bootgrant.store.rows import AuditOfRow, Row, Statement, Value
from bootgrant.wire.secret import Secret
from bootgrant.workflows.limits.admission import Admission
from support.fakes import CountedEntropy
from support.grants import CODES
from support.office import Office, text_of

pytestmark = pytest.mark.anyio


def plane(office: Office, public_url: str = "http://boot.example:8080") -> OperatorPlane:
    database, clock = office.site.database, office.site.clock
    source, admission = office.site.built.source, Admission(9, 9)
    decisions = build_decisions(office.site.site, database, source, clock, CountedEntropy(), CODES, admission)
    site = office.site.site
    site = replace(site, operators=replace(site.operators, public_url=public_url))
    status = SiteStatus(site, database, source.current, (), clock)
    return people_plane(site, database, decisions, source.current, b"k" * 32, clock, CountedEntropy(), status)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://boot.example"},
        {"origin": "http://boot.example:8080.evil.example"},
        {"origin": "http://boot.example:x"},
        {"origin": "", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {},
    ],
)
@pytest.mark.parametrize("form", ["approve", "login"])
async def test_a_form_from_another_site_changes_nothing(office: Office, headers: dict[str, str], form: str) -> None:
    office.configure()
    person = await office.person()
    grant, _ = await office.machine()
    await person.open(f"/requests/{grant.grant_id}")
    del person.client.headers["origin"]
    person.client.headers.update(headers)
    path = "/login" if form == "login" else f"/requests/{grant.grant_id}/approve"
    page = await person.send(path, name="ana", password="x")
    assert page.status_code == 403
    assert "This form did not come from this site" in text_of(page)
    stored = await office.site.database.grants.find_grant(grant.grant_id)
    assert stored is not None
    assert stored.state is GrantState.PENDING


@pytest.mark.parametrize("token", ["", "wrong", "é"])
async def test_a_form_without_the_token_of_the_session_changes_nothing(office: Office, token: str) -> None:
    office.configure()
    person = await office.person()
    grant, _ = await office.machine()
    person.csrf = token
    page = await person.send(f"/requests/{grant.grant_id}/approve")
    assert page.status_code == 403
    stored = await office.site.database.grants.find_grant(grant.grant_id)
    assert stored is not None
    assert stored.state is GrantState.PENDING


async def test_the_token_of_another_session_is_refused(office: Office) -> None:
    ana, ben = await office.person("ana"), await office.person("ben")
    await ben.open("/")
    ana.csrf = ben.csrf
    assert (await ana.send("/device", code="BBBB-BBBB")).status_code == 403


@pytest.mark.parametrize("host", ["boot.example", "evil.example:8080", "boot.example:8081", "boot.example:8080:1"])
async def test_a_request_for_another_host_gets_the_right_address(office: Office, host: str) -> None:
    page = await office.browser().open("/login", headers={"host": host})
    assert page.status_code == 421
    assert "Open http://boot.example:8080 instead." in text_of(page)
    assert '<a class="button" href="http://boot.example:8080/">' in page.text


async def test_the_page_for_another_host_has_the_style_of_all_pages(office: Office) -> None:
    wrong = {"host": "evil.example"}
    page = await office.browser().open("/login", headers=wrong)
    assert page.status_code == 421
    loaded = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)
    assert any(path.endswith(".css") for path in loaded)
    for path in loaded:
        assert (await office.browser().open(path, headers=wrong)).status_code == 200


SPELLINGS = {
    "https://bücher.example": (
        "xn--bcher-kva.example",
        "XN--BCHER-KVA.example:443",
        "b%C3%BCcher.example.",
        "BÜCHER.example",
    ),
    "https://xn--bcher-kva.example:8443": ("bücher.example:8443", "xn--bcher-kva.example.:8443"),
    "https://boot.example": ("BOOT.example", "boot.example:443", "boot.example."),
    "http://[fd00:0::1]:8080": ("[FD00::1]:8080", "[fd00:0:0:0:0:0:0:1]:8080"),
}


@pytest.mark.parametrize("public_url", SPELLINGS)
async def test_host_and_origin_are_compared_in_one_normal_form(office: Office, public_url: str) -> None:
    app = build_pages(plane(office, public_url))
    scheme = public_url.partition(":")[0]
    form = {"name": "ana", "password": "wrong"}
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="https://any.example") as client:
        for host in SPELLINGS[public_url]:
            # Browsers send an origin in ASCII only.
            origin = host if host.isascii() else host.encode("idna").decode()
            head = {b"host": host.encode(), b"origin": f"{scheme}://{origin}".encode()}
            assert (await client.get("/login", headers=head)).status_code == 200, host
            assert "did not come from this site" not in (await client.post("/login", headers=head, data=form)).text, (
                host
            )
        wrong = {b"host": SPELLINGS[public_url][0].encode(), b"origin": f"{scheme}://other.example".encode()}
        assert "did not come from this site" in (await client.post("/login", headers=wrong, data=form)).text
        for host in (
            "xn--bucher-kva.example",
            "bucher.example",
            "[fd00::2]:8080",
            "boot.example..",
            "b\xfccher.example",
        ):
            assert (await client.get("/login", headers={b"host": host.encode("latin-1")})).status_code == 421, host


async def test_over_https_the_cookie_is_secure_and_bound_to_this_host(office: Office) -> None:
    await office.site.database.operators.add_operator(
        Operator("ana", await Argon2Hasher().hash(Secret("pw")), 0, Role.ADMIN)
    )
    app = build_pages(plane(office, "https://boot.example"))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="https://boot.example") as client:
        form = {"name": "ana", "password": "pw", "next": "/"}
        answer = await client.post("/login", data=form, headers={"origin": "https://boot.example"})
        session, device = answer.headers.get_list("set-cookie")
        assert session.startswith("__Host-bootgrant=")
        assert device.startswith("__Host-bootgrant-device=")
        assert "; Secure" in session
        assert "; Secure" in device
        assert (await client.get("/")).status_code == 200


@pytest.mark.parametrize("path", ["/login", "/", "/nowhere", "/static/nothing.css"])
async def test_no_page_can_be_framed_cached_or_load_foreign_scripts(office: Office, path: str) -> None:
    headers = (await office.browser().open(path)).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"


async def test_no_page_has_inline_scripts_styles_or_foreign_addresses(office: Office) -> None:
    office.configure()
    person = await office.person()
    grant, _ = await office.machine()
    for path in ("/", "/device", f"/requests/{grant.grant_id}", "/nowhere"):
        page = (await person.open(path)).text
        assert " style=" not in page
        assert "<style" not in page
        assert "<script>" not in page
        assert "//" not in page.replace("http://boot.example:8080", "").replace("<!doctype", "")


async def test_static_files_may_be_cached_and_are_small(office: Office) -> None:
    browser = office.browser()
    page = await browser.open("/login")
    total = len(page.content)
    for address in {part.split('"')[0] for part in page.text.split('"/static/')[1:]}:
        answer = await browser.open(f"/static/{address}")
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        total += len(answer.content)
    assert total < 60_000


async def test_a_form_that_is_too_large_or_broken_is_refused_without_a_traceback(office: Office) -> None:
    person = await office.person()
    await person.open("/")
    form = {"content-type": "application/x-www-form-urlencoded"}
    for body, status, headers in (
        (b"a=" + b"x" * 20_000, 413, form),
        (b"code=%ff", 400, form),
        (b"code=A&code=B", 400, form),
        (b"{}", 400, {"content-type": "application/json"}),
    ):
        page = await person.client.post("/device", content=body, headers=headers)
        assert page.status_code == status
        assert "Was anything lost?" in text_of(page)


async def test_a_wrong_method_and_an_unknown_page_are_explained(office: Office) -> None:
    person = await office.person()
    assert (await person.open("/logout")).status_code == 405
    page = await person.open("/nowhere")
    assert page.status_code == 404
    assert "What now?" in text_of(page)


async def secret_page(_visit: Visit) -> Response:
    return PlainTextResponse("everything")


async def test_a_page_without_a_permission_keeps_the_server_from_starting(office: Office) -> None:
    with pytest.raises(UndeclaredRoute, match="GET /secret has no permission"):
        build_pages(plane(office), [*PAGES, PageRoute("GET", "/secret", cast("Permission", None), secret_page)])


async def test_every_page_that_is_not_public_redirects_to_the_sign_in(office: Office) -> None:
    browser = office.browser()
    for method, path, permission, _ in PAGES:
        if permission is Permission.SIGNED_IN:
            answer = await browser.client.request(
                method,
                path.format(code="BBBB-BBBB", grant_id="x"),
                data={} or None,
                headers={"content-type": "application/x-www-form-urlencoded"},
            )
            assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/login"), path


async def status_of(app: App, path: str, query: bytes, cookie: bytes) -> int:
    """Return the status of a GET with an address that an HTTP library would refuse to send."""
    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": b"", "query_string": query, "http_version": "1.1",
        "scheme": "http", "server": ("10.0.0.1", 8080), "client": ("10.0.0.5", 40000), "root_path": "",
        "headers": [(b"host", b"boot.example:8080"), (b"cookie", cookie)],
    }  # fmt: skip
    statuses: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])
            assert not [value for _, value in message["headers"] if b"\n" in value or b"\r" in value]

    await app(scope, receive, send)
    return statuses[0]


@pytest.mark.parametrize("signed_in", [False, True])
@pytest.mark.parametrize(
    "path", ["/", "/login", "/device", "/device/", "/d/\ufffd\x00", "/requests/\U0001f984", "/static/../app.py"]
)
@pytest.mark.parametrize(
    "query", [b"next=\xff", b"code=\xff\xfe", b"reason=%00%ff", b"next=%0d%0aset-cookie:x", b"a=1&" * 3000]
)
async def test_a_strange_address_never_makes_the_server_fail(
    office: Office, path: str, query: bytes, signed_in: bool
) -> None:
    cookie = (await office.person()).client.cookies["bootgrant"] if signed_in else "\xff"
    status = await status_of(office.site.built.public, path, query, f"bootgrant={cookie}".encode("latin-1"))
    assert status < 500


class BrokenRows:
    """store.people.rows.Rows on a full disk."""

    async def read(self, statement: str, *values: Value) -> Sequence[Row]:
        raise StoreUnavailable("disk full")

    async def write(self, *statements: Statement, audit: AuditOfRow | None = None) -> Sequence[Row]:
        raise StoreUnavailable("disk full")


async def test_a_store_failure_gives_an_error_page_that_says_what_is_lost(office: Office) -> None:
    whole = plane(office)
    broken = replace(whole.sessions, store=OperatorRows(BrokenRows()))
    app = build_pages(replace(whole, sessions=broken))
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url=whole.public_url) as client:
        client.cookies.set("bootgrant", "x" * 43, domain="boot.example")
        page = await client.get("/")
    assert page.status_code == 503
    assert page.headers["x-frame-options"] == "DENY"
    assert "The server cannot reach its database" in text_of(page)


async def fails(_visit: Visit) -> Response:
    raise LookupError("a bug")


async def test_a_bug_gives_an_error_page_without_a_traceback(office: Office) -> None:
    whole = plane(office)
    app = build_pages(whole, [PageRoute("GET", "/login", Permission.PUBLIC, fails)])
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=whole.public_url) as client:
        page = await client.get("/login")
    assert page.status_code == 500
    assert "The server failed" in text_of(page)
    assert "LookupError" not in page.text
    assert page.headers["cache-control"] == "no-store"
