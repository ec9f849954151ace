"""``GET /config``: who gets which configuration, and the 32-byte messages for everyone else."""

from __future__ import annotations

import hashlib

import pytest

from support.grants import MAC, UUID
from support.machine import fetch, token
from support.site import CONFIG, InProcess

pytestmark = pytest.mark.anyio
OTHER_UUID = "7b2f3f60-52c1-4e0f-8a6d-0d5f1c3e9a11"


async def test_an_approved_machine_gets_its_configuration_unchanged(site: InProcess) -> None:
    answer = await fetch(site.client(), await token(site.client(), site.admin()))
    assert (answer.status_code, answer.text) == (200, CONFIG)
    assert answer.headers["cache-control"] == "no-store"


async def test_a_token_can_be_used_again_and_each_delivery_is_counted(site: InProcess) -> None:
    access_token = await token(site.client(), site.admin())
    for _ in range(3):
        assert (await fetch(site.client(), access_token)).status_code == 200
    (row,) = site.database.file.read("SELECT state, deliveries FROM grants")
    assert row == ("delivered", 3)


@pytest.mark.parametrize(
    ("variables", "file"),
    [
        ({"serial": "0OCZJ19N65", "mac": MAC}, "0OCZJ19N65.yaml"),
        ({"mac": MAC.upper()}, "52-2f-fd-df-fc-c0.yaml"),
        ({"uuid": OTHER_UUID}, f"{OTHER_UUID.upper()}.yaml"),
    ],
)
async def test_a_file_is_found_by_uuid_serial_or_mac(site: InProcess, variables: dict[str, str], file: str) -> None:
    (site.machines / file).write_text("found: here\n")
    answer = await fetch(site.client(), await token(site.client(), site.admin(), **variables))
    assert answer.text == "found: here\n"


async def test_the_query_may_repeat_the_identity_but_never_selects_another(site: InProcess) -> None:
    (site.machines / f"{OTHER_UUID}.yaml").write_text("another machine's keys\n")
    access_token = await token(site.client(), site.admin())
    same = await fetch(site.client(), access_token, f"/config?uuid={UUID.upper()}&mac={MAC}&serial=%24%7Bserial%7D")
    other = await fetch(site.client(), access_token, f"/config?uuid={OTHER_UUID}")
    assert (same.status_code, same.text) == (200, CONFIG)
    assert (other.status_code, other.text) == (403, "not the machine approved\n")


@pytest.mark.parametrize("path", ["/config", "/config/worker/v1"])
@pytest.mark.parametrize(
    "query",
    [
        f"uuid={UUID}&uuid={OTHER_UUID}",
        f"uuid={UUID}&UUID={OTHER_UUID.upper()}",
        f"uuid={UUID}&Uuid=%7B{OTHER_UUID}%7D",
        f"uuid=00000000-0000-0000-0000-000000000000&uuid={OTHER_UUID}",
        f"mac={MAC}&mac=52-2F-FD-00-00-01",
        f"mac={MAC.upper()}&MAC=522f.fd00.0001",
        "serial=R640-C1&serial=%20R640-C2",
        "hostname=node-1&hostName=node-2",
        f"uuid={UUID}&mac={MAC}&serial=R640-C1&hostname=node-1&%20serial=R640-C2",
    ],
)
async def test_no_repeated_identity_in_the_query_may_contradict_the_token(
    site: InProcess, path: str, query: str
) -> None:
    known = {"uuid": UUID, "mac": MAC, "serial": "R640-C1", "hostname": "node-1"}
    access_token = await token(site.client(), site.admin(), **known)
    answer = await fetch(site.client(), access_token, f"{path}?{query}")
    assert (answer.status_code, answer.text) == (403, "not the machine approved\n")


async def test_a_repeated_identity_in_other_spellings_is_the_same_machine(site: InProcess) -> None:
    access_token = await token(site.client(), site.admin())
    query = f"uuid={UUID}&UUID={UUID.upper()}&uuid=%7B{UUID}%7D&mac={MAC}&mac={MAC.replace(':', '-').upper()}&uuid=x"
    assert (await fetch(site.client(), access_token, f"/config?{query}")).text == CONFIG


async def test_a_serial_shaped_like_another_machines_uuid_does_not_get_its_file(site: InProcess) -> None:
    mallory = {"uuid": OTHER_UUID, "serial": UUID}
    codes = (await site.client().post("/device/code", data={"client_id": "talos", **mallory})).json()
    answer = await site.admin().post("/api/v1/approve", json={"code": codes["user_code"]})
    assert answer.status_code == 409
    assert "no configuration for this machine" in answer.text


async def test_the_approved_entry_is_delivered_even_if_a_better_one_appears(site: InProcess) -> None:
    (site.machines / "52-2f-fd-df-fc-c0.yaml").write_text("by mac\n")
    (site.machines / f"{UUID}.yaml").unlink()
    access_token = await token(site.client(), site.admin())
    (site.machines / f"{UUID}.yaml").write_text("appeared later\n")
    assert (await fetch(site.client(), access_token)).text == "by mac\n"


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic dGFsb3M6"}])
async def test_without_a_valid_token_nothing_is_delivered(site: InProcess, header: dict[str, str]) -> None:
    answer = await site.client().get(f"/config?uuid={UUID}", headers=header)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.text.startswith(("no token", "token unknown"))


async def test_a_token_expires(site: InProcess) -> None:
    access_token = await token(site.client(), site.admin())
    site.clock.advance(4 * 3600 + 1)
    answer = await fetch(site.client(), access_token)
    assert (answer.status_code, answer.text) == (401, "token expired: ask again\n")


async def test_a_broken_file_can_be_repaired_while_the_machine_retries(
    site: InProcess,
) -> None:
    file = site.machines / f"{UUID}.yaml"
    access_token = await token(site.client(), site.admin())
    file.unlink()
    assert (await fetch(site.client(), access_token)).status_code == 404
    file.write_text("")
    assert (await fetch(site.client(), access_token)).status_code == 503
    file.unlink()
    file.symlink_to("/etc/hostname")
    assert (await fetch(site.client(), access_token)).status_code == 503
    file.unlink()
    site.machines.rename(site.machines.with_name("elsewhere"))
    assert (await fetch(site.client(), access_token)).status_code == 503
    site.machines.with_name("elsewhere").rename(site.machines)
    file.write_text(CONFIG)
    assert (await fetch(site.client(), access_token)).text == CONFIG


async def test_every_refusal_fits_the_console_and_is_never_empty(site: InProcess) -> None:
    access_token = await token(site.client(), site.admin())
    (site.machines / f"{UUID}.yaml").unlink()
    answers = [
        await site.client().get("/config"),
        await site.client("203.0.113.9").get("/config"),
        await site.client().put("/config"),
        await fetch(site.client(), "wrong"),
        await fetch(site.client(), access_token),
        await fetch(site.client(), access_token, f"/config?uuid={OTHER_UUID}"),
    ]
    for answer in answers:
        assert answer.status_code >= 400
        assert 0 < len(answer.text.strip()) <= 32
        assert answer.text.isascii()


async def test_the_server_reports_that_it_is_healthy(site: InProcess) -> None:
    assert (await site.client().get("/healthz")).text == "ok\n"


async def test_gzip_is_optional_and_the_recorded_digest_is_of_the_uncompressed_bytes(site: InProcess) -> None:
    access_token = await token(site.client(), site.admin())
    bearer = {"Authorization": f"Bearer {access_token}"}
    plain = await site.client().get("/config", headers={**bearer, "Accept-Encoding": "identity"})
    packed = await site.client().get("/config", headers={**bearer, "Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert [answer.headers["vary"] for answer in (plain, packed)] == ["accept-encoding"] * 2
    assert plain.text == packed.text == CONFIG
    rows = site.database.file.read("SELECT sha256, size FROM deliveries")
    assert rows == [(hashlib.sha256(CONFIG.encode()).hexdigest(), len(CONFIG))] * 2


async def test_a_refusal_is_never_compressed(site: InProcess) -> None:
    refused = await site.client().get("/config", headers={"Accept-Encoding": "gzip"})
    assert refused.status_code == 401
    assert "content-encoding" not in refused.headers
