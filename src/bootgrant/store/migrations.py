"""Which numbered migrations a database has, and which this version knows. Every SQL store refuses a newer schema."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from typing import Any

from yoyo import read_migrations
from yoyo.migrations import MigrationList

from bootgrant.ports.grants import StoreUnavailable


@contextmanager
def known_migrations(kind: str) -> Iterator[MigrationList]:
    """The migrations of ``store/schema/<kind>``."""
    with resources.as_file(resources.files("bootgrant.store.schema") / kind) as folder:
        yield read_migrations(str(folder))


def apply_missing(backend: Any, migrations: MigrationList) -> list[str]:
    """Apply those that the database lacks; their names. A migration and the note of it are one transaction.

    yoyo by itself makes them two, and a process killed in between leaves a database that no server can open any more.
    """
    backend.ensure_internal_schema_updated()
    missing = backend.to_apply(migrations)
    for migration in missing:
        with backend.transaction():
            migration.process_steps(backend, "apply")
            backend.mark_one(migration)
    return [migration.id for migration in missing]


def refuse_newer(database: str, applied: set[str], known: set[str]) -> None:
    """Raises StoreUnavailable when the database has what this version does not know."""
    if newer := sorted(applied - known):
        raise StoreUnavailable(
            f"{database} was written by a newer bootgrant (it has {', '.join(newer)}); run that version, "
            "or restore the copy made before the upgrade"
        )
