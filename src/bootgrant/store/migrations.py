"""The numbered migrations: which ones this version knows, which ones a database has, and which ones it lacks.

A migration is a file ``schema/<database>/<number>_<name>.sql``. It is applied, and recorded, in one transaction, so a
process that is killed leaves either both or neither (docs/decisions/0018-migrations.md).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import Final

from bootgrant.ports.grants import StoreUnavailable

RECORD: Final = (
    "CREATE TABLE IF NOT EXISTS _yoyo_migration (migration_hash VARCHAR(64) PRIMARY KEY, "
    "migration_id VARCHAR(255), applied_at_utc TIMESTAMP)"
)
"""The table of applied migrations. Its name and columns are those of yoyo-migrations, which earlier versions used: an
earlier version that meets a newer schema recognizes and refuses it."""

APPLIED: Final = "SELECT migration_id FROM _yoyo_migration"
MARK: Final = (
    "INSERT INTO _yoyo_migration (migration_hash, migration_id, applied_at_utc) VALUES (?, ?, CURRENT_TIMESTAMP)"
)


@dataclass(frozen=True, slots=True)
class Migration:
    name: str
    sql: str

    @property
    def mark(self) -> tuple[str, str]:
        """The values of MARK."""
        return hashlib.sha256(self.name.encode()).hexdigest(), self.name


def known_migrations(kind: str) -> list[Migration]:
    """Return the migrations for ``kind``, "sqlite" or "postgres", in their order."""
    files = (resources.files("bootgrant.store") / "schema" / kind).iterdir()
    scripts = {file.name.removesuffix(".sql"): file.read_text("utf-8") for file in files if file.name.endswith(".sql")}
    return [Migration(name, scripts[name]) for name in sorted(scripts)]


def missing_migrations(kind: str, applied: set[str], database: str) -> list[Migration]:
    """Return the migrations that a database lacks. Raises StoreUnavailable if a newer version has migrated it."""
    known = known_migrations(kind)
    if newer := sorted(applied - {migration.name for migration in known}):
        raise StoreUnavailable(
            f"{database} was written by a newer bootgrant (it has {', '.join(newer)}): run that version, "
            "or restore the copy made before the upgrade"
        )
    return [migration for migration in known if migration.name not in applied]
