"""Policy end to end: a rule approves a machine, and a control plane needs a second person."""

from __future__ import annotations

import stat
from pathlib import Path

import httpx2
import pytest

from bootgrant.approval.audit import AuditKind, ChainCheck
from bootgrant.ports.audit import AuditFilter
from support.grants import MAC, UUID
from support.site import InProcess, as_user, site_in_process

pytestmark = pytest.mark.anyio
ENTRIES = f"""
entries:
  - name: worker-1
    match: {{mac: "{MAC}"}}
    labels: {{role: worker}}
    networks: [10.20.0.0/16]
    layers: [worker]
  - name: cp-1
    match: {{uuid: {UUID}}}
    layers: [cp]
"""
RULES = """
[[evidence.exec]]
name = "bmc"
command = ["{program}"]

[[rules]]
name = "workers"
select = "role=worker"
networks = ["10.20.0.0/16"]
evidence = ["network", "inventory", "bmc"]
"""


def fill(site: InProcess) -> None:
    (site.machines / "machines.yaml").write_text(ENTRIES)
    for name, kind, key in (("worker", "worker", ""), ("cp", "controlplane", ", key: YQ==")):
        config = f"version: v1alpha1\nmachine:\n  type: {kind}\n  ca: {{crt: YQ=={key}}}\ncluster: {{}}\n"
        (site.machines / f"{name}.yaml").write_text(config)
    site.built.source.current.refresh()


def says(folder: Path, verdict: str) -> Path:
    program = folder / "ask-bmc"
    answer = f'{{"evidence": [{{"verdict": "{verdict}", "detail": "power is on"}}]}}'
    program.write_text(f"#!/bin/sh\ncat > /dev/null\necho '{answer}'\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


async def ask(machine: httpx2.AsyncClient, **identity: str) -> dict[str, str]:
    answer = await machine.post("/device/code", data={"client_id": "talos", **identity})
    codes: dict[str, str] = answer.raise_for_status().json()
    return codes


async def fetched(machine: httpx2.AsyncClient, codes: dict[str, str]) -> str:
    """Return the configuration, or the error that the machine gets instead."""
    form = {
        "client_id": "talos",
        "device_code": codes["device_code"],
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
    }
    answer = (await machine.post("/token", data=form)).json()
    if "error" in answer:
        error: str = answer["error"]
        return error
    bearer = {"authorization": f"Bearer {answer['access_token']}"}
    return (await machine.get("/config", headers=bearer)).raise_for_status().text


@pytest.mark.parametrize(("verdict", "result"), [("match", "type: worker"), ("unknown", "authorization_pending")])
async def test_a_rule_approves_only_if_all_of_its_evidence_matches(tmp_path: Path, verdict: str, result: str) -> None:
    rules = RULES.format(program=says(tmp_path, verdict))
    with site_in_process(tmp_path, "[grants]", 'hold = "0s"', rules) as site:
        fill(site)
        async with site.client() as machine:
            codes = await ask(machine, mac=MAC)
            await site.built.decisions.auto_approve.step()
            assert result in await fetched(machine, codes)


async def test_every_event_of_a_control_plane_is_in_one_audit_chain(tmp_path: Path) -> None:
    with site_in_process(tmp_path, "[grants]", 'hold = "0s"', RULES.format(program=says(tmp_path, "match"))) as site:
        fill(site)
        async with site.client() as machine, site.admin() as admin:
            codes = await ask(machine, uuid=UUID)
            await site.built.decisions.auto_approve.step()
            voted = await admin.post("/api/v1/approve", json={"code": codes["user_code"]}, headers=as_user("ana"))
            assert (voted.json()["state"], len(voted.json()["votes"])) == ("pending", 1)
            assert await fetched(machine, codes) == "authorization_pending"
            again = await admin.post("/api/v1/approve", json={"code": codes["user_code"]}, headers=as_user("ben"))
            assert again.json()["error"] == "same_person"
            await admin.post("/api/v1/deny", json={"code": codes["user_code"], "reason": "not today"})
            assert await fetched(machine, codes) == "access_denied"
        await site.built.decisions.openings.step()
        records = await site.database.audit.newest(AuditFilter(grant_id=""), 10)
        assert {record.event.kind for record in records} >= {AuditKind.OPENED, AuditKind.VOTED, AuditKind.DENIED}
        check = ChainCheck()
        async for page in site.database.audit.from_oldest():
            for line, digest in page:
                check.take(line, digest)
        assert check.finish() is None
