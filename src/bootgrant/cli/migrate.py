"""Bring the database to this version's schema, and list the applied migrations.

`bootgrant serve` migrates SQLite when it starts. For PostgreSQL, which several servers share, run this command once
with the new version, then restart the servers one after the other.
"""

from __future__ import annotations

import argparse
import os
import sys

from bootgrant.cli.config_argument import add_config_argument


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_argument(parser)
    parser.add_argument(
        "--break-lock", action="store_true", help="remove the lock that a killed migration left in PostgreSQL"
    )
    parser.add_argument(
        "--new-code-key",
        action="store_true",
        help="let the next server that starts set a new code key for all servers of this PostgreSQL database",
    )


def run(args: argparse.Namespace) -> int:
    from bootgrant.ports.grants import StoreUnavailable
    from bootgrant.service.data_folder import prepare_data_folder
    from bootgrant.service.parts.database import migrate_database
    from bootgrant.service.settings.site import SettingsError, load_site

    try:
        site = load_site(args.config, os.environ)
        prepare_data_folder(site.data)
        applied = migrate_database(site, break_lock=args.break_lock, new_code_key=args.new_code_key)
    except (SettingsError, StoreUnavailable) as error:
        print(f"bootgrant: {error}", file=sys.stderr)
        return 1
    for name in applied:
        print(f"applied {name}")
    print("the database has this version's schema")
    return 0
