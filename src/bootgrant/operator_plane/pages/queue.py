"""``/``: the machines that wait for a decision, newest first."""

from __future__ import annotations

from starlette.responses import Response

from bootgrant.approval.audit import AuditKind
from bootgrant.operator_plane.pages.queue_view import Filter, read_filter, view_of
from bootgrant.operator_plane.visit import Visit, signed_in
from bootgrant.ports.audit import AuditFilter
from bootgrant.workflows.decide.watch_requests import queue_version


async def show(visit: Visit) -> Response:
    """The list; where it is empty, how to make a machine ask."""
    waiting = visit.plane.waiting
    cards = await (waiting.recent() if visit.is_automatic else waiting.current())
    return visit.page(
        "queue.html",
        view=view_of(cards, filter_of(visit), signed_in(visit), visit.plane.asks_suffix),
        version=queue_version(card.grant for card in cards),
        now=visit.plane.clock.now(),
        configurations=visit.plane.configurations.state(),
        most=waiting.most,
        unfetched=(await visit.plane.decide.store.census(visit.plane.clock.now())).unfetched,
        last=None if cards else await _last_let_in(visit),
        kernel_line=kernel_line(visit),
    )


async def _last_let_in(visit: Visit) -> float | None:
    """When a machine was approved last; None when the audit knows of none."""
    found = await visit.plane.audit.newest(AuditFilter(kinds=(AuditKind.APPROVED,)), 1)
    return found[0].event.at if found else None


def filter_of(visit: Visit) -> Filter:
    """The filter in the address."""
    return read_filter(*(visit.asked(name) for name in ("q", "label", "show", "rows")))


def kernel_line(visit: Visit) -> str:
    """Kernel parameters with which a Talos machine asks this server."""
    url = visit.plane.machine_url
    return " ".join(
        (
            "talos.platform=metal",
            f"talos.config={url}/config?uuid=${{uuid}}",
            f"talos.config.oauth.client_id={visit.plane.client_id}",
            f"talos.config.oauth.device_auth_url={url}/device/code",
            f"talos.config.oauth.token_url={url}/token",
            *(f"talos.config.oauth.extra_variable={name}" for name in ("uuid", "mac")),
        )
    )
