"""The phone: what makes the pages installable, and push messages on the account page."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.responses import RedirectResponse, Response

from bootgrant.approval.operators import Refused, Right
from bootgrant.approval.policy import BadSelector
from bootgrant.approval.push import Wishes, parse_selectors
from bootgrant.operator_plane import error_pages
from bootgrant.operator_plane.error_pages import ErrorPage
from bootgrant.operator_plane.rendering import asset_path, static_file
from bootgrant.operator_plane.visit import Visit, actor_of, signed_in
from bootgrant.operator_plane.wording import sentence, text
from bootgrant.ports.push import PushDevice, Subscription
from bootgrant.wire.secret import Secret

log = logging.getLogger("bootgrant.operators")

_ICONS: Final = (("icon-192.png", "192x192", "any"), ("icon-512.png", "512x512", "any"))
_MASKABLE: Final = (("icon-maskable-192.png", "192x192"), ("icon-maskable-512.png", "512x512"))
_DARK: Final = "#101412"
_ACCOUNT: Final = "/account#push"
_DONE: Final = frozenset({"on", "changed", "sent", "off"})


@dataclass(frozen=True, slots=True)
class PushSection:
    """``key`` is what a browser subscribes for; ``devices`` are those of the operator, each with its browser; ``done``
    says what was just done."""

    key: str
    devices: Sequence[tuple[PushDevice, str]]
    done: str


async def show_manifest(visit: Visit) -> Response:
    """Return the web app manifest, with which a phone installs the pages."""
    icons = [
        {"src": asset_path(name), "sizes": sizes, "type": "image/png", "purpose": purpose}
        for name, sizes, purpose in (*_ICONS, *((name, sizes, "maskable") for name, sizes in _MASKABLE))
    ]
    name = visit.plane.look.name
    manifest = {
        "id": "/",
        "name": f"bootgrant · {name}" if name else "bootgrant",
        "short_name": name or "bootgrant",
        "start_url": "/",
        "scope": "/",
        "display": "standalone",
        "theme_color": visit.plane.look.colour.shade,
        "background_color": _DARK,
        "icons": icons,
    }
    return Response(json.dumps(manifest), media_type="application/manifest+json")


async def show_worker(_visit: Visit) -> Response:
    """Return the service worker. Browsers look for a new one by themselves, so it is never cached."""
    words = {name: text(f"push.{name}") for name in ("offline", "offline_what", "offline_again")}
    words["icon"] = asset_path("icon-192.png")
    script = b"const WORDS = " + json.dumps(words).encode() + b";\n" + static_file("worker.js")
    return Response(script, media_type="text/javascript; charset=utf-8", headers={"cache-control": "no-cache"})


async def turn_on(visit: Visit) -> Response:
    """Store the subscription of this browser."""
    push, form, actor = visit.plane.push, visit.form, actor_of(visit)
    if push is None:
        return visit.error(error_pages.NOT_FOUND)
    wishes = _wishes(visit)
    if isinstance(wishes, Refused):
        return _refused(visit, wishes)
    keys = Secret(form.get("endpoint", "")), form.get("p256dh", ""), Secret(form.get("auth", ""))
    operator, browser = signed_in(visit).operator, visit.client.browser
    outcome = await push.turn_on(operator, actor, Subscription(*keys), browser, wishes)
    if isinstance(outcome, Refused):
        return _refused(visit, outcome)
    log.info("%s turned on push messages at %s", actor, outcome.service)
    return _back("on")


async def change(visit: Visit) -> Response:
    """Change what one of the operator's own devices is notified of."""
    push, wishes = visit.plane.push, _wishes(visit)
    if push is None:
        return visit.error(error_pages.NOT_FOUND)
    if isinstance(wishes, Refused):
        return _refused(visit, wishes)
    await push.change(signed_in(visit).operator.name, visit.form.get("device", ""), wishes)
    return _back("changed")


async def test(visit: Visit) -> Response:
    """Send a test message to one of the operator's own devices."""
    push = visit.plane.push
    if push is None:
        return visit.error(error_pages.NOT_FOUND)
    refused = await push.test(signed_in(visit).operator.name, visit.form.get("device", ""))
    return _refused(visit, refused) if refused else _back("sent")


async def turn_off(visit: Visit) -> Response:
    """Forget one of the operator's own devices."""
    push, actor = visit.plane.push, actor_of(visit)
    if push is None:
        return visit.error(error_pages.NOT_FOUND)
    if await push.turn_off(signed_in(visit).operator, actor, visit.form.get("device", "")):
        log.info("%s turned off push messages for one of their devices", actor)
    return _back("off")


async def push_section(visit: Visit, place_of: Callable[[str], str]) -> PushSection | None:
    """Return what account_push.html shows; None where push is off, and for people who decide about no machine.

    ``place_of`` shortens a User-Agent.
    """
    push, done = visit.plane.push, visit.query("push")
    if push is None:
        return None
    devices = [(device, place_of(device.browser)) for device in await push.of(signed_in(visit).operator.name)]
    if not devices and not actor_of(visit).may(Right.DECIDE):
        return None
    said = text(f"push.done_{done}") if done in _DONE else ""
    return PushSection(push.public_key, devices, said)


def _wishes(visit: Visit) -> Wishes | Refused:
    form = visit.form
    try:
        selectors = parse_selectors(form.get("selectors", ""))
    except BadSelector as error:
        return Refused(str(error))
    return Wishes("known" in form, "unknown" in form, "second" in form, selectors)


def _back(done: str) -> Response:
    return RedirectResponse(f"/account?push={done}#push", 303)


def _refused(visit: Visit, refused: Refused) -> Response:
    happened, now = sentence(refused.message), text("push.refused_now")
    link = (_ACCOUNT, text("push.back"))
    return visit.error(ErrorPage(400, text("push.refused"), happened, text("error.nothing_lost"), now, link))
