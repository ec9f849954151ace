"""``GET /api/v1/status``: versions, what waits, and the health of the background work."""

from __future__ import annotations

import pytest

from bootgrant import __version__
from bootgrant.approval.operators import Role
from bootgrant.operator_plane.withheld import WITHHELD
from support.api_program import program
from support.grants import NOW
from support.office import Office

pytestmark = pytest.mark.anyio


async def test_the_status_says_what_waits_and_how_the_server_is(office: Office) -> None:
    await office.machine()
    async with await program(office) as client:
        status = (await client.get("/api/v1/status")).json()
    assert (status["version"], status["database"], status["replicas"]) == (__version__, "sqlite", 1)
    assert (status["waiting"], status["windows"], status["certificate_end"]) == (1, 0, None)
    assert status["now"] == NOW
    assert {"name": "retention", "ok": True, "last_success": None, "error": ""} in status["chores"]


async def test_a_chore_that_failed_is_not_ok(office: Office) -> None:
    chore = office.site.chore("retention")
    chore.succeeded_at, chore.reason = NOW - 60, "OSError"
    async with await program(office) as client:
        status = (await client.get("/api/v1/status")).json()
    assert {"name": "retention", "ok": False, "last_success": NOW - 60, "error": "OSError"} in status["chores"]


async def test_an_auditor_does_not_learn_what_a_configuration_contains(office: Office) -> None:
    (office.site.machines / "machines.yaml").write_text("entries: swordfish\n")
    office.site.built.source.current.refresh()
    problems = {}
    for role in (Role.AUDITOR, Role.VIEWER):
        async with await program(office, role) as client:
            problems[role] = (await client.get("/api/v1/status")).json()["configurations"]["problem"]
    assert "entries must be a list" in problems[Role.VIEWER]
    assert problems[Role.AUDITOR] == WITHHELD
