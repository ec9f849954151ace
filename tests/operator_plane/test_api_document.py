"""The API matches its OpenAPI document: schemathesis sends valid and invalid requests to every operation.

It runs against a server on which machines are waiting (requirements/dev.txt).
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from bootgrant.operator_plane.api.openapi import PATH
from support.site import served

MACHINES = 20


@pytest.mark.timeout(320)
def test_schemathesis_finds_no_failure(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("schemathesis")
    with served(tmp_path) as site:
        for number in range(MACHINES):
            claim = {"client_id": "talos", "serial": f"SN{number:04}"}
            httpx2.post(f"{site.url}/device/code", data=claim, trust_env=False).raise_for_status()
        made = site.command("tokens", "add", "tester", "--role", "admin", "--for", "1h", "--json")
        token = json.loads(made.stdout)["token"]
        done = subprocess.run(
            # Not revoke_token, which would revoke the token of the calls.
            [
                *(str(program), "run", f"{site.url}{PATH}", "--header", f"Authorization: Bearer {token}"),
                *("--max-examples", "5", "--seed", "1", "--no-color", "--exclude-operation-id", "revoke_token"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=280,
        )
        log = site.log
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    assert "Traceback" not in log
