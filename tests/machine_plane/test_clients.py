"""Clients with and without a secret, introspection, revocation, and the metadata."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.grants import MAC, UUID
from support.machine import DEVICE_GRANT, TALOS, approve, ask, fetch, poll, token
from support.site import CONFIG, InProcess, site_in_process

pytestmark = pytest.mark.anyio
SECRET = "0123456789abcdef0123456789abcdef"


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[InProcess]:
    """A site with the public client `talos`, and `vault` and `guard` with a secret. `guard` may revoke any token."""
    (tmp_path / "vault.secret").write_text(f"{SECRET}\n")
    guard = "{id = 'guard', secret_file = 'vault.secret', any_token = true}"
    clients = f"clients = [{{id = 'talos'}}, {{id = 'vault', secret_file = 'vault.secret'}}, {guard}]"
    with site_in_process(tmp_path, clients, "[grants]", 'hold = "0s"') as site:
        (site.machines / f"{UUID}.yaml").write_text(CONFIG)
        yield site


async def vault_code(site: InProcess) -> str:
    """Return a device code of the client with a secret, which Talos never sends to this endpoint."""
    answer = await site.client().post("/device/code", data={**TALOS, "client_id": "vault"})
    assert answer.status_code == 200
    await approve(site.admin(), answer.json())
    code: str = answer.json()["device_code"]
    return code


@pytest.mark.parametrize(
    ("headers", "form", "status"),
    [
        (basic("vault", ""), {"client_secret": SECRET}, 200),
        ({}, {"client_secret": SECRET}, 200),
        (basic("vault", SECRET), {}, 200),
        (basic("vault", ""), {}, 401),
        ({}, {}, 401),
        ({}, {"client_secret": "wrong-wrong-wrong"}, 401),
        (basic("vault", "wrong-wrong-wrong"), {"client_secret": SECRET}, 401),
        (basic("talos", SECRET), {}, 401),
        ({"Authorization": "Basic ???"}, {"client_secret": SECRET}, 200),
    ],
    ids=["Talos, first half", "Talos, second half", "basic", "no secret", "nothing", "wrong", "two secrets, one wrong",
         "another client's secret", "unreadable header"],
)  # fmt: skip
async def test_a_client_with_a_secret_needs_it_at_the_token_endpoint(
    guarded: InProcess, headers: dict[str, str], form: dict[str, str], status: int
) -> None:
    data = {"client_id": "vault", "grant_type": DEVICE_GRANT, "device_code": await vault_code(guarded), **form}
    answer = await guarded.client().post("/token", data=data, headers=headers)
    assert answer.status_code == status, answer.text
    if status == 401:
        assert answer.json()["error"] == "invalid_client"
        assert answer.headers["www-authenticate"].startswith("Basic")


async def test_a_public_client_may_name_itself_only_in_the_header(guarded: InProcess) -> None:
    codes = await ask(guarded.client())
    form = {"grant_type": DEVICE_GRANT, "device_code": codes["device_code"]}
    answer = await guarded.client().post("/token", data=form, headers=basic("talos", ""))
    assert answer.json()["error"] == "authorization_pending"


async def test_introspection_names_the_machine_of_a_token(guarded: InProcess) -> None:
    access_token = await token(guarded.client(), guarded.admin())
    answer = await guarded.client().post("/introspect", data={"token": access_token}, headers=basic("vault", SECRET))
    claims = answer.json()
    assert (claims["active"], claims["sub"], claims["client_id"]) == (True, UUID, "talos")
    assert claims["machine"] == {"uuid": UUID, "mac": MAC}
    assert claims["exp"] - claims["iat"] == 4 * 3600


async def test_a_revoked_token_no_longer_works(guarded: InProcess) -> None:
    codes = await ask(guarded.client())
    await approve(guarded.admin(), codes)
    access_token = (await poll(guarded.client(), codes["device_code"])).json()["access_token"]
    revoked = await guarded.client().post("/revoke", data={"token": access_token}, headers=basic("guard", SECRET))
    assert revoked.status_code == 200
    assert (await fetch(guarded.client(), access_token)).text == "token revoked by an operator\n"
    assert (await poll(guarded.client(), codes["device_code"])).json()["error"] == "access_denied"
    answer = await guarded.client().post("/introspect", data={"token": access_token}, headers=basic("vault", SECRET))
    assert answer.json() == {"active": False}


async def test_a_client_can_revoke_its_own_tokens_and_no_others(guarded: InProcess) -> None:
    theirs = await token(guarded.client(), guarded.admin())
    headers = basic("vault", SECRET)
    refused = await guarded.client().post("/revoke", data={"token": theirs}, headers=headers)
    assert (refused.status_code, refused.json()["error"]) == (400, "unauthorized_client")
    assert (await fetch(guarded.client(), theirs)).status_code == 200
    form = {"client_id": "vault", "grant_type": DEVICE_GRANT, "device_code": await vault_code(guarded)}
    own = (await guarded.client().post("/token", data=form, headers=headers)).json()["access_token"]
    assert (await guarded.client().post("/revoke", data={"token": own}, headers=headers)).status_code == 200
    assert (await fetch(guarded.client(), own)).status_code == 401


async def test_an_unknown_token_is_inactive_and_revoking_it_succeeds(guarded: InProcess) -> None:
    headers = basic("vault", SECRET)
    assert (await guarded.client().post("/introspect", data={"token": "x"}, headers=headers)).json() == {
        "active": False
    }
    assert (await guarded.client().post("/revoke", data={"token": "x"}, headers=headers)).status_code == 200
    assert (await guarded.client().post("/revoke", data={}, headers=headers)).json()["error"] == "invalid_request"


async def program(site: InProcess, role: str, *labels: str) -> dict[str, str]:
    """Return the header of a program with an API token of this role."""
    more = {"name": role, "role": role, "labels": labels, "seconds": 3600}
    made = await site.admin().post("/api/v1/tokens", json=more)
    return {"Authorization": f"Bearer {made.raise_for_status().json()['token']}"}


@pytest.mark.parametrize("role", ["viewer", "auditor", "approver", "admin"])
async def test_a_program_with_any_role_can_introspect_a_token(guarded: InProcess, role: str) -> None:
    access_token = await token(guarded.client(), guarded.admin())
    headers = await program(guarded, role)
    answer = await guarded.client().post("/introspect", data={"token": access_token}, headers=headers)
    assert (answer.json()["active"], answer.json()["sub"]) == (True, UUID)


async def test_a_program_of_an_admin_can_revoke_a_token_and_the_audit_names_it(guarded: InProcess) -> None:
    access_token = await token(guarded.client(), guarded.admin())
    headers = await program(guarded, "admin")
    for shown in (access_token, access_token, "x"):
        assert (await guarded.client().post("/revoke", data={"token": shown}, headers=headers)).status_code == 200
    assert (await fetch(guarded.client(), access_token)).status_code == 401
    events = (await guarded.admin().get("/api/v1/audit", params={"kind": "revoked"})).text
    assert "admin (token:admin)" in events


@pytest.mark.parametrize(
    ("role", "labels"), [("viewer", ()), ("auditor", ()), ("approver", ()), ("admin", ("site=fra",))]
)
async def test_a_program_without_the_rights_cannot_revoke_a_token(
    guarded: InProcess, role: str, labels: tuple[str, ...]
) -> None:
    access_token = await token(guarded.client(), guarded.admin())
    headers = await program(guarded, role, *labels)
    refused = await guarded.client().post("/revoke", data={"token": access_token}, headers=headers)
    assert refused.json()["error"] == ("unauthorized_client" if labels else "invalid_client")
    assert (refused.status_code, "insufficient_scope" in refused.headers.get("www-authenticate", "")) == (
        (400, False) if labels else (401, True)
    )
    assert (await fetch(guarded.client(), access_token)).text == CONFIG


@pytest.mark.parametrize("endpoint", ["/introspect", "/revoke"])
@pytest.mark.parametrize("shown", ["", "x", "bootgrant_" + "x" * 43, "\u00e9"])
async def test_an_invalid_api_token_is_refused(guarded: InProcess, endpoint: str, shown: str) -> None:
    headers = {b"Authorization": f"Bearer {shown}".encode()}
    access_token = await token(guarded.client(), guarded.admin())
    answer = await guarded.client().post(endpoint, data={"token": access_token}, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert (await fetch(guarded.client(), access_token)).text == CONFIG


@pytest.mark.parametrize("endpoint", ["/introspect", "/revoke"])
async def test_a_client_without_a_secret_cannot_introspect_or_revoke(guarded: InProcess, endpoint: str) -> None:
    access_token = await token(guarded.client(), guarded.admin())
    answer = await guarded.client().post(endpoint, data={"token": access_token, "client_id": "talos"})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert (await fetch(guarded.client(), access_token)).text == CONFIG


async def test_the_metadata_names_every_endpoint(site: InProcess) -> None:
    metadata = (await site.client().get("/.well-known/oauth-authorization-server")).json()
    assert metadata["issuer"] == "http://boot.example:8080"
    assert metadata["grant_types_supported"] == [DEVICE_GRANT]
    for name in ("device_authorization", "token", "introspection", "revocation"):
        path = metadata[f"{name}_endpoint"].removeprefix("http://boot.example:8080")
        assert (await site.client().post(path, data={"client_id": "nobody"})).json()["error"] == "invalid_client"


async def test_other_origins_may_not_read_a_response(site: InProcess) -> None:
    for path in ("/device/code", "/token", "/config", "/.well-known/oauth-authorization-server"):
        answer = await site.client().options(path, headers={"Origin": "https://evil.example"})
        assert not [name for name in answer.headers if name.startswith("access-control")]
