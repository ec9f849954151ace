"""A database of this version without content, made once: applying every migration takes a write to the disk for each.

Tests of the migrations themselves begin with an empty folder instead.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from bootgrant.store.sqlite.database import DATABASE, migrate


@cache
def _content() -> bytes:
    with TemporaryDirectory() as folder:
        migrate(Path(folder) / DATABASE)
        return (Path(folder) / DATABASE).read_bytes()


def put_new_database(folder: Path) -> None:
    """Write a new database file into a data folder, as a server leaves it that was started and stopped."""
    path = folder / DATABASE
    path.touch(mode=0o600)
    path.write_bytes(_content())
