"""The audit records what people do with their own sign-in, and refused sign-ins."""

from __future__ import annotations

import re

import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.operators import Role
from bootgrant.credentials.passwords import Argon2Hasher
from bootgrant.ports.audit import AuditFilter
from bootgrant.ports.people import Operator
from bootgrant.wire.secret import Secret
from support.office import Office, text_of

pytestmark = pytest.mark.anyio
REFUSED = AuditFilter(kinds=(AuditKind.SIGN_IN_REFUSED,))
TYPED = "hunter2-hunter2"


async def refusals(office: Office) -> list[AuditEvent]:
    await office.site.built.decisions.refusals.step()
    return [record.event for record in reversed(await office.site.database.audit.newest(REFUSED, 50))]


async def fail_to_sign_in(office: Office, name: str, times: int = 1, address: str = "10.0.0.5") -> None:
    stranger = office.browser(address)
    for _ in range(times):
        await stranger.send("/login", name=name, password=TYPED, next="/")


async def test_a_refused_sign_in_names_an_operator_but_never_the_typed_text(office: Office) -> None:
    now = office.site.clock.now()
    hashed = await Argon2Hasher().hash(Secret("staple-horse-battery"))
    await office.site.database.operators.add_operator(Operator("ana", hashed, now, Role.ADMIN))
    await fail_to_sign_in(office, "ana")
    await fail_to_sign_in(office, TYPED)
    assert [(event.actor, event.address, event.via, event.reason) for event in await refusals(office)] == [
        ("ana", "10.0.0.5", "session", "wrong name or password"),
        ("", "10.0.0.5", "session", "wrong name or password"),
    ]
    for record in await office.site.database.audit.newest(REFUSED, 50):
        assert TYPED not in record.line


async def test_a_flood_of_refused_sign_ins_is_counted(office: Office) -> None:
    for number in range(4):
        await fail_to_sign_in(office, "ana", 10, f"10.0.1.{number}")
    events = await refusals(office)
    assert len(events) == 11
    assert events[-1].details == {"refused": 30, "from": "10.0.1.1, 10.0.1.2, 10.0.1.3"}
    page = await (await office.person("ben")).open("/audit?what=people")
    assert "Sign-in refused" in text_of(page)


async def test_the_audit_records_the_end_of_another_session(office: Office) -> None:
    await office.person("ana")
    ana = await office.person("ana")
    keys = re.findall(r'name="session" value="([0-9a-f]+)"', (await ana.open("/account")).text)
    await ana.send("/account/sessions/end", session=keys[0])
    (record,) = await office.site.database.audit.newest(AuditFilter(), 1)
    rights = dict.fromkeys(("role_before", "role_after"), "admin")
    rights |= dict.fromkeys(("labels_before", "labels_after"), "every machine")
    changed = {"operator": "ana", "done": "ended a session", **rights}
    assert (record.event.actor, record.event.details) == ("ana", changed)
