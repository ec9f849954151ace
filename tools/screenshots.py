"""Pictures of the pages for the documentation: ``.venv/dev/bin/python tools/screenshots.py [--all FOLDER]``.

Everything in them is fixed (a clock that stands, codes from a fixed key), so that a new run changes a picture only when
a page changed. ``--all`` takes every page in every form, light and dark, for a person to look at.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from bootgrant.approval.codes import session_digest  # noqa: E402
from bootgrant.approval.grant import Decision, DeviceGrant, Refusal  # noqa: E402
from bootgrant.approval.operators import VIA_SESSION, Role  # noqa: E402
from bootgrant.ports.operator_store import Operator, Session  # noqa: E402
from bootgrant.wire.identity import MachineIdentity  # noqa: E402
from bootgrant.wire.secret import Secret  # noqa: E402
from support.browser import ServedApp, chromium  # noqa: E402
from support.grants import NOW, UUID, other_machine, pending_grant  # noqa: E402
from support.site import CONFIG, InProcess, site_in_process  # noqa: E402

URL = "http://boot.example:8080"
SESSION = Secret("s" * 43)
PHONE, DESK = (390, 844), (1280, 640)
HOSTILE = MachineIdentity(
    uuid="7c1f2a90-55aa-4a4b-9d0e-2f7b1c3d4e5f",
    serial="<script>alert(1)</script>\u202e{{7*7}}" + "A" * 400,
    hostname="wоrker-1\u200b7",  # noqa: RUF001  (a Cyrillic letter: that is the point)
)


@dataclass(frozen=True, slots=True)
class View:
    """One picture: which page, after which clicks."""

    name: str
    path: str
    click: str = ""

    signed_in: bool = True
    fill: dict[str, str] = field(default_factory=dict)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="every page, light and dark, into this folder")
    args = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        site_in_process(Path(folder)) as site,
        ServedApp(site.built.public) as served,
        chromium(f"MAP boot.example:8080 127.0.0.1:{served.port}") as browser,
    ):
        grants = _fill(site, served)
        if args.all:
            _all(browser, grants, args.all)
        else:
            _documentation(browser, grants, ROOT / "docs" / "images")


def _documentation(browser: Browser, grants: dict[str, str], folder: Path) -> None:
    for size in (PHONE, DESK):
        with _page(browser, size, "light") as page:
            _shoot(page, View(f"approve-{size[0]}", f"/requests/{grants['known']}"), folder, whole=False)


def _all(browser: Browser, grants: dict[str, str], folder: Path) -> None:
    views = [
        View("login", "/login?next=/d/WDJB-MJHT", signed_in=False),
        View("login-wrong", "/login", "text=Sign in >> nth=-1", False, {"name": "eve", "password": "no"}),
        View("queue", "/"),
        View("device", "/device"),
        View("device-unknown", "/device", "text=Go on", fill={"code": "wdjb mjht"}),
        View("card", f"/requests/{grants['known']}"),
        View("card-deny", f"/requests/{grants['known']}", "text=Deny…"),
        View("card-rivals", f"/requests/{grants['rival']}"),
        View("card-wrong", f"/requests/{grants['known']}", "text=Approve >> nth=-1", fill={"suffix": "wxzq"}),
        View("batch", "/batch"),
        View("settings", "/settings"),
        View("configuration", f"/requests/{grants['known']}/configuration"),
        View("card-menu", f"/requests/{grants['known']}", ".me summary"),
        View("card-unknown", f"/requests/{grants['unknown']}"),
        View("card-hostile", f"/requests/{grants['hostile']}"),
        View("outcome-approved", f"/requests/{grants['approved']}?auto=1"),
        View("outcome-delivered", f"/requests/{grants['delivered']}"),
        View("outcome-denied", f"/requests/{grants['denied']}"),
        View("outcome-expired", f"/requests/{grants['expired']}"),
        View("trouble-404", "/nowhere"),
    ]
    for scheme in ("light", "dark"):
        for size in (PHONE, DESK):
            for view in views:
                with _page(browser, size, scheme, signed_in=view.signed_in) as page:
                    _shoot(page, view, folder / scheme / str(size[0]), whole=True)


@contextmanager
def _page(browser: Browser, size: tuple[int, int], scheme: str, *, signed_in: bool = True) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if scheme == "dark" else "light"
    )
    if signed_in:
        context.add_cookies([{"name": "bootgrant", "value": SESSION.reveal(), "url": URL}])
    yield context.new_page()
    context.close()


def _shoot(page: Page, view: View, folder: Path, *, whole: bool) -> None:
    page.goto(URL + view.path)
    for name, text in view.fill.items():
        page.fill(f"#{name}", text)
    if view.click:
        page.click(view.click)
        page.wait_for_load_state()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{view.name}.png"
    page.screenshot(path=path, full_page=whole)
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(160, dither=Image.Dither.NONE).save(path, optimize=True)


def _fill(site: InProcess, served: ServedApp) -> dict[str, str]:
    """An operator, and machines in every state; their grant ids by name."""
    (site.machines / f"{UUID}.yaml").write_text(CONFIG)
    decided = Decision("ana", NOW + 38)
    known, _ = pending_grant()
    unknown, _ = pending_grant(
        identity=MachineIdentity(serial="0OCZJ19N71", mac="52:2f:fd:00:17:9a"), opened_at=NOW - 140
    )
    hostile, _ = pending_grant(identity=HOSTILE, source_address="10.20.9.4", opened_at=NOW - 20)
    rival, _ = pending_grant(identity=other_machine(7), opened_at=NOW - 61, source_address="10.20.0.31")
    rival_2, _ = pending_grant(identity=other_machine(7), opened_at=NOW - 12, source_address="10.20.0.77")
    (site.machines / "SN0007.yaml").write_text(CONFIG)
    expired, _ = pending_grant(source_address="10.20.0.19", opened_at=NOW - 700, expires_at=NOW - 100)
    approved = _one(pending_grant()[0].approve(decided, f"{UUID}.yaml"))
    fetched = _one(pending_grant()[0].approve(decided, f"{UUID}.yaml"))
    fetched = _one(fetched.redeem("talos", b"t" * 32, site.site.rules, NOW + 39))
    denied = _one(pending_grant()[0].deny(Decision("ben", NOW + 30, "rack 4 is not expected today")))
    grants = {
        "unknown": unknown, "hostile": hostile, "expired": expired, "approved": approved,
        "delivered": _one(fetched.deliver(site.site.rules, NOW + 40)), "denied": denied, "known": known,
        "rival": rival, "rival_2": rival_2,
    }  # fmt: skip

    async def write() -> None:
        await site.database.operators.add_operator(Operator("ana", "", NOW, Role.ADMIN))
        await site.database.operators.open_session(Session(session_digest(SESSION), "ana", NOW, NOW, NOW, VIA_SESSION))
        for grant in grants.values():
            await site.database.grants.open_grant(grant)

    served.run(write)
    site.clock.advance(42)
    return {name: grant.grant_id for name, grant in grants.items()}


def _one(step: DeviceGrant | Refusal) -> DeviceGrant:
    assert isinstance(step, DeviceGrant), step
    return step


if __name__ == "__main__":
    main()
