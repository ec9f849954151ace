"""The test notifications of a site, which need no running server."""

from __future__ import annotations

from bootgrant.ports.notifications import NotSent
from bootgrant.service.settings.site import Site
from bootgrant.service.system import SystemClock, SystemEntropy
from bootgrant.workflows.record.notify_waiting import send_test


async def send_tests(site: Site, name: str | None) -> dict[str, str]:
    """Send a test to the target of this name, or to all; by name why it did not arrive, empty when it did."""
    outcomes: dict[str, str] = {}
    for target in site.notify:
        if name not in (None, target.name):
            continue
        try:
            message_id = f"msg_{SystemEntropy().random_bytes(12).hex()}"
            await send_test(target, site.operators_url, SystemClock().now(), message_id)
        except NotSent as error:
            outcomes[target.name] = str(error)
        else:
            outcomes[target.name] = ""
    return outcomes
