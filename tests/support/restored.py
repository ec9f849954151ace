"""A site whose database becomes older than what its server has seen, and what everybody meets then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx2

from support.grants import UUID
from support.machine import DEVICE_GRANT
from support.site import CONFIG, Served, wait_until

SECOND = "40dcbd19-3b10-444e-bfff-aaee44a51fdb"


def ready(site: Served) -> httpx2.Response:
    return httpx2.get(f"{site.url}/readyz", timeout=30, trust_env=False)


def run(site: Served, *words: str) -> str:
    done = site.command(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def call(site: Served, method: str, path: str, **members: Any) -> dict[str, Any]:
    """Do over the admin socket what a command does, without starting one."""
    transport = httpx2.HTTPTransport(uds=str(site.folder / "data/admin.sock"))
    with httpx2.Client(transport=transport, base_url="http://admin/api/v1/", timeout=30) as client:
        answer: dict[str, Any] = client.request(method, path, json=members or None).json()
        return answer


def ask(site: Served, uuid: str = UUID) -> dict[str, Any]:
    answer = httpx2.post(f"{site.url}/device/code", data={"client_id": "talos", "uuid": uuid}, timeout=30)
    codes: dict[str, Any] = answer.raise_for_status().json()
    return codes


def poll(site: Served, codes: dict[str, Any]) -> dict[str, Any]:
    form = {"client_id": "talos", "grant_type": DEVICE_GRANT, "device_code": codes["device_code"]}
    answer: dict[str, Any] = httpx2.post(f"{site.url}/token", data=form, timeout=60).json()
    return answer


def whoami(site: Served, token: str) -> httpx2.Response:
    return httpx2.get(f"{site.url}/api/v1/whoami", headers={"Authorization": f"Bearer {token}"}, timeout=30)


@dataclass(slots=True)
class Known:
    """What a site knew when the copy was made: a token, a machine that is denied later, and one that waits."""

    token: str
    denied: dict[str, Any]
    waiting: dict[str, Any]
    host: str

    def take_away(self, site: Served) -> None:
        """Revoke the token, disable the operator and deny the machine, after the copy was made."""
        call(site, "DELETE", "tokens/ci")
        call(site, "POST", "operators/ben/disable")
        call(site, "POST", "deny", code=self.denied["user_code"], reason="not ours")

    def assert_waits(self, site: Served) -> None:
        """Nobody gets anything, and nobody loses a code."""
        assert (ready(site).status_code, "restore --accept" in ready(site).text) == (503, True)
        refused = whoami(site, self.token)
        assert (refused.status_code, refused.json()["error"]) == (401, "restored")
        assert "restore --accept" in refused.json()["message"]
        page = httpx2.get(f"{site.url}/", headers={"host": self.host}, timeout=30)
        assert (page.status_code, "bootgrant restore --accept" in page.text) == (503, True)
        for codes in (self.denied, self.waiting):
            assert poll(site, codes)["error"] == "authorization_pending"
        new = httpx2.post(f"{site.url}/device/code", data={"client_id": "talos", "uuid": SECOND}, timeout=30)
        assert (new.status_code, new.json()["error"]) == (503, "temporarily_unavailable")
        assert httpx2.get(f"{site.url}/config", headers={"Authorization": "Bearer x"}, timeout=30).status_code == 503
        for method, path in (("GET", "status"), ("POST", "approve"), ("GET", "operators")):
            assert call(site, method, path)["error"] == "restored", path

    def assert_stays_revoked(self, site: Served) -> None:
        wait_until(lambda: ready(site).status_code == 200, "the server serves again")
        assert whoami(site, self.token).status_code == 401
        listed = call(site, "GET", "operators")["operators"]
        assert [each["name"] for each in listed if each["disabled_at"]] == ["ben"]
        assert poll(site, self.denied)["error"] == "access_denied"
        call(site, "POST", "approve", code=self.waiting["user_code"])
        token = poll(site, self.waiting)["access_token"]
        got = httpx2.get(f"{site.url}/config", headers={"Authorization": f"Bearer {token}"}, timeout=30)
        assert got.text == CONFIG


def prepared(site: Served) -> Known:
    made = call(site, "POST", "tokens", name="ci", role="admin", seconds=3600)
    call(site, "POST", "operators", name="ben", role="approver")
    (site.machines / f"{SECOND}.yaml").write_text(CONFIG)
    return Known(made["token"], ask(site, SECOND), ask(site), site.url.removeprefix("http://"))
