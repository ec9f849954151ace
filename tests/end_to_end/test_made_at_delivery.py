"""A value made at delivery, from the approval to the machine, and taken back when the approval is revoked."""

from __future__ import annotations

import json
from pathlib import Path

from support.site import booting, served, wait_until


def program(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def calls(folder: Path, name: str) -> list[dict[str, object]]:
    path = folder / name
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_the_machine_gets_a_value_of_its_own_and_a_revoked_approval_takes_it_back(tmp_path: Path) -> None:
    answer = """'{"value": "join-'"$(wc -l < minted)"'", "id": "k'"$(wc -l < minted)"'"}'"""
    mint = program(tmp_path, "mint", f"cd {tmp_path}; cat >> minted; echo {answer}")
    unmint = program(tmp_path, "unmint", f"cat >> {tmp_path}/unminted")
    settings = f'exec_programs = ["{mint}", "{unmint}"]'
    with served(tmp_path, machine=None, settings=settings) as site:
        layer = site.machines / "made"
        layer.mkdir()
        (layer / "a.yaml.j2").write_text("join: {{ variables.join }}\n")
        (site.machines / "machines.yaml").write_text(
            f"defaults: {{variables: {{join: {{mint: [{mint}], unmint: [{unmint}]}}}}}}\n"
            "entries: [{name: w-1, schema: yaml, layers: [made], match: {mac: '*'}}]\n"
        )
        with booting(site.url, tmp_path) as machine:
            code = machine.code()
            wait_until(lambda: site.command("approve", code).returncode == 0, "the new entries are read")
            assert machine.delivered() == "join: join-1\n"
        (minted,) = calls(tmp_path, "minted")
        assert (minted["entry"], minted["variable"]) == ("w-1", "join")
        revoked = site.command("revoke", code)
        assert revoked.returncode == 0, revoked.stderr
        wait_until(lambda: calls(tmp_path, "unminted"), "the value is taken back")
        (unminted,) = calls(tmp_path, "unminted")
        assert (unminted["grant"], unminted["id"]) == (minted["grant"], "k1")
        assert "join-1" not in site.log
        audit = site.command("audit", "export").stdout
        assert '"minted"' in audit
        assert "join-1" not in audit
