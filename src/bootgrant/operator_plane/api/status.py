"""How the server is doing: what waits, and what is wrong."""

from __future__ import annotations

from bootgrant.operator_plane.api.call import Call, Json, Reply
from bootgrant.operator_plane.api.machines import state_json
from bootgrant.operator_plane.withheld import sources_for
from bootgrant.ports.status import Health


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
            "authorities": [{"sha256": each.fingerprint, "end": each.ends} for each in status.authorities],
            "chores": [_health_json(each) for each in status.chores],
            "sources": [_health_json(each) for each in sources_for(call.actor, status)],
            "windows": status.windows,
            "waiting": status.waiting,
            "now": status.now,
        }
    )


def _health_json(health: Health) -> Json:
    return {"name": health.name, "ok": health.is_ok, "last_success": health.last_success, "error": health.error}
