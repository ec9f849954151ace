"""How the server is doing: what waits, and what is wrong."""

from __future__ import annotations

from bootgrant.operator_plane.api.call import Call, Reply
from bootgrant.operator_plane.api.machines import state_json


async def show_status(call: Call) -> Reply:
    """Show versions, what waits, and the health of the server's background work."""
    status = await call.plane.status.status()
    return Reply(
        {
            "version": status.version,
            "revision": status.commit or None,
            "configurations": state_json(status.configurations, call.actor),
            "database": status.database,
            "replicas": status.servers,
            "certificate_end": status.certificate_ends,
            "chores": [
                {"name": each.name, "ok": each.is_ok, "last_success": each.last_success, "error": each.error}
                for each in status.chores
            ],
            "windows": status.windows,
            "waiting": status.waiting,
            "now": status.now,
        }
    )
