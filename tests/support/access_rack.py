"""The rack (support/rack.py) with what the Access pages show: operators, tokens, windows, a rule, and a provider."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.codes import session_digest
from bootgrant.approval.operators import VIA_RULE, VIA_SESSION, Actor, Kind, Label, Role
from bootgrant.approval.policy import Window
from bootgrant.ports.people import ApiToken, Operator, Session
from bootgrant.wire.identity import MachineIdentity
from bootgrant.wire.secret import Secret
from bootgrant.workflows.decide.windows import WindowRequest
from support.grants import NOW
from support.rack import Rack, View, rack
from support.site import InProcess

_SETTINGS: Final = (
    "[[rules]]",
    'name = "fra-workers"',
    'select = "role=worker,site=fra"',
    'networks = ["fra-rack4"]',
    'evidence = ["network", "history"]',
    "[[oidc]]",
    'id = "corp"',
    'label = "Corp SSO"',
    'issuer = "https://sso.example.org/realms/corp"',
    'client_id = "bootgrant"',
    'role_grace = "8h"',
    "[[oidc.roles]]",
    'group = "platform"',
    'role = "admin"',
    "[[oidc.roles]]",
    'group = "fra-techs"',
    'role = "approver"',
    'labels = ["site=fra"]',
)
_ARM: Final = {"select": "sit=fra", "count": "12"}
_VIEWS: Final[tuple[tuple[str, str, str, dict[str, str]], ...]] = (
    ("access", "/access", "", {}),
    ("operators", "/access/operators", "", {}),
    ("operator", "/access/operators/ben", "", {}),
    ("operator-disabled", "/access/operators/corp:cleo", "", {}),
    ("operator-disable", "/access/operators/ana/disable", "", {}),
    ("operator-reset", "/access/operators/ben/reset", "", {}),
    ("operator-rights", "/access/operators/ben/rights", "", {}),
    ("operator-add", "/access/add-operator", "", {}),
    ("tokens", "/access/tokens", ".ask summary >> nth=0", {}),
    ("tokens-new", "/access/tokens/new", "", {}),
    ("windows", "/access/windows", ".ask summary >> nth=0", {}),
    ("window", "/access/windows/WINDOW", "", {}),
    ("window-new", "/access/windows/new", "", {}),
    ("window-force", "/access/windows/new", "text=Arm the window", _ARM),
    ("rules", "/access/rules", "", {}),
    ("providers", "/access/providers", "", {}),
)


@dataclass(slots=True)
class AccessRack:
    """``window`` is the id of the open armed window, after ``fill`` was awaited in the event loop of the store."""

    rack: Rack
    window: str = ""

    @property
    def site(self) -> InProcess:
        return self.rack.site

    async def fill(self) -> None:
        """Add everything. The signed-in admin is ada."""
        await self.rack.fill()
        await _people(self.site)
        self.window = await _windows(self.site)


@contextmanager
def access_rack(folder: Path) -> Iterator[AccessRack]:
    with rack(folder, settings=_SETTINGS) as made:
        yield AccessRack(made)


def access_views(site: AccessRack) -> list[View]:
    """Return every Access page in every state. An admin opens them."""
    return [
        View(name, path.replace("WINDOW", site.window), click, as_admin=True, fill=fill)
        for name, path, click, fill in _VIEWS
    ]


async def _people(site: InProcess) -> None:
    people, now = site.database.operators, site.clock.now()
    ben = Operator("ben", "", NOW - 40 * 86400, Role.APPROVER, (Label("site", "fra"),), seen_at=NOW - 3600)
    await people.add_operator(ben)
    browser = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Safari/604.1"
    await people.open_session(
        Session(
            session_digest(Secret("b" * 43)), "ben", now, now, now, VIA_SESSION, address="10.20.1.7", browser=browser
        )
    )
    issuer = "https://sso.example.org/realms/corp"
    cleo = Operator("corp:cleo", "", NOW - 90 * 86400, Role.AUDITOR, kind=Kind.OIDC, issuer=issuer, subject="c")
    await people.add_operator(replace(cleo, disabled_at=NOW - 86400, seen_at=NOW - 2 * 86400))
    await people.add_operator(Operator("glass", "", NOW - 200 * 86400, Role.ADMIN, kind=Kind.BREAK_GLASS))
    tokens = site.database.api_tokens
    day = 86400
    for token in (
        ApiToken("ci", b"1" * 32, Role.VIEWER, (), NOW - 9 * day, "root (admin.sock)", NOW + 81 * day, NOW - 600),
        ApiToken(
            "laptop", b"2" * 32, Role.APPROVER, (Label("site", "fra"),), NOW - 3 * day, "ben", NOW + day, owner="ben"
        ),
        ApiToken("old", b"3" * 32, Role.VIEWER, (), NOW - 99 * day, "ada", NOW - 9 * day),
    ):
        await tokens.add_token(token)


async def _windows(site: InProcess) -> str:
    """Arm a window that is closed, and one that stays open. Return the id of that one."""
    arm, ada = site.built.decisions.arm, Actor("ada", Role.ADMIN)
    await arm.arm(WindowRequest(("role=worker",), 600, 2, name="night", forced=True), ada)
    await arm.disarm("night", ada)
    wanted = WindowRequest(("site=fra,role=worker", "rack4-*"), 7200, 12, ("fra-rack4",), ("inventory",), "rack4", True)
    made = await arm.arm(wanted, Actor("ben", Role.APPROVER, (), VIA_SESSION))
    assert isinstance(made, Window), made
    at = site.clock.now() + 9
    await site.database.windows.take_place(made.window_id, at)
    worker = MachineIdentity(serial="0OCZJ19N18", mac="52:2f:fd:00:17:12")
    by, grant = "window rack4 by ben", "1" * 32
    event = AuditEvent(at, AuditKind.APPROVED, by, VIA_RULE, grant, worker, "10.20.0.38", "worker-18", "4f2c9ab")
    await site.database.audit.append([event])
    return made.window_id
