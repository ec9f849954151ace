"""Every page and every route of the API, called without a session and with every role: who may call what."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest

from bootgrant.approval.operators import Role
from bootgrant.operator_plane.api.routes import ROUTES
from bootgrant.operator_plane.app import PAGES
from support.api_program import program
from support.office import Office, Person, text_of

pytestmark = pytest.mark.anyio
REFUSED = "Your role does not allow this"

EVERY_ROLE: Final = frozenset(Role)
ALL_BUT_AUDITORS: Final = EVERY_ROLE - {Role.AUDITOR}
AUDITORS_AND_ADMINS: Final = frozenset({Role.AUDITOR, Role.ADMIN})
DECIDERS: Final = frozenset({Role.APPROVER, Role.ADMIN})
ADMINS: Final = frozenset({Role.ADMIN})
PUBLIC: Final = None

WHO: Final = {
    "GET /": EVERY_ROLE,
    "GET /events": EVERY_ROLE,
    "GET /batch": DECIDERS,
    "POST /batch": DECIDERS,
    "GET /device": EVERY_ROLE,
    "POST /device": EVERY_ROLE,
    "GET /d/{code}": EVERY_ROLE,
    "GET /requests/{grant_id}": EVERY_ROLE,
    "GET /requests/{grant_id}/configuration": ALL_BUT_AUDITORS,
    "POST /requests/{grant_id}/configuration/reveal": ADMINS,
    "POST /requests/{grant_id}/approve": DECIDERS,
    "POST /requests/{grant_id}/deny": DECIDERS,
    "POST /requests/{grant_id}/undeny": DECIDERS,
    "POST /requests/{grant_id}/revoke": ADMINS,
    "POST /requests/{grant_id}/assign": DECIDERS,
    "POST /requests/{grant_id}/unassign": DECIDERS,
    "GET /machines": EVERY_ROLE,
    "GET /machines/{entry}": EVERY_ROLE,
    "POST /machines/{entry}/assign": DECIDERS,
    "POST /machines/{entry}/unassign": DECIDERS,
    "POST /windows/{window_id}/close": DECIDERS,
    "GET /audit": EVERY_ROLE,
    "GET /audit/export": EVERY_ROLE,
    "GET /audit/refused": AUDITORS_AND_ADMINS,
    "GET /audit/undo": ADMINS,
    "POST /audit/undo": ADMINS,
    "GET /settings": EVERY_ROLE,
    "GET /login": PUBLIC,
    "POST /login": PUBLIC,
    "POST /logout": EVERY_ROLE,
    "GET /login/passkey": PUBLIC,
    "POST /login/passkey": PUBLIC,
    "GET /login/oidc/{provider}": PUBLIC,
    "GET /login/oidc/{provider}/callback": PUBLIC,
    "POST /login/oidc/{provider}/logout": PUBLIC,
    "GET /login/device": EVERY_ROLE,
    "POST /login/device": EVERY_ROLE,
    "POST /login/device/code": PUBLIC,
    "POST /login/device/token": PUBLIC,
    "GET /login/second": EVERY_ROLE,
    "POST /login/second": EVERY_ROLE,
    "GET /login/again": EVERY_ROLE,
    "POST /login/again": EVERY_ROLE,
    "POST /login/again/passkey": EVERY_ROLE,
    "GET /account": EVERY_ROLE,
    "GET /account/passkeys/new": EVERY_ROLE,
    "POST /account/passkeys/new": EVERY_ROLE,
    "POST /account/passkeys/remove": EVERY_ROLE,
    "POST /account/sessions/end": EVERY_ROLE,
    "GET /account/tokens/new": EVERY_ROLE,
    "POST /account/tokens/new": EVERY_ROLE,
    "POST /account/tokens/end": EVERY_ROLE,
    "GET /account/password": EVERY_ROLE,
    "POST /account/password": EVERY_ROLE,
    "GET /access": EVERY_ROLE,
    "GET /access/operators": AUDITORS_AND_ADMINS,
    "GET /access/add-operator": ADMINS,
    "POST /access/add-operator": ADMINS,
    "GET /access/operators/{name}": AUDITORS_AND_ADMINS,
    "GET /access/operators/{name}/rights": ADMINS,
    "POST /access/operators/{name}/rights": ADMINS,
    "GET /access/operators/{name}/disable": ADMINS,
    "POST /access/operators/{name}/disable": ADMINS,
    "POST /access/operators/{name}/enable": ADMINS,
    "GET /access/operators/{name}/reset": ADMINS,
    "POST /access/operators/{name}/reset": ADMINS,
    "GET /access/tokens": AUDITORS_AND_ADMINS,
    "GET /access/tokens/new": ADMINS,
    "POST /access/tokens/new": ADMINS,
    "POST /access/tokens/revoke": ADMINS,
    "GET /access/windows": EVERY_ROLE,
    "GET /access/windows/new": DECIDERS,
    "POST /access/windows/new": DECIDERS,
    "GET /access/windows/{window_id}": EVERY_ROLE,
    "POST /access/windows/{window_id}/close": DECIDERS,
    "GET /access/rules": AUDITORS_AND_ADMINS,
    "GET /access/providers": AUDITORS_AND_ADMINS,
    "POST /account/push/on": EVERY_ROLE,
    "POST /account/push/change": EVERY_ROLE,
    "POST /account/push/test": EVERY_ROLE,
    "POST /account/push/off": EVERY_ROLE,
    "GET /manifest.webmanifest": PUBLIC,
    "GET /worker.js": PUBLIC,
    "GET /static/{name}": PUBLIC,
    "GET /api/v1/whoami": EVERY_ROLE,
    "POST /api/v1/logout": EVERY_ROLE,
    "GET /api/v1/pending": EVERY_ROLE,
    "GET /api/v1/denied": EVERY_ROLE,
    "GET /api/v1/grants/{code}": EVERY_ROLE,
    "GET /api/v1/requests/{id}": EVERY_ROLE,
    "GET /api/v1/requests/{id}/configuration": ALL_BUT_AUDITORS,
    "POST /api/v1/requests/{id}/configuration/reveal": ADMINS,
    "POST /api/v1/approve": DECIDERS,
    "POST /api/v1/deny": DECIDERS,
    "POST /api/v1/undeny": DECIDERS,
    "POST /api/v1/requests/{id}/undeny": DECIDERS,
    "POST /api/v1/revoke": ADMINS,
    "POST /api/v1/requests/{id}/revoke": ADMINS,
    "GET /api/v1/machines": EVERY_ROLE,
    "GET /api/v1/entries/{name}": EVERY_ROLE,
    "GET /api/v1/entries/{name}/configuration": ALL_BUT_AUDITORS,
    "GET /api/v1/configurations": EVERY_ROLE,
    "POST /api/v1/configurations/accept": ADMINS,
    "GET /api/v1/settings": EVERY_ROLE,
    "GET /api/v1/status": EVERY_ROLE,
    "POST /api/v1/machines/explain": EVERY_ROLE,
    "GET /api/v1/assignments": EVERY_ROLE,
    "POST /api/v1/assign": DECIDERS,
    "POST /api/v1/unassign": DECIDERS,
    "GET /api/v1/windows": EVERY_ROLE,
    "POST /api/v1/arm": DECIDERS,
    "POST /api/v1/disarm": DECIDERS,
    "GET /api/v1/audit": EVERY_ROLE,
    "GET /api/v1/audit/head": EVERY_ROLE,
    "POST /api/v1/undo": ADMINS,
    "GET /api/v1/operators": AUDITORS_AND_ADMINS,
    "POST /api/v1/operators": ADMINS,
    "PATCH /api/v1/operators/{name}": ADMINS,
    "POST /api/v1/operators/{name}/disable": ADMINS,
    "POST /api/v1/operators/{name}/enable": ADMINS,
    "POST /api/v1/operators/{name}/reset": ADMINS,
    "GET /api/v1/tokens": AUDITORS_AND_ADMINS,
    "POST /api/v1/tokens": ADMINS,
    "DELETE /api/v1/tokens/{name}": ADMINS,
}
"""The roles that may call a route. A new route belongs in here: which roles is a decision, not a default."""


async def ask(person: Person, method: str, path: str) -> tuple[int, str, str]:
    """Return status, redirect target and text."""
    address = re.sub(r"\{[a-z_]+\}", "nothing", path)
    if method == "POST":
        await person.open("/device")
    page = await (person.send(address) if method == "POST" else person.open(address))
    return page.status_code, page.headers.get("location", ""), text_of(page)


def test_the_table_has_every_route_and_no_other() -> None:
    assert set(WHO) == {f"{page.method} {page.path}" for page in PAGES} | {
        f"{route.method} {route.path}" for route in ROUTES
    }


@pytest.mark.parametrize(("method", "path"), [page[:2] for page in PAGES])
async def test_a_page_admits_these_roles_and_no_others(office: Office, method: str, path: str) -> None:
    roles = WHO[f"{method} {path}"]
    status, target, _ = await ask(office.browser(), method, path)
    to_login = status == 303 and target.startswith("/login?")
    assert to_login == (roles is not PUBLIC)
    for role in Role:
        person = await office.person(role.value, role)
        status, target, page = await ask(person, method, path)
        may = roles is PUBLIC or role in roles
        assert (status == 403 and REFUSED in page) != may, (role, status)
        assert may or "This requires the role" in page
        assert not target.startswith("/login?"), role


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation)
async def test_a_route_of_the_api_admits_these_roles_and_no_others(office: Office, route: Any) -> None:
    path = re.sub(r"\{\w+\}", "nothing", route.path)
    roles = WHO[f"{route.method} {route.path}"]
    assert roles is not PUBLIC
    async with office.site.client("10.0.0.5") as nobody:
        assert (await nobody.request(route.method, path)).json()["error"] == "no_token"
    for role in Role:
        async with await program(office, role) as client:
            answer = await client.request(route.method, path, json={} if route.body is not None else None)
        assert (answer.status_code == 403) is (role not in roles), (role, answer.text)
        if role not in roles:
            names = [each.value for each in Role if each in roles]
            needed = " or ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)
            assert answer.json()["message"].startswith(f"this needs the role {needed}; ")


async def test_a_viewer_can_see_a_request_but_not_decide(office: Office) -> None:
    office.configure()
    grant, _ = await office.machine()
    viewer = await office.person("vic", Role.VIEWER)
    assert (await viewer.open(f"/requests/{grant.grant_id}")).status_code == 200
    refused = await viewer.send(f"/requests/{grant.grant_id}/approve")
    assert refused.status_code == 403
    assert "This requires the role approver or admin" in text_of(refused)
    assert (await office.site.database.grants.find_grant(grant.grant_id)) == grant
