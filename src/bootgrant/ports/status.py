"""How the server is doing, as the settings page and ``GET /api/v1/status`` report it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bootgrant.ports.configurations import SourceState


@dataclass(frozen=True, slots=True)
class Health:
    """The health of background work, or of a server that this one asks.

    ``error`` is why the last attempt failed; empty if it did not. ``last_success`` is None before the first one.
    """

    name: str
    last_success: float | None
    error: str

    @property
    def is_ok(self) -> bool:
        return not self.error


@dataclass(frozen=True, slots=True)
class TrustedAuthority:
    """An authority of the site's own. ``fingerprint`` is of SHA-256, ``ends`` Unix seconds."""

    fingerprint: str
    ends: float


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """``version`` is the program's, ``commit`` its Git commit, empty if it was not installed from one.

    ``servers`` is how many servers share the database, or None if that is unknown. ``certificate_ends`` is None if
    this server has no certificate of its own. ``authorities`` are what clients have to trust, if the site has an
    authority of its own: two while it is being replaced. ``sources`` are the configurations, the providers and the
    audit sinks. Times are Unix seconds.
    """

    version: str
    commit: str
    configurations: SourceState
    database: str
    servers: int | None
    certificate_ends: float | None
    authorities: Sequence[TrustedAuthority]
    chores: Sequence[Health]
    sources: Sequence[Health]
    windows: int
    waiting: int
    now: float


class StatusReport(Protocol):
    async def status(self) -> ServerStatus:
        """Return the state of the server that answers. Raises StoreUnavailable."""
