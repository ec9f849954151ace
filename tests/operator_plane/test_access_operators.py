"""The pages of operators: list, add, change, disable, enable, and a new password."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import quote, unquote

import httpx2
import pytest

from bootgrant.approval.audit import AuditKind
from bootgrant.approval.operators import Kind, Label, Role
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.audit import AuditFilter
from bootgrant.ports.people import Operator
from support.grants import NOW
from support.office import Office, Person, text_of

pytestmark = pytest.mark.anyio
FRA = (Label("site", "fra"),)


async def find(office: Office, name: str) -> Operator:
    found = await office.site.database.operators.find_operator(name)
    assert found is not None
    return found


async def stored(office: Office, name: str, role: Role = Role.APPROVER, **more: object) -> Operator:
    operator = replace(Operator(name, "", NOW, role), **more)  # type: ignore[arg-type]
    await office.site.database.operators.add_operator(operator)
    return operator


async def add(person: Person, name: str = "ben", role: str = "viewer", **more: str) -> httpx2.Response:
    await person.open("/access/add-operator")
    return await person.send("/access/add-operator", name=name, role=role, **more)


def password_in(page: httpx2.Response) -> str:
    [password] = re.findall(r'id="new-password" class="mono" value="([a-z2-9-]{23})"', page.text)
    return str(password)


async def test_the_list_says_who_may_what_how_they_sign_in_and_when_they_were_here(office: Office) -> None:
    await stored(office, "ben", labels=FRA, seen_at=NOW - 60)
    await stored(office, "corp:cleo", Role.AUDITOR, kind=Kind.OIDC, disabled_at=NOW, disabled_by="provider")
    await stored(office, "glass", Role.ADMIN, kind=Kind.BREAK_GLASS)
    page = text_of(await (await office.person("ada", Role.AUDITOR)).open("/access/operators"))
    assert "ben approver · site=fra signs in here last seen 2027-01-15 07:59:00 UTC" in page
    assert "glass admin · every machine break-glass never signed in" in page
    cleo = "corp:cleo auditor · every machine signs in through a provider ✕ disabled by the provider since"
    assert cleo in page
    assert page.index("glass") < page.index("corp:cleo")
    assert "Add an operator" not in page


async def test_the_list_is_searched_by_name_role_and_label(office: Office) -> None:
    await stored(office, "ben", labels=FRA)
    await stored(office, "cleo", Role.VIEWER)
    ana = await office.person("ana")
    found = {}
    for asked in ("site=fra", "viewer", "appr BEN", "nothing"):
        page = await ana.open("/access/operators", params={"q": asked})
        found[asked] = re.findall(r'class="person" href="/access/operators/([^"]+)"', page.text)
    assert found == {"site=fra": ["ben"], "viewer": ["cleo"], "appr BEN": ["ben"], "nothing": []}


async def test_an_added_operator_signs_in_with_the_password_that_is_shown_once(office: Office) -> None:
    ana = await office.person("ana")
    page = await add(ana, "ben", "approver", labels="site=fra rack=4")
    password = password_in(page)
    assert (page.headers["cache-control"], "ben was added" in text_of(page)) == ("no-store", True)
    ben = await find(office, "ben")
    assert (ben.role, [str(label) for label in ben.labels], ben.kind) == (
        Role.APPROVER, ["rack=4", "site=fra"], Kind.LOCAL,
    )  # fmt: skip
    browser = office.browser()
    await browser.open("/login")
    assert (await browser.send("/login", name="ben", password=password, next="/")).headers["location"] == "/"
    assert password not in (await ana.open("/access/operators/ben")).text
    which = AuditFilter(kinds=(AuditKind.OPERATOR_CHANGED,))
    (record,) = await office.site.database.audit.newest(which, 5)
    assert (record.event.actor, record.event.details["operator"], record.event.details["done"]) == (
        "ana", "ben", "added",
    )  # fmt: skip
    assert password not in record.line


async def test_a_break_glass_operator_is_added(office: Office) -> None:
    await add(await office.person("ana"), "glass", "admin", break_glass="on")
    assert (await find(office, "glass")).kind is Kind.BREAK_GLASS


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"name": "b n"}, "'b n' cannot be the name of an operator"),
        ({"name": "ana"}, "There is an operator ana already: open it in the list"),
        ({"role": "owner"}, "Choose a role."),
        ({"labels": "fra"}, "'fra' is not a label"),
    ],
)
async def test_an_operator_that_cannot_be_added_is_explained_and_the_typed_text_stays(
    office: Office, fields: dict[str, str], problem: str
) -> None:
    page = await add(await office.person("ana"), **{"name": "ben", "role": "viewer", "labels": "site=ams", **fields})
    assert (page.status_code, problem in text_of(page)) == (400, True)
    assert f'value="{fields.get("labels", "site=ams")}"' in page.text
    assert [each.name for each in await office.site.database.operators.operators()] == ["ana"]


@pytest.mark.parametrize("path", ["add-operator", "operators/ben/rights", "operators/ben/reset", "tokens/new"])
async def test_what_gives_rights_needs_a_recent_sign_in_and_keeps_what_was_typed(office: Office, path: str) -> None:
    ben, ana = await stored(office, "ben"), await office.person("ana")
    await ana.open(f"/access/{path}")
    office.site.clock.advance(16 * 60)
    for answer in (
        await ana.open(f"/access/{path}"),
        await ana.send(f"/access/{path}", name="cleo", role="admin", labels="site=fra"),
    ):
        assert answer.headers["location"].startswith(f"/login/again?next=%2Faccess%2F{quote(path, safe='')}")
    goal = unquote(answer.headers["location"].removeprefix("/login/again?next="))
    assert goal.endswith("?name=cleo&role=admin&labels=site%3Dfra")
    assert (await find(office, "ben"), await office.site.database.api_tokens.tokens()) == (ben, [])
    assert len(await office.site.database.operators.operators()) == 2
    form = await (await office.person("ana")).open(goal)
    if path != "operators/ben/reset":
        assert 'value="site=fra"' in form.text
        assert "admin" in re.findall(r'value="(\w+)" required checked|<option selected>(\w+)<', form.text)[0]


async def test_role_and_labels_are_changed_and_what_went_beyond_them_is_void(office: Office) -> None:
    grant_id = await approved_by_ben(office)
    ana = await office.person("ana")
    form = await ana.open("/access/operators/ben/rights")
    assert "Now: approver, every machine." in text_of(form)
    done = text_of(await ana.send("/access/operators/ben/rights", role="viewer", labels=""))
    assert "The rights of ben were changed. 1 undelivered approval became void." in done
    assert ((await find(office, "ben")).role, await state(office, grant_id)) == (Role.VIEWER, GrantState.VOID)


async def test_the_role_of_a_person_from_a_provider_is_not_changed_here(office: Office) -> None:
    name = "corp:eve#0123456789ab"
    await stored(office, name, Role.VIEWER, kind=Kind.OIDC)
    ana = await office.person("ana")
    path = f"/access/operators/{quote(name, safe='')}"
    page = await ana.open(path)
    assert ("The role comes from the groups at the provider" in text_of(page), "/rights" in page.text) == (True, False)
    await ana.open("/access/operators")
    refused = await ana.send(f"{path}/rights", role="admin", labels="")
    assert (refused.status_code, (await find(office, name)).role) == (409, Role.VIEWER)
    assert f'href="{path}"' in (await ana.open("/access/operators")).text


async def approved_by_ben(office: Office) -> str:
    office.configure()
    grant, _ = await office.machine()
    ben = await office.person("ben", Role.APPROVER)
    await ben.open(f"/requests/{grant.grant_id}")
    assert (await ben.send(f"/requests/{grant.grant_id}/approve")).status_code == 303
    return grant.grant_id


async def state(office: Office, grant_id: str) -> GrantState:
    found = await office.site.database.grants.find_grant(grant_id)
    assert found is not None
    return found.state


async def test_the_page_says_what_becomes_void_before_and_after_an_operator_is_disabled(office: Office) -> None:
    grant_id = await approved_by_ben(office)
    await office.site.admin("root").post("/api/v1/arm", json={"select": ["*"], "seconds": 60, "count": 1, "name": "r"})
    ana = await office.person("ana")
    before = await ana.open("/access/operators/ben/disable")
    assert "1 undelivered approval becomes void:" in text_of(before)
    assert f"/requests/{grant_id}" in before.text
    assert "1 session ends." in text_of(before)
    assert "Armed windows close" not in text_of(before)
    assert (await find(office, "ben")).disabled_at is None
    after = text_of(await ana.send("/access/operators/ben/disable"))
    assert "ben is disabled. 1 undelivered approval became void." in after
    assert "disabled since 2027-01-15 08:00:00 UTC" in after
    assert await state(office, grant_id) is GrantState.VOID
    enabled = text_of(await ana.send("/access/operators/ben/enable"))
    assert "ben is enabled again." in enabled
    assert ((await find(office, "ben")).disabled_at, await state(office, grant_id)) == (None, GrantState.VOID)


async def test_an_operator_page_has_everything_they_have_and_the_way_to_their_history(office: Office) -> None:
    await approved_by_ben(office)
    ben = await office.person("ben")
    await ben.open("/account/tokens/new")
    await ben.send("/account/tokens/new", name="laptop", role="viewer", labels="", days="30")
    page = await (await office.person("ana")).open("/access/operators/ben")
    for words in ("laptop viewer · every machine", "Approved, but not delivered yet", "last used 1 s ago"):
        assert words in text_of(page), words
    for link in ("/audit?who=ben", "/audit/undo?by=ben", "/access/operators/ben/disable"):
        assert f'href="{link}"' in page.text, link
    auditor = await (await office.person("ada", Role.AUDITOR)).open("/access/operators/ben")
    assert ("/audit?who=ben" in auditor.text, "<form" in auditor.text.partition("<main")[2]) == (True, False)
    assert "/disable" not in auditor.text


async def test_a_reset_shows_a_new_password_once_and_ends_sessions_and_tokens(office: Office) -> None:
    ana, ben = await office.person("ana"), await office.person("ben", Role.APPROVER)
    await ben.open("/account/tokens/new")
    await ben.send("/account/tokens/new", name="laptop", role="viewer", labels="", days="30")
    before = text_of(await ana.open("/access/operators/ben/reset"))
    for words in ("1 session ends.", "API tokens are revoked: laptop."):
        assert words in before, words
    password = password_in(await ana.send("/access/operators/ben/reset"))
    assert (await ben.open("/")).status_code == 303
    assert await office.site.database.api_tokens.tokens() == []
    await ben.open("/login")
    assert (await ben.send("/login", name="ben", password=password, next="/")).headers["location"] == "/"


async def test_an_admin_cannot_lock_themselves_out_and_learns_the_way_on_the_server(office: Office) -> None:
    await stored(office, "ben", Role.ADMIN)
    ana = await office.person("ana")
    assert "/access/operators/ana/disable" not in (await ana.open("/access/operators/ana")).text
    for path, fields in (
        ("disable", {}),
        ("rights", {"role": "viewer"}),
        ("rights", {"role": "admin", "labels": "a=b"}),
    ):
        refused = await ana.send(f"/access/operators/ana/{path}", **fields)
        assert refused.status_code == 409
        assert "cannot disable yourself or give up your own admin rights" in text_of(refused)
    kept = await find(office, "ana")
    assert (kept.role, kept.labels, kept.disabled_at) == (Role.ADMIN, (), None)


async def test_an_unknown_operator_is_an_error_page_with_the_way_to_the_list(office: Office) -> None:
    ana = await office.person("ana")
    for path in ("", "/rights", "/disable", "/reset"):
        page = await ana.open(f"/access/operators/eve{path}")
        assert (page.status_code, "There is no operator named eve." in text_of(page)) == (404, True)
    await ana.open("/access")
    assert (await ana.send("/access/operators/eve/enable")).status_code == 404


async def test_an_admin_with_limits_manages_nobody(office: Office) -> None:
    await stored(office, "lea", Role.ADMIN, labels=FRA)
    lea = await office.person("lea")
    page = text_of(await lea.open("/access"))
    assert ("Armed windows" in page, "Operators" in page, "API tokens " in page.partition("Your account")[0]) == (
        True, False, False,
    )  # fmt: skip
    assert (await lea.open("/access/operators")).status_code == 403
    assert (await lea.send("/access/operators/lea/rights", role="admin", labels="")).status_code == 403


async def test_the_overview_counts_what_there_is(office: Office) -> None:
    await stored(office, "ben", disabled_at=NOW)
    page = text_of(await (await office.person("ana")).open("/access"))
    assert "Operators 1 active, 1 disabled" in page
    assert "API tokens none" in page
    assert "Your account 1 session" in page
    viewer = text_of(await (await office.person("vic", Role.VIEWER)).open("/access"))
    assert ("Armed windows none" in viewer, "Operators" in viewer, "Rules" in viewer) == (True, False, False)
