"""Make a working folder for a server: settings, keys, one operator, an example of a machine configuration."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path
from urllib.parse import urlsplit


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", type=Path, help="made when it is not there")
    parser.add_argument(
        "--public-url",
        default="http://127.0.0.1:8080",
        metavar="URL",
        help="where people and machines will reach the server (default: %(default)s, for a trial on this computer)",
    )
    parser.add_argument("--listen", default="127.0.0.1:8080", metavar="ADDRESS:PORT", help="default: %(default)s")
    parser.add_argument(
        "--database-url",
        metavar="URL",
        help="a PostgreSQL database for several servers: postgresql://user@host:5432/database (default: SQLite in DIR)",
    )
    parser.add_argument("--database-password-file", type=Path, metavar="FILE", help="its first line is the password")
    parser.add_argument("--operator", metavar="NAME", help="the first person who may decide (default: your user name)")


def run(args: argparse.Namespace) -> int:
    from bootgrant.ports.grants import StoreUnavailable
    from bootgrant.service.commands.init_site import init_site
    from bootgrant.service.settings.site import SettingsError

    try:
        operator = args.operator or getpass.getuser()
        made = init_site(args.folder, args.public_url, args.listen, operator, _database(args))
    except (SettingsError, StoreUnavailable) as error:
        print(f"bootgrant: {error}", file=sys.stderr)
        return 1
    print(f"made {made.config}")
    print(f"sign in as {made.operator} with the password {made.password.reveal()} (shown once: keep it now)")
    print(f"say which machines there are in {made.config.parent / 'machines' / 'machines.yaml'} (it tells how); then:")
    print(f"  bootgrant check --config {made.config}")
    print(f"  bootgrant serve --config {made.config}")
    return 0


def _database(args: argparse.Namespace) -> dict[str, str]:
    """The settings that the file shall have; a relative path is one of this place. Raises SettingsError."""
    from bootgrant.service.settings.site import SettingsError

    chosen: dict[str, str] = {}
    if args.database_url:
        if urlsplit(args.database_url).password is not None or "password=" in args.database_url:
            raise SettingsError("--database-url: no password here, others can see it: use --database-password-file")
        chosen["database.url"] = args.database_url
    if args.database_password_file:
        chosen["database.password_file"] = str(args.database_password_file.absolute())
    return chosen
