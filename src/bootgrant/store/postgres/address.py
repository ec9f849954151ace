"""The address of the database: a libpq URL, with the password kept out of logs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from bootgrant.ports.grants import StoreUnavailable
from bootgrant.wire.secret import Secret

_DEFAULTS: Final[dict[str, Any]] = {
    "application_name": "bootgrant",
    "client_encoding": "utf8",
    "connect_timeout": 5,
    # With these a vanished database host is noticed in seconds, not after the kernel's quarter of an hour.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


@dataclass(frozen=True, slots=True)
class PostgresAddress:
    """``url`` as libpq reads it (``postgresql://user@host/database?sslmode=verify-full``).

    The password may be in the URL, in ``password_file`` (its first line, read for each connection, so that it may
    change), or where libpq looks (``PGPASSWORD``, ``~/.pgpass``).
    """

    url: Secret
    password_file: Path | None = None

    def parameters(self) -> dict[str, Any]:
        """Return the arguments of a connection. Raises StoreUnavailable when the password cannot be read."""
        given = self._given()
        if self.password_file is not None:
            given["password"] = _first_line(self.password_file)
        return {**_DEFAULTS, **given}

    def __str__(self) -> str:
        given = self._given()
        user = f"{given['user']}@" if "user" in given else ""
        port = f":{given['port']}" if "port" in given else ""
        return f"postgresql://{user}{given.get('host', '')}{port}/{given.get('dbname', '')}"

    def problem(self) -> str:
        """Return what is wrong with the URL, without quoting it; empty if nothing is."""
        try:
            self._given()
        except psycopg.ProgrammingError:
            return "not a PostgreSQL URL: write postgresql://user@host:5432/database"
        return ""

    def _given(self) -> dict[str, Any]:
        return dict(conninfo_to_dict(self.url.reveal()))


def _first_line(path: Path) -> str:
    try:
        return path.read_text("utf-8").partition("\n")[0].strip("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreUnavailable(f"the database password cannot be read from {path} ({error})") from error
