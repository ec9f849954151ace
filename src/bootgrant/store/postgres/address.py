"""Where the database is and how it is reached, with the password kept out of sight."""

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
    # A database host that vanishes is noticed in seconds; without these it takes the kernel's quarter of an hour.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


@dataclass(frozen=True, slots=True)
class PostgresAddress:
    """``url`` as libpq reads it (``postgresql://user@host/database?sslmode=verify-full``).

    The password may stand in it, in ``password_file`` (its first line, read at each connection, so it may change), or
    where libpq looks by itself (``PGPASSWORD``, ``~/.pgpass``).
    """

    url: Secret
    password_file: Path | None = None

    def parameters(self) -> dict[str, Any]:
        """The arguments of a connection. Raises StoreUnavailable when the password cannot be read."""
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
        """What is wrong with the URL, without a piece of it; empty when nothing is."""
        try:
            self._given()
        except psycopg.ProgrammingError:
            return "it is no PostgreSQL URL: write postgresql://user@host:5432/database"
        return ""

    def _given(self) -> dict[str, Any]:
        return dict(conninfo_to_dict(self.url.reveal()))


def _first_line(path: Path) -> str:
    try:
        return path.read_text("utf-8").partition("\n")[0].strip("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreUnavailable(f"the database's password cannot be read from {path} ({error})") from error
