"""An admin accepts a commit that the server refuses as a rollback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bootgrant.approval.audit import AuditKind
from bootgrant.ports.audit import AuditFilter
from support.site import InProcess, site_in_process
from support.upstream import Signed, new_upstream, signed_upstream

pytestmark = pytest.mark.anyio


@pytest.fixture
def signed(tmp_path: Path) -> Signed:
    return signed_upstream(new_upstream(tmp_path), tmp_path)


@pytest.fixture
def site(signed: Signed, tmp_path: Path) -> Iterator[InProcess]:
    git = f'git = {{url = "{signed.upstream.folder}", folder = "site", signers_file = "{signed.signers}"}}'
    (tmp_path / "here").mkdir()
    with site_in_process(tmp_path / "here", git) as made:
        yield made
        if made.built.source.current.snapshot is not None:
            made.built.source.current.snapshot.close()


def look(site: InProcess) -> str:
    site.built.source.current.origin.fetch_soon()
    site.built.source.current.refresh()
    return site.built.source.current.state().problem


async def test_an_admin_accepts_an_older_commit_and_the_audit_has_both(site: InProcess, signed: Signed) -> None:
    old, new = signed.commit("old"), signed.commit("new")
    assert look(site) == ""
    signed.upstream.git("reset", "-q", "--hard", old)
    assert f"does not descend from {new[:12]}" in look(site)
    async with site.admin("ana") as client:
        refused = await client.post("/api/v1/configurations/accept", json={"commit": new})
        accepted = await client.post("/api/v1/configurations/accept", json={"commit": old[:12]})
    assert (refused.status_code, refused.json()["error"]) == (409, "not_accepted")
    assert f"only the newest commit of the branch main can be accepted, by its id: {old}" in refused.json()["message"]
    assert accepted.json() == {"commit": old, "instead_of": new}
    (record,) = await site.database.audit.newest(AuditFilter(kinds=(AuditKind.CONFIG_ACCEPTED,)), 10)
    assert (record.event.revision, record.event.details) == (old, {"instead_of": new})
    assert "ana" in record.event.actor
    assert look(site) == ""
    assert site.built.source.current.state().revision == old


async def test_nobody_but_an_admin_may_accept(site: InProcess) -> None:
    async with site.admin("ana") as admin, site.client() as client:
        for role, status in (("viewer", 403), ("approver", 403), ("admin", 409)):
            made = await admin.post("/api/v1/tokens", json={"name": role, "role": role, "seconds": 600})
            headers = {"authorization": f"Bearer {made.json()['token']}"}
            answer = await client.post(
                "/api/v1/configurations/accept", json={"commit": "0123456789abcdef"}, headers=headers
            )
            assert answer.status_code == status, role
