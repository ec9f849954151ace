"""The audit of a site for its commands, also while the server runs: the chain takes one writer more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bootgrant.ports.audit import AuditLog
from bootgrant.service.parts.database import postgres_address
from bootgrant.service.settings.reading import Site
from bootgrant.store.sqlite.database import open_audit_file


@asynccontextmanager
async def open_audit(site: Site) -> AsyncIterator[AuditLog]:
    """Raises SettingsError and StoreUnavailable."""
    if site.database is None:
        with open_audit_file(site.data) as audit:
            yield audit
        return
    from bootgrant.store.postgres.database import open_postgres

    async with open_postgres(postgres_address(site.database), 1) as database:
        yield database.audit
