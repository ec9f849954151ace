"""The state of a running server. ports.status.StatusReport."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from cryptography import x509

from bootgrant import __version__
from bootgrant.credentials.authority import fingerprint
from bootgrant.ports.chores import Chore
from bootgrant.ports.configurations import WatchedSource
from bootgrant.ports.status import Health, ServerStatus, TrustedAuthority
from bootgrant.ports.time import Clock
from bootgrant.service.certificates.own import trusted
from bootgrant.service.certificates.private_files import certificate_folder, certificate_path
from bootgrant.service.settings.site import SettingsError, Site
from bootgrant.service.settings.tls import TlsMode
from bootgrant.store.database import Database


@dataclass(slots=True)
class SiteStatus:
    """``chores`` and ``sources`` are lists that may still grow after this was built."""

    site: Site
    database: Database
    configurations: WatchedSource
    chores: Sequence[Chore]
    sources: Sequence[Callable[[], Health]]
    clock: Clock

    async def status(self) -> ServerStatus:
        now = self.clock.now()
        census = await self.database.grants.census(now)
        windows = await self.database.windows.windows()
        return ServerStatus(
            version=__version__,
            commit=_installed_commit(),
            configurations=self.configurations.state(),
            database=self.database.kind,
            servers=await self.database.servers(),
            certificate_ends=await asyncio.to_thread(certificate_end, certificate_path(self.site)),
            authorities=await asyncio.to_thread(_authorities, self.site),
            chores=[Health(each.name, each.succeeded_at, each.reason) for each in self.chores],
            sources=[self._configurations(), *(health() for health in self.sources)],
            windows=sum(window.is_open(now) for window in windows),
            waiting=census.pending,
            now=now,
        )

    def _configurations(self) -> Health:
        state = self.configurations.state()
        return Health("machine configurations", state.taken_at or None, state.problem)


def _authorities(site: Site) -> list[TrustedAuthority]:
    if site.tls.mode is not TlsMode.OWN:
        return []
    try:
        found = trusted(certificate_folder(site))
    except SettingsError:
        return []
    return [TrustedAuthority(fingerprint(each), each.not_valid_after_utc.timestamp()) for each in found]


def certificate_end(path: Path | None) -> float | None:
    """Return until when the first certificate of a file is valid; None if there is none that can be read."""
    if path is None:
        return None
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())[0].not_valid_after_utc.timestamp()
    except (OSError, ValueError, ssl.SSLError):
        return None


def _installed_commit() -> str:
    """Return the commit that the program was installed from (PEP 610), or ""."""
    try:
        recorded = metadata.distribution("bootgrant").read_text("direct_url.json")
        return str(json.loads(recorded or "{}").get("vcs_info", {}).get("commit_id", ""))
    except (metadata.PackageNotFoundError, ValueError):
        return ""
