"""A site with layered configurations and machines in every state, for screenshots and accessibility tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from playwright.sync_api import Page

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.claims import RoleRule, why_no_role
from bootgrant.approval.codes import session_digest
from bootgrant.approval.grant import DeviceGrant, Refusal
from bootgrant.approval.login_codes import LoginCodes
from bootgrant.approval.operators import VIA_SESSION, Actor, Label, Refused, Role
from bootgrant.approval.push import Wishes, parse_selectors
from bootgrant.ports.grants import Assignment
from bootgrant.ports.logins import PendingLogin
from bootgrant.ports.people import Operator, Session
from bootgrant.ports.push import PushDevice
from bootgrant.wire.identity import MachineIdentity
from bootgrant.wire.secret import Secret
from support.grants import MAC, NOW, UUID, decision_by, pending_grant
from support.site import KEY, InProcess, site_in_process

PUBLIC_URL = "http://boot.example:8080"
SESSION = Secret("s" * 43)
ADMIN_SESSION = Secret("a" * 43)
HOSTILE = MachineIdentity(
    uuid="7c1f2a90-55aa-4a4b-9d0e-2f7b1c3d4e5f",
    serial="<script>alert(1)</script>\u202e{{7*7}}" + "A" * 400,
    hostname="w\u043erker-1\u200b7",
)
_CP = MachineIdentity(uuid=UUID, serial="0OCZJ19N65", mac=MAC)
_MODEL = f"""
defaults: {{schema: talos, layers: ["{{role}}"], networks: [10.20.0.0/24]}}
entries:
  - name: cp-1
    match: {{uuid: {UUID}, serial: 0OCZJ19N65}}
    labels: {{role: controlplane, site: fra}}
  - name: worker-16
    match: {{serial: 0OCZJ19N16}}
    labels: {{role: worker, site: fra}}
  - name: worker-17
    match: {{serial: 0OCZJ19N17}}
    labels: {{role: worker, site: fra}}
  - name: worker-18
    match: {{serial: 0OCZJ19N18}}
    labels: {{role: worker, site: fra}}
  - name: spare
    labels: {{role: worker}}
  - name: pool
    match: {{mac: "a0:36:9f:00:*"}}
    labels: {{role: worker, site: fra}}
"""
_SETTINGS = ("[networks.names]", 'fra-rack4 = ["10.20.0.0/24"]', 'fra-office = ["10.20.9.0/24"]')
_CLUSTER = """version: v1alpha1
machine:
  type: {role}
  token: 0m2ynq.h2a9qjrr2v4exxxx
  ca: {ca}
cluster:
  clusterName: fra
  controlPlane:
    endpoint: https://10.20.0.10:6443
"""
_AUTHORITIES = {"controlplane": "{crt: YQ==, key: YQ==}", "worker": "{crt: YQ==}"}
_LAYERS = {role: _CLUSTER.format(role=role, ca=ca) for role, ca in _AUTHORITIES.items()}

_ROLES = (
    RoleRule("groups", "platform", Role.ADMIN),
    RoleRule("groups", "fra-techs", Role.APPROVER, (Label("site", "fra"),)),
)
_REFUSED: tuple[tuple[float, str, dict[str, object]], ...] = (
    (NOW - 8000, "Ben Baker (ben)", {"sub": "b", "name": "Ben Baker", "_claim_names": {"groups": "src1"}}),
    (
        NOW - 5000,
        "Eve Example (eve)",
        {"sub": "e", "name": "Eve Example", "preferred_username": "eve", "groups": ["/platform", "/everyone"]},
    ),
)
_DEVICE = PushDevice(
    "d" * 32, "ana", "fcm.googleapis.com", "Mozilla/5.0 (Linux; Android 15) Chrome/131.0 Mobile", "sealed",
    Wishes(selectors=parse_selectors("site=fra,role=worker")), NOW - 9 * 86400, NOW - 7200, NOW - 86400,
    "fcm.googleapis.com answered 503",
)  # fmt: skip
_NOT_THE_SAME = {"password": "what-it-was-before", "new": "some-words-in-a-row", "again": "some-words-in-a-raw"}
_LOGIN_CODES = ("123-456-789", "987-654-321")
_LOGINS = (
    PendingLogin(
        b"1" * 32, LoginCodes(KEY).digest("123456789"), "anas-laptop", "ana", "127.0.0.1", NOW, NOW + 600, Role.VIEWER,
        (), 43200.0,
    ),
    PendingLogin(
        b"2" * 32, LoginCodes(KEY).digest("987654321"), HOSTILE.serial[:64], "\u202eroot", "203.0.113.7", NOW,
        NOW + 600, Role.ADMIN, (Label("site", "fra"),), 30 * 86400.0,
    ),
)  # fmt: skip
_TOKENS = count(1)
"""Every visit of the page creates a token, which needs a new name."""


@dataclass(slots=True)
class Rack:
    """``grants`` are the ids of its requests by name, after ``fill`` was awaited in the event loop of the store.

    With ``pool``, so many machines of a pool wait, and nothing else.
    """

    site: InProcess
    waiting: bool
    pool: int = 0
    grants: dict[str, str] = field(default_factory=dict)

    async def fill(self) -> None:
        """Add the signed-in operator ana, and requests in every state."""
        operators = self.site.database.operators
        now = self.site.clock.now()
        await operators.add_operator(Operator("ana", "", NOW, role=Role.APPROVER))
        await operators.open_session(Session(session_digest(SESSION), "ana", now, now, now, VIA_SESSION))
        await self.site.database.push_devices.put_device(_DEVICE)
        await operators.add_operator(Operator("ada", "", NOW, role=Role.ADMIN))
        await operators.open_session(Session(session_digest(ADMIN_SESSION), "ada", now, now, now, VIA_SESSION))
        if self.waiting:
            found = await self.site.built.decisions.assign.find_entry(_CP)
            assert found is not None
            for name, grant in _requests(self.site, found.entry.fingerprint).items():
                await self.site.database.grants.open_grant(grant)
                self.grants[name] = grant.grant_id
            await self.site.database.audit.append(list(_events(self.grants)))
            await self._deliver_before()
            await self._assign()
        for login in _LOGINS:
            await self.site.database.logins.add_login(login, NOW, 10)
        for number in range(self.pool):
            await self.site.database.grants.open_grant(_pooled(number))
        self.site.clock.advance(42)

    async def _deliver_before(self) -> None:
        """Keep what worker-17 got a week ago, when the control plane had another address; and assign the spare."""
        deliveries = self.site.database.deliveries
        last = await deliveries.last_delivery("worker-17")
        assert last is not None
        now = await self.site.built.source.preview("worker-17", last.identity, plain=True)
        await deliveries.keep_preview(last, str(now).replace("10.20.0.10", "10.20.0.9"))
        retired = MachineIdentity(serial="0OCZJ19N90", mac="52:2f:fd:00:17:90")
        await self.site.database.assignments.put(Assignment(retired, "spare", "ana", NOW))

    async def _assign(self) -> None:
        """Assign an entry to one machine."""
        assign = self.site.built.decisions.assign
        done = await assign.assign(self.grants["assigned"], "spare", Actor("ben", Role.APPROVER))
        assert not isinstance(done, Refused), done


@contextmanager
def rack(folder: Path, *, waiting: bool = True, pool: int = 0, settings: Sequence[str] = ()) -> Iterator[Rack]:
    """Return the site, without requests if ``waiting`` is false. With ``pool``, so many of a pool wait.

    ``settings`` are more lines of bootgrant.toml.
    """
    (folder / "machines").mkdir()
    _write(folder / "machines")
    with site_in_process(folder, *_SETTINGS, *settings) as site:
        site.built.source.current.refresh()
        yield Rack(site, waiting and not pool, pool)


@dataclass(frozen=True, slots=True)
class View:
    """One state of a page: its path, and what to fill in and click."""

    name: str
    path: str
    click: str = ""
    signed_in: bool = True
    as_admin: bool = False
    fill: dict[str, str] = field(default_factory=dict)

    def open(self, page: Page) -> None:
        """Load the page as the right operator, fill in its fields, click."""
        if self.signed_in:
            session = ADMIN_SESSION if self.as_admin else SESSION
            page.context.add_cookies([{"name": "bootgrant", "value": session.reveal(), "url": PUBLIC_URL}])
        page.goto(PUBLIC_URL + self.path)
        for name, text in self.fill.items():
            page.fill(f"#{name}", text)
        if self.click:
            page.click(self.click)
            page.wait_for_load_state()


def views(site: Rack) -> list[View]:
    """Return every page in every state."""
    card = {name: f"/requests/{grant_id}" for name, grant_id in site.grants.items()}
    if site.pool:
        return [View("queue-pool", "/"), View("batch-none", "/batch")]
    if not site.waiting:
        return [View("queue-empty", "/")]
    return [
        View("login", "/login?next=/d/WDJB-MJHT", signed_in=False),
        View("login-wrong", "/login", "text=Sign in >> nth=-1", False, fill={"name": "eve", "password": "no"}),
        View("queue", "/"),
        View("queue-filtered", "/?show=expected&q=fra"),
        View("queue-nothing", "/?q=nothing+like+this"),
        View("batch", "/batch"),
        View("device", "/device"),
        View("device-unknown", "/device", "text=Continue", fill={"code": "wdjb mjht"}),
        View("card", card["cp-1"]),
        View("card-worker", card["worker-17"]),
        View("card-wrong", card["worker-17"], "text=Approve >> nth=-1", fill={"suffix": "wxzq"}),
        View("card-deny", card["worker-17"], "text=Deny…"),
        View("card-assign", card["unknown"], "text=Assign…"),
        View("card-rival", card["rival"]),
        View("card-changed", card["changed"]),
        View("card-pattern", card["pattern"]),
        View("card-assigned", card["assigned"]),
        View("card-unchecked", card["pattern"], ".unchecked summary"),
        View("card-menu", card["cp-1"], ".me summary"),
        View("card-unknown", card["unknown"]),
        View("card-hostile", card["hostile"]),
        View("configuration", f"{card['cp-1']}/configuration"),
        View("outcome-approved", f"{card['approved']}?auto=1"),
        View("outcome-delivered", card["delivered"]),
        View("outcome-denied", card["denied"]),
        View("outcome-expired", card["expired"]),
        View("machines", "/machines"),
        View("machines-filtered", "/machines?q=0oczj&label=site%3Dfra&state=waiting"),
        View("machines-nothing", "/machines?q=nothing+like+this"),
        View("machine", "/machines/worker-17"),
        View("machine-configuration", "/machines/cp-1", "text=Show the configuration"),
        View("machine-assign", "/machines/spare", "text=Choose a machine…"),
        View("machine-unknown", "/machines/gone"),
        View("outcome-replaced", card["replaced"]),
        View("audit", "/audit"),
        View("audit-unfolded", "/audit?asked=1&span=week"),
        View("audit-between", "/audit?what=decisions&since=2027-01-01T00:00&until=2027-01-15T12:00"),
        View("audit-entry", "/audit?entry=worker-17"),
        View("audit-machine", "/audit?machine=0OCZJ19N17"),
        View("audit-person", "/audit?who=ben", as_admin=True),
        View("audit-nothing", "/audit?who=nobody&until=yesterday"),
        View("refused", "/audit/refused", as_admin=True),
        View("undo", "/audit/undo", as_admin=True),
        View("undo-preview", "/audit/undo?by=ana&since=2h", as_admin=True),
        View("settings", "/settings"),
        View("settings-open", "/settings", ".fold summary", as_admin=True),
        View("menu", "/audit", ".me summary"),
        View("account", "/account"),
        View("account-push", "/account", ".device summary"),
        View("password", "/account/password"),
        View("password-wrong", "/account/password", "text=Change password", fill=_NOT_THE_SAME),
        View("token-new", "/account/tokens/new"),
        View("token-wrong", "/account/tokens/new", "text=Create the token", fill={"name": "my laptop"}),
        View("token-made", "/account/tokens/new", "text=Create the token", fill={"name": f"laptop-{next(_TOKENS)}"}),
        View("login-code", "/login/device"),
        View("login-code-machine", "/login/device", "text=Continue", fill={"code": "WDJB-MJHT"}),
        View("login-asks", "/login/device", "text=Continue", as_admin=True, fill={"code": _LOGIN_CODES[0]}),
        View("login-asks-hostile", "/login/device", "text=Continue", as_admin=True, fill={"code": _LOGIN_CODES[1]}),
        View("again", "/login/again?next=/"),
        View("error-404", "/nowhere"),
        View("error-404-stranger", "/nowhere", signed_in=False),
        View("error-403", "/audit/refused"),
        View("no-passkeys", "/login/passkey", signed_in=False),
    ]


def _write(machines: Path) -> None:
    (machines / "machines.yaml").write_text(_MODEL)
    for name, text in _LAYERS.items():
        (machines / name).mkdir()
        (machines / name / "00-base.yaml").write_text(text)


def _requests(site: InProcess, fingerprint: str) -> dict[str, DeviceGrant]:
    """Return the requests, oldest first. ``fingerprint`` is that of cp-1, for which there is a vote."""
    rules = site.site.grants
    decided = decision_by("ana", NOW + 38)
    ben = decision_by("ben", NOW + 12)
    fetched = _one(_grant(MachineIdentity(serial="0OCZJ19N18")).approve(decided, "worker-18"))
    fetched = _one(fetched.redeem("talos", b"t" * 32, rules, NOW + 39))
    approved = _grant(MachineIdentity(serial="0OCZJ19N18"), address="10.20.0.39")
    changed = MachineIdentity(serial="0OCZJ19N16", mac="a0:36:9f:11:00:09")
    replaced = _grant(MachineIdentity(serial="0OCZJ19N72"), age=300)
    newer = _grant(MachineIdentity(serial="0OCZJ19N72"), age=30)
    return {
        "assigned": _grant(
            MachineIdentity(serial="0OCZJ19N73", mac="52:2f:fd:00:17:a0"), age=200, address="10.20.0.41"
        ),
        "replaced": _one(replaced.replaced(newer.grant_id)),
        "newer": newer,
        "pattern": _grant(MachineIdentity(serial="0OCZJ19N74", mac="a0:36:9f:00:00:0a"), age=90, address="10.20.0.42"),
        "changed": _grant(changed, age=50, address="10.20.0.43"),
        "expired": _grant(MachineIdentity(serial="0OCZJ19N80"), age=700),
        "delivered": _one(fetched.deliver(rules, NOW + 40)),
        "approved": _one(approved.approve(decided, "worker-18")),
        "denied": _one(
            _grant(MachineIdentity(serial="0OCZJ19N81")).deny(
                decision_by("ben", NOW + 30, "rack 4 is not expected today")
            )
        ),
        "unknown": _grant(MachineIdentity(serial="0OCZJ19N71", mac="52:2f:fd:00:17:9a"), age=140),
        "rival": _grant(MachineIdentity(serial="0OCZJ19N17", mac="52:2f:fd:00:17:11"), age=61, address="10.20.9.4"),
        "worker-17": _grant(
            MachineIdentity(serial="0OCZJ19N17", mac="52:2f:fd:00:17:10"), age=28, address="10.20.0.37"
        ),
        "worker-18": _grant(
            MachineIdentity(serial="0OCZJ19N18", mac="52:2f:fd:00:17:12"), age=24, address="10.20.0.38"
        ),
        "hostile": _grant(HOSTILE, age=20, address="10.20.9.5"),
        "cp-1": _grant(_CP)._replace(votes=(ben,), fingerprint=fingerprint),
    }


def _grant(identity: MachineIdentity, *, age: float = 0, address: str = "10.20.0.11") -> DeviceGrant:
    grant, _ = pending_grant(identity=identity, source_address=address, opened_at=NOW - age)
    return grant._replace(expires_at=NOW - age + 600)


def _pooled(number: int) -> DeviceGrant:
    """Return the request of a machine of the pool, which differs from the others only in the ends of its values."""
    identity = MachineIdentity(
        uuid=f"4c4c4544-0042-3510-8056-b3c04f4e{number:04x}",
        serial=f"CZJ2190{number:03}",
        mac=f"a0:36:9f:00:00:{number:02x}",
    )
    return _grant(identity, age=number, address=f"10.20.0.{100 + number}")


def _events(grants: dict[str, str]) -> Iterator[AuditEvent]:
    week = 7 * 86400
    worker = MachineIdentity(serial="0OCZJ19N17")
    yield AuditEvent(NOW - week, AuditKind.SIGNED_IN, "ana", "session", address="10.20.1.4")
    yield AuditEvent(NOW - week + 9, AuditKind.OPENED, identity=worker, address="10.20.0.37", grant_id="0" * 32)
    yield AuditEvent(
        NOW - week + 60, AuditKind.APPROVED, "ana", "session", "0" * 32, worker, "10.20.0.37", "worker-17", "4f2c9ab"
    )
    yield AuditEvent(
        NOW - week + 61, AuditKind.DELIVERED, "", "", "0" * 32, worker, "10.20.0.37", "worker-17", "4f2c9ab",
        "9b2e4c1f00aa51d7" * 4,
    )  # fmt: skip
    before = MachineIdentity(serial="0OCZJ19N16", mac="a0:36:9f:11:00:01")
    yield AuditEvent(
        NOW - week + 90, AuditKind.DELIVERED, "", "", "1" * 32, before, "10.20.0.43", "worker-16", "4f2c9ab",
        "9b2e4c1f00aa51d7" * 4,
    )  # fmt: skip
    for at, name, claims in _REFUSED:
        details = {"account": name, **why_no_role(claims, {}, _ROLES).details()}
        via, why = "oidc:corp", "the person has no role here"
        yield AuditEvent(at, AuditKind.SIGN_IN_REFUSED, via=via, address="10.20.1.9", reason=why, details=details)
    yield AuditEvent(NOW, AuditKind.OPENED, identity=_CP, address="10.20.0.11", grant_id=grants["cp-1"])
    yield AuditEvent(
        NOW + 12, AuditKind.VOTED, "ben", "session", grants["cp-1"], _CP, "10.20.0.11", "cp-1", details={"approval": 1}
    )
    denied = MachineIdentity(serial="0OCZJ19N81")
    yield AuditEvent(
        NOW + 30, AuditKind.DENIED, "ben", "session", grants["denied"], denied, "10.20.0.11",
        reason="rack 4 is not expected today",
    )  # fmt: skip


def _one(step: DeviceGrant | Refusal) -> DeviceGrant:
    assert isinstance(step, DeviceGrant), step
    return step
