"""The API for programs: tokens and roles, filters, bulk approval, assignments, operators, the audit."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, cast

import httpx2
import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.operators import Role
from bootgrant.operator_plane.api.accounts import ACCOUNT_ROUTES
from bootgrant.operator_plane.api.app import Listener, build_api
from bootgrant.operator_plane.api.openapi import document
from bootgrant.operator_plane.api.routes import ROUTES
from bootgrant.operator_plane.permissions import Permission, UndeclaredRoute
from bootgrant.ports.people import BY_PROVIDER
from bootgrant.service.parts.people import api_plane
from bootgrant.service.parts.status import SiteStatus
from bootgrant.wire.identity import MachineIdentity
from support.api_program import program
from support.fakes import CountedEntropy
from support.grants import MAC, NOW, UUID, other_machine
from support.layered_site import write_machines
from support.office import Office
from support.site import CONFIG, as_user

pytestmark = pytest.mark.anyio
_ENTROPY = CountedEntropy()


async def json_of(answer: httpx2.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.mark.parametrize("permission", [None, Permission.AFTER_PASSWORD, Permission.PUBLIC])
def test_a_route_without_a_permission_of_its_listener_keeps_the_server_from_starting(
    office: Office, permission: Permission | None
) -> None:
    site, built = office.site, office.site.built
    status = SiteStatus(site.site, site.database, built.source.current, (), (), site.clock)
    plane = api_plane(site.site, site.database, built.decisions, built.source, site.clock, CountedEntropy(), status)
    route = replace(ROUTES[0], permission=cast("Permission", permission))
    with pytest.raises(UndeclaredRoute, match="GET /api/v1/whoami"):
        build_api(plane, Listener.PUBLIC, [route])


def test_the_document_describes_every_route_once() -> None:
    routes = {(route.method, route.path) for route in ROUTES}
    paths = document(ROUTES, "https://boot.example")["paths"]
    described = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert routes == described
    assert len({route.operation for route in ROUTES}) == len(ROUTES)
    assert all(route.summary for route in ROUTES)


async def test_an_expired_token_and_a_made_up_one_are_refused_alike(office: Office) -> None:
    async with await program(office, seconds=60) as client:
        assert (await json_of(await client.get("/api/v1/whoami")))["role"] == "admin"
        office.site.clock.advance(60)
        expired = await client.get("/api/v1/whoami")
        client.headers["authorization"] = f"Bearer bootgrant_{'A' * 43}"
        made_up = await client.get("/api/v1/whoami")
    assert expired.headers["www-authenticate"].startswith("Bearer")
    assert (await json_of(expired, 401)) == (await json_of(made_up, 401))


async def test_a_browser_session_does_not_open_the_api(office: Office) -> None:
    person = await office.person()
    assert (await person.client.get("/api/v1/pending")).status_code == 401


async def test_the_next_page_of_the_list_continues_where_the_first_ended(office: Office) -> None:
    for number in range(7):
        await office.machine(identity=other_machine(number), grant_id=f"{number:032x}")
    seen: list[str] = []
    async with await program(office, Role.VIEWER) as client:
        after: dict[str, str] = {}
        while True:
            page = await json_of(await client.get("/api/v1/pending", params={"limit": 3, **after}))
            seen += [one["identity"]["serial"] for one in page["pending"]]
            if page["next"] is None:
                break
            after = {"after": page["next"]}
    assert sorted(seen) == [f"SN{number:04}" for number in range(7)]
    assert len(seen) == 7


async def test_the_list_can_be_filtered_by_text_and_by_expected(office: Office) -> None:
    office.configure()
    await office.machine()
    await office.machine(identity=MachineIdentity(serial="SPARE1"))
    async with await program(office, Role.VIEWER) as client:
        by_text = await json_of(await client.get("/api/v1/pending", params={"text": "spare"}))
        expected = await json_of(await client.get("/api/v1/pending", params={"expected": "true"}))
        typo = await json_of(await client.get("/api/v1/pending", params={"expcted": "true"}), 400)
        wrong = await json_of(await client.get("/api/v1/pending", params={"limit": "many"}), 400)
    assert [one["identity"] for one in by_text["pending"]] == [{"serial": "SPARE1"}]
    assert [one["identity"] for one in expected["pending"]] == [{"uuid": UUID, "mac": MAC}]
    assert "expcted" in typo["message"]
    assert "limit" in wrong["message"]


async def test_bulk_approval_reports_each_refusal(office: Office) -> None:
    codes = []
    for number in range(20):
        (office.site.machines / f"SN{number:04}.yaml").write_text(CONFIG)
        codes.append((await office.machine(identity=other_machine(number)))[1])
    _, unknown_machine = await office.machine(identity=MachineIdentity(serial="SPARE1"))
    async with await program(office, Role.APPROVER) as client:
        body = {"codes": [*codes, unknown_machine, "BBBB-BBBB"]}
        first = await json_of(await client.post("/api/v1/approve", json=body))
        again = await json_of(await client.post("/api/v1/approve", json=body))
    assert first["approved"] == codes
    assert {code: one["error"] for code, one in first["refused"].items()} == {
        unknown_machine: "no_entry",
        "BBBB-BBBB": "unknown",
    }
    assert again["approved"] == []
    assert {one["error"] for one in again["refused"].values()} == {"already_decided", "no_entry", "unknown"}


MODEL = """
entries:
  - {name: worker-1, match: {serial: SN0001}, labels: {role: worker}}
  - {name: worker-2, match: {serial: SN0002}, labels: {role: worker}}
  - {name: pool, match: {mac: "52:54:00:*"}, labels: {role: worker}}
  - {name: spare, labels: {role: worker}}
"""
POOLED = MachineIdentity(mac="52:54:00:00:00:01")


async def test_bulk_approval_leaves_out_what_the_batch_page_leaves_out_and_names_each_machine(office: Office) -> None:
    write_machines(office.site.machines, {"machines.yaml": MODEL})
    office.site.built.source.current.refresh()
    _, exact = await office.machine(identity=other_machine(1))
    _, pooled = await office.machine(identity=POOLED)
    _, assigned = await office.machine(identity=other_machine(77))
    _, one = await office.machine(identity=other_machine(2))
    _, twin = await office.machine(identity=MachineIdentity(serial="SN0002", mac="52:00:00:00:00:02"))
    async with await program(office, Role.APPROVER) as client:
        await json_of(await client.post("/api/v1/assign", json={"code": assigned, "entry": "spare"}))
        body = {"codes": [exact, pooled, assigned, one, twin, "BBBB-BBBB"]}
        answer = await json_of(await client.post("/api/v1/approve", json=body))
        singly = await json_of(await client.post("/api/v1/approve", json={"code": pooled}))
    assert answer["approved"] == [exact]
    errors = {code: refusal["error"] for code, refusal in answer["refused"].items()}
    assert errors == {**dict.fromkeys((pooled, assigned, one, twin), "not_in_batch"), "BBBB-BBBB": "unknown"}
    assert "only matched by pattern (mac 52:54:00:*)" in answer["refused"][pooled]["message"]
    assert set(answer["machines"]) == {exact, pooled, assigned, one, twin}
    assert answer["machines"][exact]["entry"] == "worker-1"
    assert answer["machines"][pooled]["identity"] == {"mac": "52:54:00:00:00:01"}
    assert (answer["machines"][pooled]["entry"], answer["machines"][pooled]["address"]) == (None, "10.20.0.11")
    assert singly["state"] == "approved"


async def test_the_list_says_what_each_machine_is_and_filters_by_expected(office: Office) -> None:
    write_machines(office.site.machines, {"machines.yaml": MODEL})
    office.site.built.source.current.refresh()
    exact, _ = await office.machine(identity=other_machine(1))
    await office.machine(identity=POOLED)
    _, assigned = await office.machine(identity=other_machine(77))
    one, _ = await office.machine(identity=other_machine(2), source_address="10.20.0.12")
    twin, _ = await office.machine(
        identity=MachineIdentity(serial="SN0002", mac="52:00:00:00:00:02"), source_address="10.20.0.12"
    )
    before = MachineIdentity(serial="SN0005", mac="52:54:00:00:00:05")
    event = AuditEvent(NOW - 9000, AuditKind.DELIVERED, grant_id="old", identity=before, address="a", entry="pool")
    await office.site.database.audit.append([event])
    changed, _ = await office.machine(identity=MachineIdentity(serial="SN0006", mac="52:54:00:00:00:05"))
    async with await program(office, Role.APPROVER) as client:
        await json_of(await client.post("/api/v1/assign", json={"code": assigned, "entry": "spare"}))
        listed = (await json_of(await client.get("/api/v1/pending")))["pending"]
        expected = (await json_of(await client.get("/api/v1/pending", params={"expected": "true"})))["pending"]
        others = (await json_of(await client.get("/api/v1/pending", params={"expected": "false"})))["pending"]
        shown = await json_of(await client.get(f"/api/v1/requests/{changed.grant_id}"))
    by_id = {request["id"]: request for request in listed}
    standings = [request["standing"] for request in listed]
    assert sorted(standings) == ["assigned", "expected", "expected", "expected", "mismatch", "pattern"]
    assert {request["id"] for request in expected} == {exact.grant_id, one.grant_id, twin.grant_id}
    assert sorted(request["standing"] for request in others) == ["assigned", "mismatch", "pattern"]
    assert (by_id[one.grant_id]["alike"], by_id[exact.grant_id]["alike"]) == ([twin.grant_id], [])
    assert next(request for request in listed if request["standing"] == "assigned")["assigned_by"].startswith("ci-")
    assert shown["past"]["deliveries"][0]["identity"] == {"serial": "SN0005", "mac": "52:54:00:00:00:05"}


async def test_a_token_with_labels_only_decides_about_its_machines(office: Office) -> None:
    office.configure()
    _, code = await office.machine()
    async with await program(office, Role.APPROVER, "site=fra") as client:
        refused = await json_of(await client.post("/api/v1/approve", json={"code": code}), 403)
    assert (refused["error"], "site=fra" in refused["message"]) == ("not_allowed", True)


@pytest.mark.parametrize("route", ACCOUNT_ROUTES, ids=lambda route: route.operation)
async def test_an_admin_limited_by_labels_cannot_manage_accounts(office: Office, route: Any) -> None:
    path = re.sub(r"\{\w+\}", "nothing", route.path)
    async with await program(office, Role.ADMIN, "site=fra") as client:
        answer = await client.request(route.method, path, json={} if route.body is not None else None)
    refused = await json_of(answer, 403)
    assert (refused["error"], "is limited to site=fra" in refused["message"]) == ("not_allowed", True)


async def test_a_decision_names_its_token_even_if_a_user_header_is_sent(office: Office) -> None:
    _, code = await office.machine()
    async with await program(office, Role.APPROVER) as client:
        done = await json_of(
            await client.post("/api/v1/deny", json={"code": code, "reason": "no"}, headers=as_user("root"))
        )
    assert re.fullmatch(r"ci-\w+ \(token:ci-\w+\)", done["decided_by"])


async def test_the_configuration_is_shown_and_only_the_entry_that_was_seen_is_approved(office: Office) -> None:
    office.configure()
    grant, code = await office.machine()
    async with await program(office, Role.APPROVER) as client:
        shown = await json_of(await client.get(f"/api/v1/requests/{grant.grant_id}"))
        preview = await json_of(await client.get(f"/api/v1/requests/{grant.grant_id}/configuration"))
        other = await client.post("/api/v1/approve", json={"code": code, "seen": "another"})
        seen = shown["request"]["entry"]["fingerprint"]
        done = await json_of(await client.post("/api/v1/approve", json={"code": code, "seen": seen}))
    assert (preview["entry"], UUID in preview["text"]) == (f"{UUID}.yaml", True)
    assert (await json_of(other, 409))["error"] == "entry_changed"
    assert (done["state"], shown["past"]["deliveries"]) == ("approved", [])


async def test_an_approval_can_be_revoked(office: Office) -> None:
    office.configure()
    grant, code = await office.machine()
    async with await program(office) as client:
        await client.post("/api/v1/approve", json={"code": code})
        path = f"/api/v1/requests/{grant.grant_id}/revoke"
        states = [(await json_of(await client.post(path)))["state"] for _ in range(2)]
        by_code = await json_of(await client.post("/api/v1/revoke", json={"code": code}))
    assert (states, by_code["state"]) == (["revoked", "revoked"], "revoked")


async def test_a_pending_request_cannot_be_revoked(office: Office) -> None:
    _, code = await office.machine()
    async with await program(office) as client:
        waits = await json_of(await client.post("/api/v1/revoke", json={"code": code}), 404)
        await json_of(await client.post("/api/v1/revoke", json={"code": "BBBB-BBBB"}), 404)
    assert waits["message"] == "there is no approval to revoke: the request is pending"


async def test_an_unknown_machine_can_be_assigned_an_entry_and_lose_it_again(office: Office) -> None:
    office.configure()
    _, code = await office.machine(identity=MachineIdentity(serial="SPARE1"))
    machine = {"serial": "SPARE1"}
    async with await program(office) as client:
        before = await json_of(await client.post("/api/v1/machines/explain", json=machine))
        given = await json_of(await client.post("/api/v1/assign", json={"code": code, "entry": f"{UUID}.yaml"}))
        after = await json_of(await client.post("/api/v1/machines/explain", json=machine))
        listed = await json_of(await client.get("/api/v1/assignments"))
        await json_of(await client.post("/api/v1/unassign", json=machine))
        twice = await json_of(await client.post("/api/v1/unassign", json=machine), 409)
    assert (before["entry"], given["entry"], after["entry"]["name"]) == (None, f"{UUID}.yaml", f"{UUID}.yaml")
    assert listed["assignments"] == [given]
    assert "this machine has no assigned entry" in twice["message"]


async def test_operators_can_be_added_changed_and_disabled(office: Office) -> None:
    async with await program(office) as client:
        new = {"name": "ben", "role": "approver", "labels": ["site=fra"]}
        added = await json_of(await client.post("/api/v1/operators", json=new), 201)
        await json_of(await client.post("/api/v1/operators", json=new), 409)
        await json_of(await client.patch("/api/v1/operators/ben", json={"role": "viewer"}))
        await json_of(await client.post("/api/v1/operators/ben/disable"))
        [ben] = (await json_of(await client.get("/api/v1/operators")))["operators"]
        await json_of(await client.post("/api/v1/operators/ben/enable"))
        await office.site.database.operators.set_disabled("ben", 1.0, by=BY_PROVIDER)
        [left] = (await json_of(await client.get("/api/v1/operators")))["operators"]
        reset = await json_of(await client.post("/api/v1/operators/ben/reset"))
    assert (ben["role"], ben["labels"], ben["disabled_at"] is None) == ("viewer", ["site=fra"], False)
    assert (ben["disabled_by"], left["disabled_by"]) == (None, "provider")
    assert added["password"]
    assert reset["password"] not in ("", added["password"])


async def test_a_chosen_password_is_only_accepted_on_the_admin_socket(office: Office) -> None:
    await office.person("ben")
    chosen = {"password": "correct horse battery staple"}
    async with await program(office) as client:
        refused = await json_of(await client.post("/api/v1/operators/ben/reset", json=chosen), 403)
    async with office.site.admin("root") as admin:
        taken = await json_of(await admin.post("/api/v1/operators/ben/reset", json=chosen))
        short = await json_of(await admin.post("/api/v1/operators/ben/reset", json={"password": "short"}), 409)
    assert "only be chosen on the server itself" in refused["message"]
    assert taken["password"] is None
    assert "12 to 1024 characters" in short["message"]


@pytest.mark.parametrize(
    ("sent", "what_to_do"),
    [({"labels": ["fra"]}, 'write "site=fra"'), ({"seconds": 400 * 86400}, "at most 366 days")],
)
async def test_an_invalid_value_is_refused_with_the_right_format(
    office: Office, sent: dict[str, object], what_to_do: str
) -> None:
    async with await program(office) as client:
        new = {"name": "grafana", "role": "viewer", "seconds": 60, **sent}
        refused = await json_of(await client.post("/api/v1/tokens", json=new), 400)
    assert what_to_do in refused["message"]


async def test_a_token_can_create_and_revoke_tokens(office: Office) -> None:
    async with await program(office) as client:
        new = {"name": "grafana", "role": "viewer", "seconds": 60}
        made = await json_of(await client.post("/api/v1/tokens", json=new), 201)
        assert made["about"]["expires_at"] == office.site.clock.now() + 60
        names = [one["name"] for one in (await json_of(await client.get("/api/v1/tokens")))["tokens"]]
        assert "grafana" in names
        await json_of(await client.delete("/api/v1/tokens/grafana"))
        await json_of(await client.delete("/api/v1/tokens/grafana"), 404)
        client.headers["authorization"] = f"Bearer {made['token']}"
        await json_of(await client.get("/api/v1/whoami"), 401)


async def test_the_audit_is_followed_from_a_record_and_has_a_head(office: Office) -> None:
    reasons = [f"no. {number}" for number in range(4)]
    events = [AuditEvent(NOW, AuditKind.DENIED, "ana", reason=reason) for reason in reasons]
    async with await program(office) as client:
        await office.site.database.audit.append([*events, AuditEvent(NOW, AuditKind.APPROVED, "ana")])
        end = await json_of(await client.get("/api/v1/audit/head"))
        begin = end["seq"] - 5
        first = await json_of(await client.get("/api/v1/audit", params={"after": begin, "limit": 3}))
        more = await json_of(await client.get("/api/v1/audit", params={"after": first["next"], "kind": "denied"}))
        none = await json_of(await client.get("/api/v1/audit", params={"after": more["next"]}))
    assert [event["reason"] for event in first["events"]] == reasons[:3]
    assert [event["reason"] for event in more["events"]] == reasons[3:]
    assert (none["events"], none["next"], end["seq"]) == ([], end["seq"], begin + 5)
    assert end["head"] == f"{end['seq']}:{end['hash']}" == str(await office.site.database.audit.head())


async def test_the_audit_is_listed_newest_first_with_filters(office: Office) -> None:
    office.configure()
    grant, code = await office.machine()
    _, other = await office.machine(identity=MachineIdentity(serial="SPARE1"))
    async with await program(office) as client:
        await client.post("/api/v1/approve", json={"code": code})
        await client.post("/api/v1/deny", json={"code": other, "reason": "not ours"})
        everything = await json_of(await client.get("/api/v1/audit", params={"limit": 1}))
        rest = await json_of(await client.get("/api/v1/audit", params={"before": everything["next"]}))
        approved = await json_of(await client.get("/api/v1/audit", params={"kind": "approved", "uuid": UUID}))
        bad = await client.get("/api/v1/audit", params={"kind": "nonsense"})
    assert (everything["events"][0]["kind"], everything["events"][0]["reason"]) == ("denied", "not ours")
    assert all(event["seq"] < everything["next"] for event in rest["events"])
    assert [event["grant"] for event in approved["events"]] == [grant.grant_id]
    assert bad.status_code == 400


async def test_responses_must_not_be_cached(office: Office) -> None:
    async with await program(office) as client:
        answer = await client.get("/api/v1/pending")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-request-id"]


async def test_an_unknown_path_and_a_wrong_method_are_answered_with_json(office: Office) -> None:
    async with await program(office) as client:
        missing = await json_of(await client.get("/api/v1/nothing"), 404)
        wrong = await client.delete("/api/v1/pending")
    assert missing["error"] == "not_found"
    assert ((await json_of(wrong, 405))["error"], "GET" in wrong.headers["allow"]) == ("wrong_method", True)


async def test_a_database_failure_is_reported_and_the_log_contains_no_code(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    office.configure()
    _, code = await office.machine()
    async with await program(office) as client:
        await client.get("/api/v1/whoami")
        office.site.database.file._disk.shutdown()
        answer = await client.post("/api/v1/approve", json={"code": code})
    assert (await json_of(answer, 503))["error"] == "store_unavailable"
    assert answer.headers["retry-after"] == "5"
    assert "POST /api/v1/approve: " in caplog.text
    assert code not in caplog.text


async def test_an_approved_request_shows_its_stored_entry_and_null_for_the_rest(office: Office) -> None:
    office.configure()
    _, code = await office.machine()
    async with await program(office) as client:
        waiting = (await json_of(await client.get(f"/api/v1/grants/{code}")))["entry"]
        approved = (await json_of(await client.post("/api/v1/approve", json={"code": code})))["entry"]
    known = {name: approved[name] for name in ("name", "revision", "fingerprint")}
    assert known == {name: waiting[name] for name in known}
    assert waiting["labels"] is not None
    assert [name for name, value in approved.items() if value is None] == [
        "labels", "layers", "exact", "networks", "approvals", "machine_type", "precious", "mints",
    ]  # fmt: skip
