"""``GET /config`` with a token of an outside provider: which machines such a token serves."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from joserfc.jwk import ECKey

from bootgrant.approval.audit import AuditKind
from bootgrant.ports.audit import AuditFilter
from support.fakes import FakeClock
from support.grants import MAC, UUID
from support.machine import token
from support.signing_provider import SigningProvider, signing_provider
from support.site import InProcess, site_in_process

pytestmark = pytest.mark.anyio
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
OTHER_UUID = "7b2f3f60-52c1-4e0f-8a6d-0d5f1c3e9a11"
ENTRIES = f"""
defaults: {{schema: talos}}
entries:
  - {{name: worker-1, match: {{uuid: {UUID}}}, labels: {{site: fra}}, networks: [10.20.0.0/24], layers: [worker]}}
  - {{name: worker-2, match: {{uuid: {OTHER_UUID}}}, labels: {{site: fra}}, layers: [worker]}}
  - {{name: cp-1, match: {{mac: "{MAC}"}}, labels: {{site: fra}}, layers: [cp]}}
  - {{name: shape, match: {{mac: "52:54:00:00:00:*"}}, labels: {{site: fra}}, layers: [shape]}}
  - {{name: ber-1, match: {{serial: SN-BER}}, labels: {{site: ber}}, layers: [worker]}}
"""
SHAPE = """version: v1alpha1
machine:
  type: {{ "controlplane" if machine.mac.endswith("01") else "worker" }}
  ca: {crt: YQ==, key: {{ "YQ==" if machine.mac.endswith("01") else '""' }}}
cluster: {}
"""
WORKER = "version: v1alpha1\nmachine:\n  type: worker\n  ca: {crt: YQ==}\n  token: swordfish\ncluster: {}\n"


@dataclass(slots=True)
class Outside:
    site: InProcess
    provider: SigningProvider

    async def fetch(self, bearer: str, query: str = f"uuid={UUID}", address: str = "10.20.0.11") -> httpx2.Response:
        headers = {"authorization": f"Bearer {bearer}"}
        return await self.site.client(address).get(f"/config?{query}", headers=headers)

    async def refused(self, query: str, address: str = "10.20.0.11", /, **claims: object) -> tuple[int, str]:
        answer = await self.fetch(self.provider.token(**claims).reveal(), query, address)
        assert len(answer.text.rstrip("\n")) <= 32
        return answer.status_code, answer.text.rstrip("\n")


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Outside]:
    clock = FakeClock()
    with signing_provider(clock) as provider:
        settings = (
            "[grants]", 'hold = "0s"', "[[providers]]", 'name = "corp"', f'issuer = "{provider.issuer}"',
            'audiences = ["bootgrant"]',
            "[[providers.rules]]", 'claims = {email = "*@example.org"}', 'select = ["site=fra"]',
            "[[providers.rules]]", 'claims = {groups = "cluster-admins"}', 'select = ["cp-*"]', "control_plane = true",
        )  # fmt: skip
        with site_in_process(tmp_path, *settings, clock=clock) as site:
            (site.machines / "machines.yaml").write_text(ENTRIES)
            (site.machines / "worker").mkdir()
            (site.machines / "worker" / "base.yaml").write_text(WORKER)
            (site.machines / "cp").mkdir()
            (site.machines / "cp" / "base.yaml").write_text(
                "version: v1alpha1\nmachine:\n  type: controlplane\n  ca: {crt: YQ==, key: YQ==}\ncluster: {}\n"
            )
            (site.machines / "shape").mkdir()
            (site.machines / "shape" / "base.yaml.j2").write_text(SHAPE)
            yield Outside(site, provider)


async def test_a_rule_lets_its_people_configure_the_machines_it_selects(outside: Outside) -> None:
    answer = await outside.fetch(outside.provider.token().reveal())
    assert (answer.status_code, answer.text) == (200, WORKER)
    assert answer.headers["cache-control"] == "no-store"


async def test_the_audit_records_the_approver_and_that_the_identity_is_a_claim(outside: Outside) -> None:
    await outside.fetch(outside.provider.token().reveal())
    (record,) = await outside.site.database.audit.newest(AuditFilter(kinds=(AuditKind.DELIVERED,)), 10)
    event = record.event
    assert (event.actor, event.via, event.entry) == ("ana@example.org (corp)", "provider:corp", "worker-1")
    assert (event.identity.uuid, event.address) == (UUID, "10.20.0.11")
    assert "its own claim" in event.reason
    assert len(event.digest) == 64


@pytest.mark.parametrize(
    ("query", "claims", "refusal"),
    [
        (f"uuid={UUID}", {"email": "eve@elsewhere.example"}, (401, "approver has no right: ask again")),
        (f"uuid={UUID}", {"email": None}, (401, "approver has no right: ask again")),
        ("serial=SN-BER", {}, (401, "approver has no right: ask again")),
        (f"mac={MAC}", {}, (401, "control plane: ask someone else")),
        ("hostname=worker-1", {}, (403, "no uuid, serial or mac in URL")),
        ("", {}, (403, "no uuid, serial or mac in URL")),
        (f"uuid={UUID}&UUID=7b2f3f60-52c1-4e0f-8a6d-0d5f1c3e9a11", {}, (403, "two identities in the URL")),
        ("uuid=1c9d2a52-8f2e-4d9a-9a53-2d3d1f0c5c77", {}, (404, "no config for this machine yet")),
        (f"uuid={UUID}", {"aud": "another"}, (401, "token is for another audience")),
        (f"uuid={UUID}", {"exp": 1}, (401, "token expired: ask again")),
    ],
)
async def test_everything_else_is_refused_with_a_reason_that_fits_the_console(
    outside: Outside, query: str, claims: dict[str, object], refusal: tuple[int, str]
) -> None:
    assert await outside.refused(query, **claims) == refusal


async def test_a_control_plane_needs_a_rule_that_allows_it(outside: Outside) -> None:
    admin = outside.provider.token(email="root@elsewhere.example", groups=["staff", "cluster-admins"])
    answer = await outside.fetch(admin.reveal(), f"mac={MAC}")
    assert answer.status_code == 200
    assert "controlplane" in answer.text


async def test_a_template_that_renders_a_control_plane_counts_as_one(outside: Outside) -> None:
    assert (await outside.fetch(outside.provider.token().reveal(), "mac=52:54:00:00:00:02")).status_code == 200
    assert await outside.refused("mac=52:54:00:00:00:01") == (401, "control plane: ask someone else")


async def test_a_machine_is_served_only_in_the_networks_of_its_entry(outside: Outside) -> None:
    assert await outside.refused(f"uuid={UUID}", "10.99.0.1") == (403, "not in its expected network")


async def test_a_token_only_serves_the_first_machine_that_uses_it(outside: Outside) -> None:
    bearer = outside.provider.token().reveal()
    assert (await outside.fetch(bearer)).status_code == 200
    for address in ("10.20.0.11", "10.20.0.12"):
        stolen = await outside.fetch(bearer, f"uuid={OTHER_UUID}", address)
        assert (stolen.status_code, stolen.text) == (401, "token used by another machine\n")
    # A machine with IPv4 and IPv6 may use one or the other, and needs no other approval when it comes back.
    moved = await outside.fetch(bearer, f"uuid={UUID}", "10.20.0.12")
    assert (moved.status_code, moved.text) == (403, "token used at another address\n")
    assert (await outside.fetch(bearer)).status_code == 200


async def test_a_twin_signature_does_not_make_a_second_token(outside: Outside) -> None:
    outside.provider.key = ECKey.generate_key("P-256", {"kid": "curve"})
    bearer = outside.provider.token({"alg": "ES256"}).reveal()
    assert (await outside.fetch(bearer)).status_code == 200
    twin = await outside.fetch(with_twin_signature(bearer), f"uuid={OTHER_UUID}", "10.20.0.12")
    assert (twin.status_code, twin.text) == (401, "token used by another machine\n")


def with_twin_signature(bearer: str) -> str:
    """Return the same token with the other signature that ECDSA accepts: (r, n - s) instead of (r, s)."""
    signed, _, signature = bearer.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    other = P256_ORDER - int.from_bytes(raw[32:], "big")
    return f"{signed}.{base64.urlsafe_b64encode(raw[:32] + other.to_bytes(32, 'big')).rstrip(b'=').decode()}"


async def test_opaque_tokens_with_two_dots_are_different_tokens(tmp_path: Path) -> None:
    clock = FakeClock()
    with signing_provider(clock) as provider:
        provider.answers = {"sub": "ana", "email": "ana@example.org"}
        corp = ("[[providers]]", 'name = "corp"', f'issuer = "{provider.issuer}"', 'check = "userinfo"')
        rule = ("[[providers.rules]]", 'claims = {sub = "ana"}', 'select = ["*"]')
        with site_in_process(tmp_path, *corp, *rule, clock=clock) as site:
            for uuid in (UUID, OTHER_UUID):
                (site.machines / f"{uuid}.yaml").write_text(WORKER)
            outside = Outside(site, provider)
            assert (await outside.fetch("v4.local.one")).status_code == 200
            assert (await outside.fetch("v4.local.two", f"uuid={OTHER_UUID}")).status_code == 200
            assert (await outside.fetch("v4.local.one", f"uuid={OTHER_UUID}")).status_code == 401


async def test_a_person_whom_the_provider_is_asked_about_may_still_get_the_right(tmp_path: Path) -> None:
    clock = FakeClock()
    with signing_provider(clock) as provider:
        provider.answers = {"sub": "ana", "groups": "staff"}
        corp = ("[[providers]]", 'name = "corp"', f'issuer = "{provider.issuer}"', 'check = "userinfo"')
        rule = ("[[providers.rules]]", 'claims = {groups = "ops"}', 'select = ["*"]')
        with site_in_process(tmp_path, *corp, *rule, clock=clock) as site:
            (site.machines / f"{UUID}.yaml").write_text(WORKER)
            outside = Outside(site, provider)
            refused = await outside.fetch("opaque")
            assert (refused.status_code, refused.text) == (403, "approver has no right to this\n")
            provider.answers = {"sub": "ana", "groups": "ops"}
            clock.advance(20)
            assert (await outside.fetch("opaque")).status_code == 200


async def test_a_changed_rule_or_entry_still_helps_a_talos_node_that_keeps_its_token(outside: Outside) -> None:
    bearer = outside.provider.token().reveal()
    refused = await outside.fetch(bearer, "serial=SN-BER")
    assert (refused.status_code, refused.headers["www-authenticate"].count("invalid_token")) == (401, 1)
    (outside.site.machines / "machines.yaml").write_text(ENTRIES.replace("site: ber", "site: fra"))
    outside.site.built.source.current.refresh()
    assert (await outside.fetch(bearer, "serial=SN-BER")).status_code == 200


async def test_a_refused_request_does_not_bind_the_token(outside: Outside) -> None:
    bearer = outside.provider.token().reveal()
    assert (await outside.fetch(bearer, f"mac={MAC}")).status_code == 401
    assert (await outside.fetch(bearer, f"uuid={UUID}", "10.99.0.1")).status_code == 403
    assert (await outside.fetch(bearer)).status_code == 200


async def test_the_token_stops_working_a_grace_period_after_the_delivery(outside: Outside) -> None:
    bearer = outside.provider.token(exp=int(outside.site.clock.now()) + 7200).reveal()
    await outside.fetch(bearer)
    outside.site.clock.advance(14 * 60)
    assert (await outside.fetch(bearer)).status_code == 200
    outside.site.clock.advance(2 * 60)
    used = await outside.fetch(bearer)
    assert (used.status_code, used.text) == (401, "token used: ask again\n")


async def test_while_the_provider_is_down_the_machine_should_retry(outside: Outside) -> None:
    bearer = outside.provider.token().reveal()
    outside.provider.down = True
    answer = await outside.fetch(bearer)
    assert (answer.status_code, answer.text) == (503, "provider down, retrying\n")
    assert answer.headers["retry-after"]


async def test_metrics_show_a_failing_provider(outside: Outside) -> None:
    outside.provider.down = True
    for _ in range(4):
        outside.site.clock.advance(3)
        await outside.fetch(outside.provider.token().reveal())
    metrics = (await outside.site.client("127.0.0.1").get("/metrics")).text
    assert 'bootgrant_provider_questions_total{outcome="failed",provider="corp"} 3.0' in metrics
    assert 'bootgrant_provider_open{provider="corp"} 1.0' in metrics


async def test_tokens_of_this_server_need_no_provider(outside: Outside) -> None:
    outside.provider.down = True
    own = await token(outside.site.client(), outside.site.admin(), uuid=UUID)
    assert (await outside.fetch(own)).text == WORKER
    assert outside.provider.server.asked == []


async def test_the_database_contains_no_token(outside: Outside) -> None:
    bearer = outside.provider.token().reveal()
    await outside.fetch(bearer)
    kept = b"".join(path.read_bytes() for path in outside.site.site.data.glob("bootgrant.sqlite3*"))
    assert bearer.encode() not in kept
    assert bearer.rpartition(".")[2].encode() not in kept


async def test_made_up_tokens_only_block_their_own_address(outside: Outside) -> None:
    answers = [await outside.fetch(outside.provider.token(exp=1).reveal(), address="10.66.6.6") for _ in range(301)]
    assert {answer.status_code for answer in answers[:300]} == {401}
    assert (answers[300].status_code, answers[300].text) == (429, "too many bad tokens: wait\n")
    good = outside.provider.token().reveal()
    assert (await outside.fetch(good)).status_code == 200
    outside.site.clock.advance(1)
    assert (await outside.fetch(outside.provider.token(exp=1).reveal(), address="10.66.6.6")).status_code == 401
