"""A login of the command line: the endpoints that it calls, and the page on which a person approves it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from bootgrant.approval.codes import session_digest
from bootgrant.approval.operators import VIA_SESSION, Kind, Label, Role
from bootgrant.operator_plane.wording import text
from bootgrant.ports.audit import AuditFilter
from bootgrant.ports.logins import KEPT_AFTER_EXPIRY, TAKEN_WITHIN
from bootgrant.ports.people import Operator, Session
from bootgrant.wire.device_flow import GRANT_TYPE
from bootgrant.wire.secret import Secret
from bootgrant.workflows.people.command_line import INTERVAL, LIFETIME, MOST
from support.office import Office, Person, text_of

pytestmark = pytest.mark.anyio
CLIENT = "bootgrant-cli"


@dataclass
class CommandLine:
    """A command line that logs in."""

    office: Office
    address: str = "10.0.0.5"
    code: str = ""
    secret: str = ""

    async def post(self, path: str, **form: str) -> httpx2.Response:
        async with self.office.site.client(self.address) as client:
            return await client.post(path, data={"client_id": CLIENT, **form})

    async def begin(self, **wishes: str) -> httpx2.Response:
        answer = await self.post("/login/device/code", **{"host": "laptop", "user": "ana", **wishes})
        if answer.status_code == 200:
            self.code, self.secret = answer.json()["user_code"], answer.json()["device_code"]
        return answer

    async def poll(self) -> dict[str, Any]:
        self.office.site.clock.advance(INTERVAL)
        answer = await self.post("/login/device/token", grant_type=GRANT_TYPE, device_code=self.secret)
        found: dict[str, Any] = answer.json()
        return found


async def begun(office: Office, address: str = "10.0.0.5", **wishes: str) -> CommandLine:
    line = CommandLine(office, address)
    answer = await line.begin(**wishes)
    assert answer.status_code == 200, answer.text
    return line


async def typed(person: Person, code: str) -> httpx2.Response:
    await person.open("/login/device")
    return await person.send("/login/device", code=code)


async def approve(person: Person, code: str, role: str = "viewer", seconds: str = "43200", **more: str) -> Any:
    await typed(person, code)
    form = {"code": code, "decision": "approve", "role": role, "labels": "", "seconds": seconds, **more}
    return await person.send("/login/device", **form)


async def whoami(office: Office, token: str) -> httpx2.Response:
    async with office.site.client("10.0.0.9") as client:
        return await client.get("/api/v1/whoami", headers={"authorization": f"Bearer {token}"})


async def test_a_login_is_approved_and_its_token_delivered_once(office: Office) -> None:
    ana, line = await office.person("ana", Role.APPROVER), await begun(office)
    assert (await line.poll())["error"] == "authorization_pending"
    done = await approve(ana, line.code)
    assert text("command_line.approved") in text_of(done)
    answer = await line.poll()
    assert (answer["token_type"], 43190 < answer["expires_in"] <= 43200) == ("Bearer", True)
    shown = (await whoami(office, answer["access_token"])).json()
    assert (shown["person"], shown["role"], shown["labels"]) == ("ana", "viewer", [])
    assert re.fullmatch(r"token:login-laptop-[0-9a-f]{8}", shown["via"])
    assert shown["expires_at"] == pytest.approx(office.site.clock.now() + 43200, abs=10)
    assert (await line.poll())["error"] == "invalid_grant"


async def test_the_audit_says_what_logged_in_and_from_where(office: Office) -> None:
    ana, line = await office.person("ana"), await begun(office, host="lap\u202etop", user="ana")
    await approve(ana, line.code)
    token = (await line.poll())["access_token"]
    (record,) = await office.site.database.audit.newest(AuditFilter(), 1)
    assert record.event.kind.value == "token-changed"
    assert (record.event.actor, record.event.via) == ("ana", VIA_SESSION)
    assert record.event.reason == "bootgrant login on 'lap\\u202etop' by 'ana' from 10.0.0.5"
    assert token not in record.line
    assert line.secret not in record.line


async def test_the_codes_answer_follows_the_rfc_and_has_no_link_with_the_code(office: Office) -> None:
    line = CommandLine(office)
    answer = await line.begin()
    assert answer.headers["cache-control"] == "no-store"
    assert set(answer.json()) == {"device_code", "user_code", "verification_uri", "expires_in", "interval"}
    assert answer.json()["verification_uri"] == f"{office.site.site.public_url}/login/device"
    assert re.fullmatch(r"\d{3}-\d{3}-\d{3}", line.code)
    assert (answer.json()["expires_in"], answer.json()["interval"]) == (LIFETIME, INTERVAL)


async def test_the_database_has_neither_codes_nor_tokens(office: Office) -> None:
    ana, line = await office.person("ana"), await begun(office)
    await approve(ana, line.code)
    other = await begun(office)
    token = str((await line.poll())["access_token"])
    stored = b"".join(file.read_bytes() for file in office.site.site.data.glob("bootgrant.sqlite3*"))
    assert b"laptop" in stored
    for secret in (line.secret, other.secret, line.code, line.code.replace("-", ""), token):
        assert secret.encode() not in stored


async def test_the_page_shows_who_asks_and_suggests_the_least(office: Office) -> None:
    admin, line = await office.person("ada", Role.ADMIN), await begun(office, host="<b>lap</b>", user="root")
    office.site.clock.advance(65)
    page = await typed(admin, line.code)
    words = text_of(page)
    assert "<b>lap</b>" in words
    assert "<b>lap" not in page.text
    assert f"10.0.0.5 , {text('command_line.same_address')}" in words
    assert "1:05 ago" in words
    assert text("command_line.stop_text") in words
    assert text("command_line.elsewhere_title") not in words
    assert re.findall(r'value="(\w+)" required( checked)?', page.text) == [
        ("viewer", " checked"), ("auditor", ""), ("approver", ""), ("admin", "")
    ]  # fmt: skip
    assert '<option value="43200" selected>12 hours' in page.text


async def test_what_gives_more_is_not_suggested_but_chosen(office: Office) -> None:
    admin = await office.person("ada", Role.ADMIN)
    line = await begun(office, role="admin", seconds=str(30 * 86400))
    page = await typed(admin, line.code)
    assert " checked" not in page.text
    assert '<option value="" selected>' in page.text
    assert f"admin {text('command_line.wants')}" in text_of(page)
    refused = await admin.send("/login/device", code=line.code, decision="approve", labels="")
    assert (refused.status_code, text("command_line.incomplete") in text_of(refused)) == (400, True)
    assert (await line.poll())["error"] == "authorization_pending"
    await approve(admin, line.code, "admin", str(30 * 86400))
    token = (await line.poll())["access_token"]
    assert (await whoami(office, token)).json()["role"] == "admin"


async def test_a_command_line_elsewhere_is_a_warning(office: Office) -> None:
    ana, line = await office.person("ana"), await begun(office, address="203.0.113.7")
    words = text_of(await typed(ana, line.code))
    assert text("command_line.elsewhere_title") in words
    assert "203.0.113.7" in words


async def test_nobody_gives_more_than_they_have(office: Office) -> None:
    vic = await office.person("vic", Role.VIEWER)
    line = await begun(office, role="admin")
    page = await typed(vic, line.code)
    assert text("command_line.too_much", role="admin") in text_of(page)
    assert re.findall(r'name="role" value="(\w+)"', page.text) == ["viewer"]
    refused = await approve(vic, line.code, "admin")
    assert "Your role is viewer" in text_of(refused)
    assert (await line.poll())["error"] == "authorization_pending"
    long = await approve(vic, line.code, seconds=str(400 * 86400))
    assert "must be between 1 second and 366 days" in text_of(long)


async def test_the_labels_are_within_the_person_s_own(office: Office) -> None:
    now = office.site.clock.now()
    fra = Operator("fay", "", now, Role.APPROVER, (Label("site", "fra"),))
    await office.site.database.operators.add_operator(fra)
    fay, line = await office.person("fay"), await begun(office)
    assert 'name="labels" value="site=fra"' in (await typed(fay, line.code)).text
    refused = await approve(fay, line.code, labels="site=ams")
    assert "You may only decide about machines with site=fra" in text_of(refused)
    await approve(fay, line.code, labels="")
    token = (await line.poll())["access_token"]
    assert (await whoami(office, token)).json()["labels"] == ["site=fra"]


async def test_a_denied_login_gets_nothing_and_is_in_the_audit(office: Office) -> None:
    ana, line = await office.person("ana"), await begun(office)
    await typed(ana, line.code)
    done = await ana.send("/login/device", code=line.code, decision="deny")
    assert text("command_line.denied_title") in text_of(done)
    (record,) = await office.site.database.audit.newest(AuditFilter(), 1)
    assert record.event.details["done"] == "denied a bootgrant login from 10.0.0.5"
    assert (await line.poll())["error"] == "access_denied"
    assert (await line.poll())["error"] == "invalid_grant"
    assert (await typed(ana, line.code)).status_code == 404


async def test_an_approval_is_not_kept_for_a_command_line_that_comes_late(office: Office) -> None:
    ana, line = await office.person("ana"), await begun(office)
    await approve(ana, line.code)
    office.site.clock.advance(TAKEN_WITHIN)
    assert (await line.poll())["error"] == "expired_token"
    assert await office.site.database.api_tokens.tokens() == []


@pytest.mark.parametrize("change", ["disabled", "viewer"])
async def test_rights_that_were_lost_in_between_count(office: Office, change: str) -> None:
    ana, line = await office.person("ana", Role.APPROVER), await begun(office)
    await approve(ana, line.code, "approver")
    operators = office.site.database.operators
    if change == "disabled":
        await operators.set_disabled("ana", office.site.clock.now())
    else:
        await operators.set_rights("ana", Role.VIEWER, ())
    assert (await line.poll())["error"] == "access_denied"


async def test_an_old_sign_in_cannot_approve(office: Office) -> None:
    secret, now = Secret("o" * 43), office.site.clock.now()
    await office.site.database.operators.add_operator(Operator("ana", "", now, Role.ADMIN))
    session = Session(session_digest(secret), "ana", now, now, now, VIA_SESSION)
    await office.site.database.operators.open_session(session)
    ana = office.browser()
    ana.client.cookies.set("bootgrant", secret.reveal(), domain="boot.example")
    await ana.open("/login/device")
    office.site.clock.advance(3600)
    line = await begun(office)
    asked = await ana.open("/login/device")
    assert (asked.status_code, asked.headers["location"]) == (303, "/login/again?next=%2Flogin%2Fdevice")
    sent = await ana.send("/login/device", code=line.code, decision="approve", role="admin", seconds="3600")
    assert sent.headers["location"] == "/login/again?next=%2Flogin%2Fdevice"
    assert (await line.poll())["error"] == "authorization_pending"


async def test_break_glass_operators_have_no_tokens(office: Office) -> None:
    now = office.site.clock.now()
    await office.site.database.operators.add_operator(Operator("fire", "", now, Role.ADMIN, kind=Kind.BREAK_GLASS))
    fire = await office.person("fire")
    assert (await fire.open("/login/device")).status_code == 403


async def test_codes_of_machines_and_of_logins_are_recognised_in_the_wrong_place(office: Office) -> None:
    office.configure()
    _, machine_code = await office.machine()
    ana, line = await office.person("ana"), await begun(office)
    wrong = await typed(ana, machine_code)
    assert (wrong.status_code, text("command_line.machine_code") in text_of(wrong)) == (400, True)
    assert f'<a href="/device">{text("command_line.machine_link")}</a>' in wrong.text
    await ana.open("/device")
    other = await ana.send("/device", code=line.code)
    assert (other.status_code, text("command_line.login_code") in text_of(other)) == (400, True)
    assert f'<a href="/login/device">{text("command_line.login_link")}</a>' in other.text


async def test_an_address_fills_no_field_and_a_link_approves_nothing(office: Office) -> None:
    ana, line = await office.person("ana"), await begun(office)
    page = await ana.open(f"/login/device?code={line.code}&decision=approve&role=admin&seconds=3600")
    assert line.code not in page.text
    assert (await line.poll())["error"] == "authorization_pending"


@pytest.mark.parametrize("code", ["", "12345678", "1234567890", "١٢٣-٤٥٦-٧٨٩", "abc-def-ghi"])
async def test_other_text_is_not_a_code(office: Office, code: str) -> None:
    page = await typed(await office.person("ana"), code)
    assert (page.status_code, text("command_line.no_code") in text_of(page)) == (400, True)


async def test_guessed_codes_are_limited(office: Office) -> None:
    ana = await office.person("ana")
    await ana.open("/login/device")
    statuses = [(await ana.send("/login/device", code=f"{number:09}")).status_code for number in range(21)]
    assert statuses == [404] * 20 + [429]


async def test_expired_codes_get_the_error_of_the_rfc(office: Office) -> None:
    ana, line = await office.person("ana"), await begun(office)
    office.site.clock.advance(LIFETIME)
    assert (await line.poll())["error"] == "expired_token"
    assert (await typed(ana, line.code)).status_code == 404


async def test_polls_that_come_too_fast_are_slowed_down(office: Office) -> None:
    line = await begun(office)
    form = {"grant_type": GRANT_TYPE, "device_code": line.secret}
    errors = [(await line.post("/login/device/token", **form)).json()["error"] for _ in range(4)]
    assert errors == ["authorization_pending", "authorization_pending", "slow_down", "slow_down"]
    assert (await line.poll())["error"] == "authorization_pending"


@pytest.mark.parametrize(
    ("path", "form", "status", "error"),
    [
        ("code", {"client_id": "talos"}, 401, "invalid_client"),
        ("code", {"role": "king"}, 400, "invalid_request"),
        ("code", {"labels": "site"}, 400, "invalid_request"),
        ("code", {"seconds": "nan"}, 400, "invalid_request"),
        ("code", {"seconds": "1e9"}, 400, "invalid_request"),
        ("token", {"client_id": "talos", "grant_type": GRANT_TYPE}, 401, "invalid_client"),
        ("token", {"grant_type": "password"}, 400, "unsupported_grant_type"),
        ("token", {"grant_type": GRANT_TYPE}, 400, "invalid_grant"),
        ("token", {"grant_type": GRANT_TYPE, "device_code": "x" * 2000}, 400, "invalid_grant"),
    ],
)
async def test_wrong_requests_get_an_oauth_error(
    office: Office, path: str, form: dict[str, str], status: int, error: str
) -> None:
    answer = await CommandLine(office).post(f"/login/device/{path}", **form)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.headers["cache-control"] == "no-store"


async def test_one_address_cannot_fill_the_database(office: Office) -> None:
    answers = [await CommandLine(office, "203.0.113.8").begin() for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert answers[-1].json()["error"] == "temporarily_unavailable"
    assert int(answers[-1].headers["retry-after"]) > 0
    assert (await CommandLine(office, "203.0.113.9").begin()).status_code == 200


async def test_many_addresses_cannot_fill_the_database(office: Office) -> None:
    await begun(office)
    rows = office.site.database.file
    [(columns,)] = rows.read("SELECT group_concat(name) FROM pragma_table_info('command_line_logins')", ())
    others = columns.replace("secret_digest", "randomblob(32)").replace("code_digest", "randomblob(32)")
    numbers = "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
    copies = f"{numbers} INSERT INTO command_line_logins SELECT {others} FROM command_line_logins, n"
    await rows.write(lambda connection: connection.execute(copies, (MOST,)).fetchall())
    answer = await CommandLine(office, "203.0.113.9").begin()
    assert (answer.status_code, answer.json()["error"]) == (429, "temporarily_unavailable")
    office.site.clock.advance(LIFETIME + KEPT_AFTER_EXPIRY)
    assert (await CommandLine(office, "203.0.113.9").begin()).status_code == 200


async def test_long_names_are_cut(office: Office) -> None:
    ana, line = await office.person("ana"), await begun(office, host="h" * 500, user="u" * 500)
    page = await typed(ana, line.code)
    assert ("h" * 64 in page.text, "h" * 65 in page.text) == (True, False)
    await approve(ana, line.code)
    assert "access_token" in await line.poll()


async def test_old_tokens_of_logins_are_forgotten_at_the_next_one(office: Office) -> None:
    ana, line = await office.person("ana"), await begun(office)
    await approve(ana, line.code, seconds="3600")
    await line.poll()
    office.site.clock.advance(8 * 86400)
    ana, later = await office.person("ana"), await begun(office)
    await approve(ana, later.code)
    token = (await later.poll())["access_token"]
    names = [one.name for one in await office.site.database.api_tokens.tokens()]
    assert [f"token:{name}" for name in names] == [(await whoami(office, token)).json()["via"]]


async def test_a_token_logs_itself_out(office: Office) -> None:
    ana, line = await office.person("ana"), await begun(office)
    await approve(ana, line.code)
    token = (await line.poll())["access_token"]
    async with office.site.client("10.0.0.9") as client:
        done = await client.post("/api/v1/logout", headers={"authorization": f"Bearer {token}"})
    assert (done.status_code, done.json()["revoked"].startswith("login-laptop-")) == (200, True)
    assert (await whoami(office, token)).json()["error"] == "bad_token"
    (record,) = await office.site.database.audit.newest(AuditFilter(), 1)
    assert (record.event.details["done"], record.event.reason) == ("revoked", "logged out")
