"""Machines with layers through the whole server: what was approved, and what may have changed since."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from bootgrant.machine_plane.git_webhook import GitWebhook
from bootgrant.wire.secret import Secret
from support.grants import UUID
from support.layered_site import BASE, MODEL, write_machines
from support.machine import fetch, token
from support.site import InProcess, site_in_process

pytestmark = pytest.mark.anyio
WORKER = MODEL.replace("role: control-plane", "role: worker")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[InProcess]:
    with site_in_process(tmp_path, "[grants]", 'hold = "0s"') as in_process:
        write_machines(in_process.machines, {"machines.yaml": WORKER})
        yield in_process


def change(site: InProcess, path: str, text: str) -> None:
    (site.machines / path).write_text(text)
    site.built.source.current.refresh()


async def test_a_machine_gets_its_layers_put_together(site: InProcess) -> None:
    answer = await fetch(site.client(), await token(site.client(), site.admin()))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/yaml"
    assert "hostname: cp-1" in answer.text


async def test_what_is_delivered_is_made_from_what_is_valid_at_delivery(site: InProcess) -> None:
    access_token = await token(site.client(), site.admin())
    change(site, "all/00-base.yaml", BASE.replace("demo", "newer"))
    assert "clusterName: newer" in (await fetch(site.client(), access_token)).text


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("machines.yaml", WORKER.replace("site: fra", "site: ber")),
        ("worker/10-role.yaml", "machine: {type: controlplane}\n"),
    ],
)
async def test_other_labels_or_another_type_need_a_new_approval(site: InProcess, path: str, text: str) -> None:
    access_token = await token(site.client(), site.admin())
    before = (site.machines / path).read_text()
    change(site, path, text)
    refused = await fetch(site.client(), access_token)
    assert (refused.status_code, refused.text) == (401, "entry changed since: ask again\n")
    assert len(refused.text) <= 32
    change(site, path, before)
    assert (await fetch(site.client(), access_token)).status_code == 200


async def test_an_entry_that_is_gone_is_waited_for(site: InProcess) -> None:
    access_token = await token(site.client(), site.admin())
    change(site, "machines.yaml", "entries: [{name: other, layers: [all]}]\n")
    assert (await fetch(site.client(), access_token)).status_code == 404


async def test_a_broken_change_takes_no_configuration_from_anybody(site: InProcess) -> None:
    access_token = await token(site.client(), site.admin())
    change(site, "all/00-base.yaml", "machine: [\n")
    assert (await fetch(site.client(), access_token)).status_code == 200


def webhook(asked: list[str]) -> httpx2.AsyncClient:
    app = GitWebhook(Secret("0123456789abcdef"), lambda: asked.append("look"))
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://boot.example")


def signed(body: bytes, key: bytes = b"0123456789abcdef") -> str:
    return hmac.new(key, body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Hub-Signature-256": f"sha256={signed(b'pushed')}"},
        {"X-Gitea-Signature": signed(b"pushed")},
        {"X-Gitlab-Token": "0123456789abcdef"},
    ],
)
async def test_a_signed_webhook_makes_the_server_look(headers: dict[str, str]) -> None:
    asked: list[str] = []
    answer = await webhook(asked).post("/hooks/git", content=b"pushed", headers=headers)
    assert (answer.status_code, asked) == (202, ["look"])


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Hub-Signature-256": f"sha256={signed(b'other')}"},
        {"X-Hub-Signature-256": "sha256=\xff"},
        {"X-Gitea-Signature": signed(b"pushed", b"other")},
        {"X-Gitlab-Token": "no"},
    ],
)
async def test_a_webhook_that_is_not_signed_does_nothing(headers: dict[str, str]) -> None:
    asked: list[str] = []
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    answer = await webhook(asked).post("/hooks/git", content=b"pushed", headers=raw)
    assert (answer.status_code, asked) == (401, [])
    assert (await webhook(asked).get("/hooks/git")).status_code == 405
    assert (await webhook(asked).post("/hooks/git", content=b"x" * (5 << 20))).status_code == 413


async def test_without_a_secret_there_is_no_webhook(site: InProcess) -> None:
    assert (await site.client().post("/hooks/git", content=b"x")).status_code in (403, 404, 405)
    assert UUID in (site.machines / "machines.yaml").read_text()
