"""Only people and programs that may decide about a machine see its whole code."""

from __future__ import annotations

import pytest

from bootgrant.approval.operators import Role
from bootgrant.operator_plane.api.routes import ROUTES
from bootgrant.operator_plane.app import PAGES
from support.api_program import program
from support.grants import CODES, other_machine
from support.office import Office
from support.site import CONFIG

pytestmark = pytest.mark.anyio
READERS = [Role.VIEWER, Role.AUDITOR]


async def machines_in_every_state(office: Office) -> dict[str, str]:
    """Open requests, and decide about some of them; return their codes by id."""
    codes: dict[str, str] = {}
    for number in range(4):
        (office.site.machines / f"SN{number:04}.yaml").write_text(CONFIG)
        grant, code = await office.machine(identity=other_machine(number))
        codes[grant.grant_id] = code
    _, approved, denied, replaced = codes.values()
    async with office.site.admin("root") as admin:
        assert (await admin.post("/api/v1/approve", json={"code": approved})).status_code == 200
        assert (await admin.post("/api/v1/deny", json={"code": denied, "reason": "no"})).status_code == 200
    newer, code = await office.machine(identity=other_machine(3))
    assert code != replaced
    return codes | {newer.grant_id: code}


@pytest.mark.parametrize("role", READERS)
async def test_no_answer_to_a_viewers_token_has_a_whole_code(office: Office, role: Role) -> None:
    codes = await machines_in_every_state(office)
    letters = CODES.of_grant(next(iter(codes)))
    async with await program(office, role) as client:
        for route in (route for route in ROUTES if route.method == "GET"):
            for grant_id, code in codes.items():
                path = route.path.replace("{code}", code).replace("{id}", grant_id)
                text = (await client.get(path)).text
                assert not [each for each in codes.values() if each in text], path
                assert letters not in text, path
        shown = (await client.get("/api/v1/pending")).json()["pending"]
    assert {row["code"] for row in shown} == {f"{row['code'][:5]}****" for row in shown}


async def test_an_approver_sees_the_codes_of_the_machines_in_their_labels(office: Office) -> None:
    codes = await machines_in_every_state(office)
    async with await program(office, Role.APPROVER) as client:
        pending = (await client.get("/api/v1/pending")).json()["pending"]
        denied = (await client.get("/api/v1/denied")).json()["denied"]
        assert {row["code"] for row in [*pending, *denied]} <= set(codes.values())
        assert (len(pending), len(denied)) == (2, 1)
    async with await program(office, Role.APPROVER, "site=fra") as client:
        pending = (await client.get("/api/v1/pending")).json()["pending"]
        assert all(row["code"].endswith("-****") for row in pending)


@pytest.mark.parametrize("role", READERS)
@pytest.mark.parametrize("confirm", ["office", "careful_office"])
async def test_no_page_of_a_viewer_has_the_second_half_of_a_code(
    request: pytest.FixtureRequest, confirm: str, role: Role
) -> None:
    office: Office = request.getfixturevalue(confirm)
    codes = await machines_in_every_state(office)
    person = await office.person("vic", role)
    for page in (page for page in PAGES if page.method == "GET" and "{code}" not in page.path):
        for grant_id in codes:
            text = (await person.open(page.path.replace("{grant_id}", grant_id))).text.replace(person.csrf, "")
            assert not [code for code in codes.values() if code in text or code[-4:] in text], page.path


@pytest.mark.parametrize("role", READERS)
async def test_a_viewer_cannot_find_the_second_half_by_trying(office: Office, role: Role) -> None:
    _, code = await office.machine()
    async with await program(office, role) as client:
        guesses = [f"{code[:5]}{letters}" for letters in ("BBBB", "CCCC", "DDDD", "FFFF")] * 5
        statuses = [(await client.get(f"/api/v1/grants/{guess}")).status_code for guess in [*guesses, code]]
        assert statuses == [404] * 20 + [429]
        office.site.clock.advance(6)
        hit = await client.get(f"/api/v1/grants/{code}")
        assert hit.json()["code"] == f"{code[:5]}****"
        refused = await client.get(f"/api/v1/grants/{code}")
    assert (refused.status_code, refused.json()["error"]) == (429, "too_many")
    assert "try again in 6 s" in refused.json()["message"]


async def test_a_program_that_knows_its_codes_is_not_slowed(office: Office) -> None:
    _, code = await office.machine()
    async with await program(office, Role.APPROVER) as client:
        assert {(await client.get(f"/api/v1/grants/{code}")).status_code for _ in range(50)} == {200}
        assert [(await client.get("/api/v1/grants/BBBB-BBBB")).status_code for _ in range(21)] == [404] * 20 + [429]


@pytest.mark.parametrize("verb", ["approve", "deny", "undeny", "revoke", "assign"])
async def test_an_approver_with_limits_cannot_find_the_second_half_by_deciding(office: Office, verb: str) -> None:
    office.configure()
    _, code = await office.machine()
    guesses = [f"{code[:5]}{letters}" for letters in ("BBBB", "CCCC", "DDDD", "FFFF")] * 5
    more = {"entry": "any"} if verb == "assign" else {}
    async with await program(office, Role.ADMIN, "site=fra") as client:
        answers = [await client.post(f"/api/v1/{verb}", json={"code": guess, **more}) for guess in [*guesses, code]]
        assert [answer.status_code for answer in answers] == [404] * 20 + [429]
        office.site.clock.advance(6)
        assert (await client.post(f"/api/v1/{verb}", json={"code": code, **more})).status_code in (403, 409)
    async with await program(office, Role.ADMIN) as client:
        answers = [await client.post(f"/api/v1/{verb}", json={"code": guess, **more}) for guess in [*guesses, *guesses]]
        assert {answer.status_code for answer in answers} == {404}


async def test_a_hit_on_a_machine_beyond_the_limits_counts_as_a_guess(office: Office) -> None:
    office.configure()
    _, code = await office.machine()
    async with await program(office, Role.APPROVER, "site=fra") as client:
        answers = [await client.post("/api/v1/approve", json={"code": code}) for _ in range(21)]
        assert [answer.status_code for answer in answers] == [403] * 20 + [429]


async def test_a_batch_of_guesses_is_refused_as_a_whole(office: Office) -> None:
    office.configure()
    _, code = await office.machine()
    guesses = [f"{code[:5]}{first}{second}BB" for first in "BCDFG" for second in "BCDFG"]
    async with await program(office, Role.APPROVER, "site=fra") as client:
        assert (await client.post("/api/v1/approve", json={"codes": [*guesses, code]})).status_code == 429
    async with await program(office, Role.APPROVER) as client:
        answer = await client.post("/api/v1/approve", json={"codes": [*guesses, code]})
        assert (answer.status_code, answer.json()["approved"]) == (200, [code])


@pytest.mark.parametrize("part", ["{0}", "{0}-****", "{0}-", "{1}", "{0}-XXXX"])
async def test_an_approval_by_the_api_requires_the_last_four_characters(office: Office, part: str) -> None:
    office.configure()
    _, code = await office.machine()
    async with await program(office, Role.ADMIN) as client:
        sent = part.format(*code.split("-"))
        answer = await client.post("/api/v1/approve", json={"code": sent})
        assert (answer.status_code, answer.json()["error"]) == (404, "unknown")
        many = await client.post("/api/v1/approve", json={"codes": [sent]})
        assert many.json()["approved"] == []
        (still,) = (await client.get("/api/v1/pending")).json()["pending"]
    assert still["state"] == "pending"
