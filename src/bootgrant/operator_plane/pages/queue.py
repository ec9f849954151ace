"""``/``: the machines that wait for a decision, newest first."""

from __future__ import annotations

from starlette.responses import Response

from bootgrant.operator_plane.visit import Visit

MOST: int = 500


async def show(visit: Visit) -> Response:
    """The list; where it is empty, how to make a machine ask."""
    cards = await visit.plane.decide.waiting(MOST)
    return visit.page("queue.html", cards=cards, now=visit.plane.clock.now(), most=MOST, kernel_line=kernel_line(visit))


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
