"""A machine's requests, as Talos sends them."""

from __future__ import annotations

from typing import Any

import httpx2

from support.grants import MAC, UUID

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
TALOS = {"client_id": "talos", "uuid": UUID, "mac": MAC}


async def ask(client: httpx2.AsyncClient, **variables: str) -> dict[str, Any]:
    """Ask for a code, as the machine UUID unless other variables are given."""
    answer = await client.post("/device/code", data={"client_id": "talos", **(variables or {"uuid": UUID, "mac": MAC})})
    assert answer.status_code == 200, answer.text
    codes: dict[str, Any] = answer.json()
    return codes


async def poll(client: httpx2.AsyncClient, device_code: str, **changes: Any) -> httpx2.Response:
    """The half of a poll that goes without a Basic header."""
    form = {**TALOS, "grant_type": DEVICE_GRANT, "device_code": device_code}
    return await client.post("/token", data=form, **changes)


async def approve(admin: httpx2.AsyncClient, codes: dict[str, Any]) -> None:
    answer = await admin.post("/api/v1/approve", json={"code": codes["user_code"]})
    assert answer.status_code == 200, answer.text


async def deny(admin: httpx2.AsyncClient, codes: dict[str, Any], reason: str = "") -> None:
    answer = await admin.post("/api/v1/deny", json={"code": codes["user_code"], "reason": reason})
    assert answer.status_code == 200, answer.text


async def token(client: httpx2.AsyncClient, admin: httpx2.AsyncClient, **variables: str) -> str:
    """The access token of a machine that asked and was approved."""
    codes = await ask(client, **variables)
    await approve(admin, codes)
    answer = await poll(client, codes["device_code"])
    assert answer.status_code == 200, answer.text
    issued: str = answer.json()["access_token"]
    return issued


async def fetch(client: httpx2.AsyncClient, access_token: str, path: str = "/config") -> httpx2.Response:
    return await client.get(path, headers={"Authorization": f"Bearer {access_token}"})
