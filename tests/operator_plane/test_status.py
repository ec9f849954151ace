"""The status of a server, in the API and on the settings page: versions, what waits, and the health of its work."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from bootgrant import __version__
from bootgrant.approval.operators import Role
from bootgrant.operator_plane.api.shapes import STATUS
from bootgrant.operator_plane.withheld import WITHHELD
from bootgrant.service.parts.status import certificate_end
from support.api_program import program
from support.certificates import Authority
from support.grants import NOW
from support.office import Office, text_of

pytestmark = pytest.mark.anyio


async def test_the_status_says_what_waits_and_how_the_server_is(office: Office) -> None:
    await office.machine()
    async with await program(office) as client:
        status = (await client.get("/api/v1/status")).json()
    Draft202012Validator(STATUS).validate(status)
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


async def test_the_settings_page_shows_what_fails_first(office: Office) -> None:
    for name, reason in (("retention", "OSError"), ("automatic approvals", "")):
        office.site.chore(name).succeeded_at, office.site.chore(name).reason = NOW - 60, reason
    page = text_of(await (await office.person()).open("/settings"))
    assert "Background work and sources ▲ Fails: retention OSError last success 2027-01-15 07:59:00 UTC" in page
    assert "✓ Works: automatic approvals last success 2027-01-15 07:59:00 UTC" in page
    assert "Database SQLite · one server uses it" in page
    assert f"Version {__version__}" in page


async def test_the_settings_page_has_no_raw_backticks(office: Office) -> None:
    assert "`" not in text_of(await (await office.person()).open("/settings"))


async def test_the_settings_page_says_that_the_newest_configurations_are_not_served(office: Office) -> None:
    (office.site.machines / "machines.yaml").write_text("entries: swordfish\n")
    office.site.built.source.current.refresh()
    for role, is_shown in ((Role.VIEWER, True), (Role.AUDITOR, False)):
        page = text_of(await (await office.person(role.value, role)).open("/settings"))
        assert "The newest configurations are not served" in page
        assert ("entries must be a list" in page) is is_shown


def test_the_end_of_a_certificate_is_that_of_the_first_in_the_file(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.server("DNS:boot.example", end="20300101000000Z", with_authority=True)
    ends = certificate_end(tmp_path / "s.pem")
    assert ends == datetime(2030, 1, 1, tzinfo=UTC).timestamp()


def test_a_certificate_that_cannot_be_read_has_no_end(tmp_path: Path) -> None:
    (tmp_path / "odd.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    assert certificate_end(tmp_path / "odd.pem") is None
    assert certificate_end(tmp_path / "missing.pem") is None
    assert certificate_end(None) is None
