"""Machines with layers: what is delivered if the configurations change after the approval."""

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
from support.machine import approve, ask, fetch, poll, token
from support.site import CONFIG, InProcess, site_in_process

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


async def test_a_machine_gets_its_merged_layers(site: InProcess) -> None:
    answer = await fetch(site.client(), await token(site.client(), site.admin()))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/yaml"
    assert "hostname: cp-1" in answer.text


async def test_the_delivery_is_rendered_from_the_current_revision(site: InProcess) -> None:
    access_token = await token(site.client(), site.admin())
    change(site, "all/00-base.yaml", BASE.replace("demo", "newer"))
    assert "clusterName: newer" in (await fetch(site.client(), access_token)).text


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("machines.yaml", WORKER.replace("site: fra", "site: ber")),
        ("worker/10-role.yaml", "machine: {type: controlplane, ca: {crt: YQ==, key: YQ==}}\n"),
    ],
)
async def test_changed_labels_or_type_need_a_new_approval(site: InProcess, path: str, text: str) -> None:
    access_token = await token(site.client(), site.admin())
    before = (site.machines / path).read_text()
    change(site, path, text)
    refused = await fetch(site.client(), access_token)
    assert (refused.status_code, refused.text) == (401, "entry changed since: ask again\n")
    assert len(refused.text) <= 32
    change(site, path, before)
    assert (await fetch(site.client(), access_token)).status_code == 200


async def test_a_machine_whose_entry_was_removed_should_retry(site: InProcess) -> None:
    access_token = await token(site.client(), site.admin())
    change(site, "machines.yaml", "entries: [{name: other, layers: [all]}]\n")
    assert (await fetch(site.client(), access_token)).status_code == 404


async def test_an_invalid_change_does_not_affect_deliveries(site: InProcess) -> None:
    access_token = await token(site.client(), site.admin())
    change(site, "all/00-base.yaml", "machine: [\n")
    assert (await fetch(site.client(), access_token)).status_code == 200


async def test_what_talos_refuses_cannot_be_approved_and_the_same_code_works_once_it_is_fixed(site: InProcess) -> None:
    path = "worker/10-role.yaml"
    (site.machines / path).write_text("# a key of the control planes\ncluster: {ca: {crt: YQ==, key: YQ==}}\n")
    codes = await ask(site.client())
    refused = await site.admin().post("/api/v1/approve", json={"code": codes["user_code"]})
    assert refused.status_code == 409, refused.text
    assert "worker/10-role.yaml:2: cluster.ca.key: only a control plane may have the key" in refused.text
    change(site, path, "# nothing\n")
    await approve(site.admin(), codes)
    answer = await poll(site.client(), codes["device_code"])
    assert (await fetch(site.client(), answer.json()["access_token"])).status_code == 200


async def test_a_finished_file_that_talos_refuses_is_approved_only_after_it_is_fixed(tmp_path: Path) -> None:
    with site_in_process(tmp_path, "[grants]", 'hold = "0s"') as site:
        (site.machines / f"{UUID}.yaml").write_text(CONFIG.replace("cluster: {}", "persist: false\ncluster: {}"))
        codes = await ask(site.client())
        refused = await site.admin().post("/api/v1/approve", json={"code": codes["user_code"]})
        assert refused.status_code == 409, refused.text
        assert "line 5: persist must not be false" in refused.text
        (site.machines / f"{UUID}.yaml").write_text(CONFIG)
        await approve(site.admin(), codes)
        answer = await poll(site.client(), codes["device_code"])
        assert (await fetch(site.client(), answer.json()["access_token"])).text == CONFIG


def webhook(looks: list[str]) -> httpx2.AsyncClient:
    app = GitWebhook(Secret("0123456789abcdef"), lambda: looks.append("look"))
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
async def test_a_signed_webhook_triggers_a_fetch(headers: dict[str, str]) -> None:
    looks: list[str] = []
    answer = await webhook(looks).post("/hooks/git", content=b"pushed", headers=headers)
    assert (answer.status_code, looks) == (202, ["look"])


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
async def test_an_unsigned_webhook_does_nothing(headers: dict[str, str]) -> None:
    looks: list[str] = []
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    answer = await webhook(looks).post("/hooks/git", content=b"pushed", headers=raw)
    assert (answer.status_code, looks) == (401, [])
    assert (await webhook(looks).get("/hooks/git")).status_code == 405
    assert (await webhook(looks).post("/hooks/git", content=b"x" * (5 << 20))).status_code == 413


async def test_without_a_secret_there_is_no_webhook(site: InProcess) -> None:
    assert (await site.client().post("/hooks/git", content=b"x")).status_code in (403, 404, 405)
    assert UUID in (site.machines / "machines.yaml").read_text()
