"""The log: text or JSON lines, with the id of their request."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx2
import pytest

from support.grants import MAC, UUID
from support.site import Served, served, site_in_process


def _traffic(site: Served) -> httpx2.Response:
    form = {"client_id": "talos", "uuid": UUID, "mac": MAC}
    code = httpx2.post(f"{site.url}/device/code", data=form, trust_env=False).raise_for_status().json()["user_code"]
    assert site.command("approve", code).returncode == 0
    answer = httpx2.get(f"{site.url}/login", headers={"x-request-id": "from-the-proxy.1"}, trust_env=False)
    site.stop()
    return answer


def test_a_json_line_is_an_object_with_the_id_of_the_request(tmp_path: Path) -> None:
    with served(tmp_path, settings='format = "json"') as site:
        _traffic(site)
        lines = [json.loads(line) for line in site.log.splitlines()]
    assert all(set(line) >= {"time", "level", "logger", "message"} for line in lines)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]) for line in lines)
    [decided] = [line for line in lines if "approved" in line["message"]]
    assert re.fullmatch(r"[0-9a-f]{20}", decided["request_id"])
    [asked] = [line for line in lines if line["message"].startswith("new request: ")]
    assert (asked["grant_id"], decided["grant_id"]) == (decided["message"].split()[-1],) * 2
    assert "request_id" not in asked
    assert "request_id" not in next(line for line in lines if line["message"].startswith("serving"))


def test_a_text_line_about_a_person_ends_with_the_id_of_the_request(tmp_path: Path) -> None:
    with served(tmp_path) as site:
        answer = _traffic(site)
    [decided] = [line for line in site.log.splitlines() if "approved" in line]
    assert re.search(r" \[[0-9a-f]{20}\]$", decided)
    [asked] = [line for line in site.log.splitlines() if "new request: " in line]
    grant_id = decided.partition("the request ")[2].split()[0]
    assert asked.endswith(f"from 127.0.0.1 [{grant_id}]")
    assert answer.headers["x-request-id"] == "from-the-proxy.1"


@pytest.mark.anyio
@pytest.mark.parametrize("sent", ["short", "x" * 65, "no spaces here", "<script>alert(1)"])
async def test_an_implausible_request_id_is_replaced(tmp_path: Path, sent: str) -> None:
    with site_in_process(tmp_path) as site:
        async with site.client() as client:
            answers = [await client.get("/login", headers={"x-request-id": sent}) for _ in range(2)]
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == 2
    assert all(re.fullmatch(r"[0-9a-f]{20}", one) for one in ids)
