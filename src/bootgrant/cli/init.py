"""``bootgrant init``: a new site, or the data of one whose settings a package installed."""

from __future__ import annotations

import argparse
import getpass
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bootgrant.cli.arguments import add_json_argument
from bootgrant.cli.client.asking import user_here
from bootgrant.cli.output import Refused, show, site_reporting

_PLACES: Final = ("data", "machines", "code_key_file", "database.url", "database.password_file")
_WRITTEN_BY_INIT: Final = ("--public-url", "--listen", "--database-url", "--database-password-file")


def _add_init(parser: argparse.ArgumentParser) -> None:
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument(
        "folder", nargs="?", metavar="DIR", type=Path, help="the working folder; created if it does not exist"
    )
    place.add_argument(
        "--config", type=Path, metavar="FILE",
        help="use the settings in FILE, as the Debian package installs them: make only their data and the operator",
    )  # fmt: skip
    parser.add_argument(
        "--public-url", default=os.environ.get("BOOTGRANT_PUBLIC_URL"), metavar="URL",
        help="where people and machines will reach the server (default: http://127.0.0.1:8080, for a trial on this "
        "computer; with --tls: https)",
    )  # fmt: skip
    parser.add_argument(
        "--listen", default=os.environ.get("BOOTGRANT_LISTEN", "127.0.0.1:8080"), metavar="ADDRESS:PORT",
        help="the address and the port to listen on (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--database-url",
        metavar="URL",
        help="a PostgreSQL database for several servers: postgresql://user@host:5432/database (default: SQLite in DIR)",
    )
    parser.add_argument(
        "--database-password-file", type=Path, metavar="FILE", help="a file whose first line is the password"
    )
    parser.add_argument("--operator", metavar="NAME", help="the first operator (default: your user name)")
    https = parser.add_argument_group("HTTPS (docs/https.md)")
    https.add_argument(
        "--tls", choices=("own",), help="serve HTTPS with a certificate from an authority that is made for this site"
    )
    https.add_argument(
        "--tls-host", action="append", default=[], metavar="HOST",
        help="one more host name or address for the certificate; repeat it for more",
    )  # fmt: skip
    https.add_argument(
        "--tls-passphrase-file", type=Path, metavar="FILE",
        help="a file whose first line encrypts the private keys (default: the code key does)",
    )  # fmt: skip
    https.add_argument(
        "--insecure-http", action="store_true",
        help="use plain HTTP at another address than loopback, although anyone on the network path can read everything",
    )  # fmt: skip
    add_json_argument(parser)


@site_reporting
def _init(args: argparse.Namespace) -> int:
    """Create a working folder for a server: settings, keys, one operator, and example machine configurations.

    Settings in environment variables (BOOTGRANT_PUBLIC_URL, BOOTGRANT_MACHINES, ...) are obeyed, as `serve` does. Those
    that say where things are become part of the file.
    """
    from bootgrant.service.commands.init_site import init_site

    operator = _operator(args)
    if args.config:
        return _init_existing(args, operator)
    url = args.public_url or f"http{'s' if args.tls else ''}://127.0.0.1:8080"
    chosen = {**_places(os.environ), **_database(args), **_https(args, url)}
    made = init_site(args.folder, url, args.listen, operator, chosen, user_here(), environment=os.environ)
    text = (
        f"made {made.config}\n"
        f"sign in as {made.operator} with the password {made.password.reveal()} (shown once: keep it now)\n"
        f"{_trust(made.authority)}"
        f"describe your machines in {made.machines / 'machines.yaml'} (its comments explain how), then run:\n"
        f"  bootgrant check --config {made.config}\n"
        f"  bootgrant serve --config {made.config}"
    )
    answer = {"config": str(made.config), "operator": made.operator, "password": made.password.reveal()}
    if made.authority:
        answer["authority_sha256"] = made.authority
    return show(answer, text, as_json=args.json)


def _trust(authority: str) -> str:
    """What to do with the authority of a new site, whose fingerprint this is."""
    if not authority:
        return ""
    return (
        "machines and browsers have to trust this site's certificate authority, which is at /ca.pem (docs/https.md):\n"
        f"  SHA-256 {authority}\n"
    )


def _https(args: argparse.Namespace, url: str) -> dict[str, str]:
    """The settings of HTTPS for the file. Raises SettingsError."""
    from bootgrant.service.settings.site import SettingsError
    from bootgrant.service.settings.tls import is_plain_http

    try:
        is_plain = is_plain_http(url)
    except ValueError as error:
        raise SettingsError(f"--public-url: {error}") from None
    if is_plain and not args.insecure_http:
        raise SettingsError(
            f"{url} is plain HTTP: anyone on the network path could read passwords, tokens and configurations. Use an "
            "https URL, with --tls own or a proxy (docs/https.md), or add --insecure-http"
        )
    if args.tls_host and not args.tls:
        raise SettingsError("--tls-host is for a certificate of this site's own: add --tls own")
    chosen = {"insecure_http": "true" if is_plain else "false"}
    if args.tls:
        chosen |= {"tls.mode": args.tls, "tls.hosts": ",".join(args.tls_host)}
    if args.tls_passphrase_file:
        chosen["tls.passphrase_file"] = str(args.tls_passphrase_file.absolute())
    return chosen


def _operator(args: argparse.Namespace) -> str:
    try:
        return args.operator or getpass.getuser()
    except (KeyError, OSError):
        # As in a container that runs with any user number.
        raise Refused("usage", f"user {os.getuid()} has no name: name the first operator with --operator") from None


def _places(environment: Mapping[str, str]) -> dict[str, str]:
    """The settings of the environment that say where things are. Without secrets, they can be in the file as well."""
    from bootgrant.service.settings.site import SETTINGS
    from bootgrant.service.settings.urls import has_password

    given = {each.key: environment[each.environment] for each in SETTINGS if each.environment in environment}
    if has_password(given.get("database.url", "")):
        del given["database.url"]
    return {key: given[key] for key in _PLACES if key in given}


def _init_existing(args: argparse.Namespace, operator: str) -> int:
    from bootgrant.service.commands.init_site import init_data
    from bootgrant.service.settings.site import load_site

    written = [word for word in args.words if word.partition("=")[0] in _WRITTEN_BY_INIT]
    if written:
        raise Refused("usage", f"{written[0].partition('=')[0]} cannot be used with --config: edit {args.config}")
    site = load_site(args.config, os.environ)
    password = init_data(site, operator, user_here())
    text = (
        f"made {site.data}\n"
        f"sign in as {operator} with the password {password.reveal()} (shown once: keep it now)\n"
        f"put the configurations of your machines in {site.machines}, then run:\n"
        f"  bootgrant check --config {args.config}"
    )
    answer = {"config": str(args.config), "operator": operator, "password": password.reveal()}
    return show(answer, text, as_json=args.json)


def _database(args: argparse.Namespace) -> dict[str, str]:
    """The database settings for the file, with absolute paths. Raises SettingsError."""
    from bootgrant.service.settings.site import SettingsError
    from bootgrant.service.settings.urls import has_password, postgres_url

    chosen: dict[str, str] = {}
    if args.database_url:
        try:
            url = args.database_url if args.database_url == "sqlite" else postgres_url(args.database_url)
        except ValueError as error:
            raise SettingsError(f"--database-url: {error}") from None
        if has_password(url):
            raise SettingsError(
                "--database-url must not contain the password, because others can see it: use --database-password-file"
            )
        chosen["database.url"] = url
    if args.database_password_file:
        chosen["database.password_file"] = str(args.database_password_file.absolute())
    return chosen


COMMANDS: Final = {"init": (_add_init, _init)}
