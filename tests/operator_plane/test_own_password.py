"""Operators change their own password."""

from __future__ import annotations

import pytest

from bootgrant.approval.audit import AuditKind
from bootgrant.approval.operators import Kind, Role
from bootgrant.credentials.passwords import Argon2Hasher
from bootgrant.ports.audit import AuditFilter
from bootgrant.ports.people import Operator
from bootgrant.wire.secret import Secret
from support.office import Office, Person, text_of

pytestmark = pytest.mark.anyio
OLD, NEW = "staple-horse-battery", "some-words-in-a-row"


async def signed_in(office: Office, password: str = OLD) -> Person:
    operators = office.site.database.operators
    if await operators.find_operator("ana") is None:
        hashed = await Argon2Hasher().hash(Secret(OLD))
        await operators.add_operator(Operator("ana", hashed, office.site.clock.now(), Role.APPROVER))
    person = office.browser()
    await person.send("/login", name="ana", password=password, next="/")
    await person.open("/account/password")
    return person


async def test_the_new_password_replaces_the_old_one_and_ends_other_sessions(office: Office) -> None:
    desk, phone = await signed_in(office), await signed_in(office)
    before = desk.client.cookies["bootgrant"]
    answer = await desk.send("/account/password", password=OLD, new=NEW, again=NEW)
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert desk.client.cookies["bootgrant"] != before
    assert (await desk.open("/")).status_code == 200
    assert (await phone.open("/")).headers["location"].startswith("/login?")
    assert "bootgrant" not in (await signed_in(office, OLD)).client.cookies
    assert "bootgrant" in (await signed_in(office, NEW)).client.cookies
    (record,) = await office.site.database.audit.newest(AuditFilter(kinds=(AuditKind.OPERATOR_CHANGED,)), 5)
    kept = {"role_before": "approver", "labels_before": "every machine"}
    kept |= {"role_after": "approver", "labels_after": "every machine"}
    assert record.event.details == {"operator": "ana", "done": "changed their password", **kept}
    assert NEW not in record.line


async def test_changing_the_password_does_not_count_as_a_recent_sign_in(office: Office) -> None:
    desk = await signed_in(office)
    office.site.clock.advance(16 * 60)
    answer = await desk.send("/account/password", password=OLD, new=NEW, again=NEW)
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert (await desk.open("/account/tokens/new")).headers["location"].startswith("/login/again?")


@pytest.mark.parametrize(
    ("old", "new", "again", "status", "problem"),
    [
        ("wrong-password", NEW, NEW, 403, "The current password is wrong"),
        (OLD, NEW, "another-one-typed", 400, "The two new passwords are different"),
        (OLD, "short", "short", 400, "A password must have 12 to 1024 characters"),
    ],
)
async def test_an_invalid_change_is_explained_and_the_password_stays(
    office: Office, old: str, new: str, again: str, status: int, problem: str
) -> None:
    page = await (await signed_in(office)).send("/account/password", password=old, new=new, again=again)
    assert (page.status_code, problem in text_of(page)) == (status, True)
    assert new not in page.text
    assert "bootgrant" in (await signed_in(office, OLD)).client.cookies


async def test_wrong_passwords_on_this_form_count_with_those_of_the_sign_in(office: Office) -> None:
    person = await signed_in(office)
    # Without this cookie, the browser has no attempts of its own.
    del person.client.cookies["bootgrant-device"]
    for _ in range(9):
        await person.send("/account/password", password="wrong", new=NEW, again=NEW)
    answer = await person.send("/account/password", password=OLD, new=NEW, again=NEW)
    assert answer.status_code == 429
    assert (await office.browser().send("/login", name="ana", password=OLD, next="/")).status_code == 429


@pytest.mark.parametrize("kind", [Kind.OIDC, Kind.BREAK_GLASS])
async def test_operators_without_their_own_password_cannot_change_one(office: Office, kind: Kind) -> None:
    now = office.site.clock.now()
    await office.site.database.operators.add_operator(Operator("cleo", "", now, Role.ADMIN, kind=kind))
    cleo = await office.person("cleo")
    assert "Change your password" not in text_of(await cleo.open("/account"))
    assert (await cleo.open("/account/password")).status_code == 403
    assert (await cleo.send("/account/password", password="", new=NEW, again=NEW)).status_code == 403
