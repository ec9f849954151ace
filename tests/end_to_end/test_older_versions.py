"""A site that an older version made and filled continues with this version: machines, people, tokens and records."""

from __future__ import annotations

import html
import re
import subprocess
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bootgrant.approval.audit import ChainCheck
from support.answering_server import AnsweringServer, reply
from support.machine import fetch
from support.older_site import TESTED, OlderSite, older_site
from support.site import Running, as_user, bootgrant, clean_environment
from support.soft_passkey import SoftPasskey

pytestmark = pytest.mark.anyio
MACHINE = "127.0.0.1"


@pytest.fixture(params=TESTED, ids="-".join)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> OlderSite:
    """The site of an older version, as its server left it."""
    version, kind = request.param
    cluster = request.getfixturevalue("postgres") if kind == "postgres" else None
    return older_site(version, kind, tmp_path, cluster)


def test_migrate_brings_the_database_to_this_version_once(old: OlderSite) -> None:
    command = bootgrant("migrate", "--config", str(old.config))
    for expected in (
        r"(applied \d{4}_\w+\n)*the database has this version's schema\n",
        "the database has this version's schema\n",
    ):
        done = subprocess.run(command, capture_output=True, text=True, env=clean_environment(), timeout=60)
        assert re.fullmatch(expected, done.stdout), done


async def test_a_waiting_machine_is_approved_and_gets_its_configuration(old: OlderSite) -> None:
    async with old.running() as site, site.client(MACHINE) as machine, site.admin() as admin:
        assert (await old.poll(machine, "pending"))["error"] == "authorization_pending"
        assert (await admin.post("/api/v1/approve", json=old.body("pending"))).status_code == 200
        token = (await old.poll(machine, "pending"))["access_token"]
        assert "type: worker" in (await fetch(machine, token)).text


async def test_every_request_is_in_the_state_that_it_was_left_in(old: OlderSite) -> None:
    expected = {
        "approved": "access_token",
        "redeemed": "access_token",
        "delivered": "access_token",
        "through a window": "access_token",
        "voted": "authorization_pending",
        "replacing": "authorization_pending",
        "denied": "access_denied",
        "revoked": "access_denied",
        "replaced": "expired_token",
        "expired": "expired_token",
    }
    async with old.running() as site, site.client(MACHINE) as machine:
        answers = {name: await old.poll(machine, name) for name in expected}
        outcomes = {name: answer.get("error", "access_token") for name, answer in answers.items()}
        assert outcomes == expected
        for name, status in {"redeemed": 200, "delivered": 200, "revoked": 401}.items():
            assert (await fetch(machine, old.known["machines"][name]["token"])).status_code == status
        assert answers["delivered"]["access_token"] == old.known["machines"]["delivered"]["token"]


async def test_the_vote_of_the_older_version_counts_once(old: OlderSite) -> None:
    async with old.running() as site, site.client(MACHINE) as machine, site.admin() as admin:
        again = await admin.post("/api/v1/approve", json=old.body("voted"), headers=as_user("ana"))
        assert again.json()["error"] == "same_person"
        approved = await machine.post("/api/v1/approve", json=old.body("voted"), headers=old.bearer("laptop"))
        assert (approved.json()["state"], len(approved.json()["votes"])) == ("approved", 1)
        token = (await old.poll(machine, "voted"))["access_token"]
        assert "type: controlplane" in (await fetch(machine, token)).text


async def test_an_assigned_machine_gets_the_entry_that_it_was_given(old: OlderSite) -> None:
    async with old.running() as site, site.client(MACHINE) as machine, site.admin() as admin:
        approved = await admin.post("/api/v1/approve", json=old.body("assigned"))
        assert approved.json()["entry"]["name"] == "spare"
        assert "access_token" in await old.poll(machine, "assigned")


async def test_operators_sign_in_with_their_passwords(old: OlderSite) -> None:
    async with old.running() as site:
        for name, password in old.known["passwords"].items():
            async with browser(site) as client:
                answer = await client.post("/login", data={"name": name, "password": password})
                assert answer.status_code == (403 if name == "dora" else 303), name


async def test_an_operator_becomes_an_auditor(old: OlderSite) -> None:
    async with old.running() as site, site.admin("root") as admin, browser(site) as client:
        assert (await admin.patch("/api/v1/operators/ben", json={"role": "auditor"})).status_code == 200
        listed = (await admin.get("/api/v1/operators")).json()["operators"]
        assert {one["name"]: one["role"] for one in listed}["ben"] == "auditor"
        await client.post("/login", data={"name": "ben", "password": old.known["passwords"]["ben"]})
        assert [(await client.get(path)).status_code for path in ("/", "/audit", "/settings")] == [200] * 3
        assert (await client.get("/batch")).status_code == 403


async def test_an_operator_signs_in_with_the_passkey(old: OlderSite) -> None:
    known = old.known["passkey"]
    credential = bytes.fromhex(known["credential_id"])
    passkey = SoftPasskey(
        "http://localhost:18080", "localhost", int(known["secret"], 16), credential, known["count"], known["handle"]
    )
    async with old.running() as site, browser(site) as client:
        page = (await client.get("/login/passkey")).text
        options = re.search(r'data-options="([^"]+)"', page)
        assert options
        answer = passkey.sign_in(html.unescape(options[1]))
        assert (await client.post("/login/passkey", data={"answer": answer, "next": "/account"})).status_code == 303
        assert "ana" in (await client.get("/account")).text


async def test_sessions_stay_open(old: OlderSite) -> None:
    async with old.running() as site:
        for name, session in old.known["sessions"].items():
            async with browser(site, session) as client:
                answer = await client.get("/account")
                if name == "dora":
                    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2Faccount")
                else:
                    assert (answer.status_code, name.split()[0] in answer.text) == (200, True)


async def test_api_tokens_act_as_before(old: OlderSite) -> None:
    async with old.running() as site, site.client(MACHINE) as client:
        answers = {
            name: (await client.get("/api/v1/whoami", headers=old.bearer(name))).json() for name in ("ci", "laptop")
        }
        assert [(answer["role"], answer["labels"]) for answer in answers.values()] == [("approver", ["site=fra"])] * 2


async def test_the_audit_holds_and_goes_on(old: OlderSite) -> None:
    async with old.running() as site, site.admin() as admin:
        before = await site.database.audit.head()
        await admin.post("/api/v1/deny", json=old.body("pending"))
        check = ChainCheck()
        async for page in site.database.audit.from_oldest():
            for line, digest in page:
                check.take(line, digest)
        assert check.finish() is None
        assert (await site.database.audit.head()).seq > before.seq > 40


async def test_windows_are_open_and_know_who_armed_them(old: OlderSite) -> None:
    async with old.running() as site, site.admin() as admin:
        windows = await open_windows(admin)
        assert {name: (window["by"], window["count"], window["used"]) for name, window in windows.items()} == {
            "by-root": ("root (admin.sock)", 5, 0),
            "by-ci": ("ci (token:ci)", 3, 0),
            "by-laptop": ("ben (token:laptop)", 3, 0),
            "used": ("root (admin.sock)", 2, 1),
        }
        assert windows["by-root"]["networks"] == ["127.0.0.0/8"]
        assert (await admin.post("/api/v1/operators/ben/disable")).status_code == 200
        assert (await open_windows(admin)).keys() == {"by-root", "by-ci", "used"}
        assert (await admin.delete("/api/v1/tokens/ci")).status_code == 200
        assert (await open_windows(admin)).keys() == {"by-root", "used"}


async def test_an_unsent_message_is_sent(old: OlderSite) -> None:
    async with old.running() as site:
        site.clock.advance(600)
        now = site.clock.now()
        messages = await site.database.outbox.take(["hook"], now, now + 60, 10)
        waiting = await site.database.grants.pending_grants(now, 100)
        assert {grant.grant_id for grant in waiting} <= {each for message in messages for each in message.grant_ids}


async def test_an_outside_token_stays_bound_to_its_first_machine(old: OlderSite) -> None:
    token = old.known["outside_token"]
    person = {"active": True, "sub": "cleo", "aud": "machines", "exp": round(old.made_at) + 3600}
    with AnsweringServer(lambda _: reply(200, person)) as provider:
        old.config.write_text(old.config.read_text().replace("http://127.0.0.1:18081", provider.url))
        async with old.running() as site, site.client(MACHINE) as machine:
            assert (await fetch(machine, token, "/config?serial=SN-BOUND")).status_code == 200
            refused = await fetch(machine, token, "/config?serial=SN-OTHER")
            assert (refused.status_code, refused.text) == (401, "token used by another machine\n")


def browser(site: Running, session: str = "") -> httpx2.AsyncClient:
    client = site.client(MACHINE)
    client.headers["origin"] = site.site.public_url
    if session:
        client.cookies.set("bootgrant", session)
    return client


async def open_windows(admin: httpx2.AsyncClient) -> dict[str, dict[str, Any]]:
    return {window["name"]: window for window in (await admin.get("/api/v1/windows")).json()["windows"]}
