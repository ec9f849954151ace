"""The commands that run a site: init, serve, reload, migrate, notify."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bootgrant.cli.arguments import add_config_argument, add_json_argument
from bootgrant.cli.client.asking import user_here
from bootgrant.cli.output import Refused, fail, reporting, show

if TYPE_CHECKING:
    from bootgrant.service.server.supervised import SupervisorChannel
    from bootgrant.service.settings.site import Site

_RELOAD_SECONDS: Final = 180.0
_OLD_HTTP: Final = (
    "Use HTTPS (docs/https.md), or set insecure_http = true in bootgrant.toml: a later version requires one of them"
)
_PLACES: Final = ("data", "machines", "code_key_file", "database.url", "database.password_file")
_NO_LAST_ANSWERS: Final = (
    "no process could be started that answers for this server if it is killed (%s): a machine whose poll it is just "
    "answering may then show a new code"
)


def _reporting(run: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """Make a command report what is wrong with the settings or the database, with exit status 1."""

    @wraps(run)
    def checked(args: argparse.Namespace) -> int:
        from bootgrant.ports.grants import StoreUnavailable
        from bootgrant.service.settings.site import SettingsError

        try:
            return run(args)
        except SettingsError as error:
            raise Refused("no_site", str(error)) from error
        except StoreUnavailable as error:
            raise Refused("store_unavailable", str(error)) from error

    return reporting(checked)


def _add_init(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", type=Path, help="the working folder; created if it does not exist")
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


@_reporting
def _init(args: argparse.Namespace) -> int:
    """Create a working folder for a server: settings, keys, one operator, and example machine configurations.

    Settings in environment variables (BOOTGRANT_PUBLIC_URL, BOOTGRANT_MACHINES, ...) are obeyed, as `serve` does. Those
    that say where things are become part of the file.
    """
    from bootgrant.service.commands.init_site import init_site

    operator = _operator(args)
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


def _add_serve(parser: argparse.ArgumentParser) -> None:
    from bootgrant.service.settings.site import SETTINGS

    add_config_argument(parser)
    parser.add_argument(
        "--fd", type=int, metavar="NUMBER",
        help="use this listening socket instead of opening one (systemd's socket activation needs no flag)",
    )  # fmt: skip
    parser.add_argument(
        "--people-fd", type=int, metavar="NUMBER", help="the same for the pages, if operators.listen is set"
    )
    parser.add_argument("--supervised", type=int, help=argparse.SUPPRESS)
    for setting in SETTINGS:
        if setting.flag:
            parser.add_argument(
                setting.flag, dest=setting.key, metavar=setting.form.name.upper(), help=f"overrides {setting.key}"
            )


def _serve(args: argparse.Namespace) -> int:
    """Run the server: device authorization and tokens for machines, approval pages for people, configurations.

    It runs as two processes. The first holds the listening sockets and starts the server again if it dies; the second
    is the server. SIGHUP or `bootgrant reload` replaces the server without a gap, SIGTERM ends both.
    """
    if args.supervised is None:
        # A fresh interpreter is small: this one has loaded the settings to know the flags.
        os.execv(sys.executable, [sys.executable, "-P", "-m", "bootgrant.service.supervisor", *args.words])
    from bootgrant.service.server.supervised import SupervisorChannel, SupervisorGone

    supervisor = SupervisorChannel(args.supervised)
    try:
        return _serve_supervised(args, supervisor)
    except SupervisorGone:
        return fail("the process that started this server has ended")


def _serve_supervised(args: argparse.Namespace, supervisor: SupervisorChannel) -> int:
    from bootgrant.service.parts.open_polls import OpenPolls
    from bootgrant.service.server.last_answers import answer_after_death

    # Only the supervisor acts on it. A closing terminal sends it to both.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # Before the server is imported, so that this process stays small.
    polls = OpenPolls()
    no_last_answers = answer_after_death(polls)
    from bootgrant.ports.grants import StoreUnavailable
    from bootgrant.service.logs import start_log
    from bootgrant.service.server.listening import Inherited, activated
    from bootgrant.service.server.run import serve
    from bootgrant.service.settings.site import SETTINGS, SettingsError, load_site

    given = vars(args)
    flags = {setting.key: given[setting.key] for setting in SETTINGS if given.get(setting.key) is not None}
    try:
        site = load_site(args.config, os.environ, flags)
        taken = activated(os.environ, os.getppid())
        if args.fd is not None or args.people_fd is not None:
            taken = Inherited(args.fd, args.people_fd)
        listener = start_log(site.log.format)
        try:
            if no_last_answers:
                logging.getLogger("bootgrant").warning(_NO_LAST_ANSWERS, no_last_answers)
            serve(site, supervisor, lambda: _log_ready(site), taken, polls)
        finally:
            listener.stop()
    except (SettingsError, StoreUnavailable) as error:
        supervisor.refuse(str(error))
        return fail(error)
    except KeyboardInterrupt:
        # Only before the server has its own signal handlers.
        return 130
    return 0


def _add_reload(parser: argparse.ArgumentParser) -> None:
    add_config_argument(parser)
    add_json_argument(parser)


@_reporting
def _reload(args: argparse.Namespace) -> int:
    """Replace the running server by a new one, without a gap for machines and people.

    The new server is the version that is installed now, with the settings as they are now. It starts next to the
    running one, which ends when the new one has read its settings. If that fails, the running server keeps serving, and
    the exit status is 1.
    """
    from bootgrant.service.data_folder import control_socket
    from bootgrant.service.settings.site import load_site
    from bootgrant.service.supervisor.places import socket_address

    path = control_socket(load_site(args.config, os.environ).data)
    try:
        with socket_address(path) as address, socket.socket(socket.AF_UNIX) as control:
            control.settimeout(_RELOAD_SECONDS)
            control.connect(address)
            answer = control.makefile(encoding="utf-8", errors="replace").readline()
    except OSError as error:
        problem = error.strerror or str(error)
        advice = "check that the server runs, and run this as the server's user"
        raise Refused("not_running", f"no answer on {path} ({problem}): {advice}") from error
    if not answer:
        raise Refused("no_answer", "the server stopped before it was replaced")
    if reason := answer.rstrip("\n"):
        raise Refused("not_replaced", reason)
    return show({"replaced": True}, "the new server serves", as_json=args.json)


def _log_ready(site: Site) -> None:
    from bootgrant.service.commands.own_authority import authorities
    from bootgrant.service.settings.tls import TlsMode

    log = logging.getLogger("bootgrant")
    log.info("serving %s on %s port %d", site.public_url, site.listen[0] or "every address", site.listen[1])
    for each in authorities(site) if site.tls.mode is TlsMode.OWN else ():
        log.info("clients have to trust the authority at /ca.pem with the SHA-256 fingerprint %s", each.fingerprint)
    for url in site.plain_http:
        log.warning(
            "%s is plain HTTP: anyone on the network path can read passwords, tokens and configurations. %s",
            url,
            "Use HTTPS (docs/https.md)" if site.insecure_http else _OLD_HTTP,
        )


def _add_migrate(parser: argparse.ArgumentParser) -> None:
    add_config_argument(parser)
    add_json_argument(parser)
    parser.add_argument(
        "--break-lock", action="store_true", help="remove the lock that a killed migration left in PostgreSQL"
    )
    parser.add_argument(
        "--new-code-key",
        action="store_true",
        help="accept a new code key for the servers of this PostgreSQL database: the next one that starts sets it",
    )


@_reporting
def _migrate(args: argparse.Namespace) -> int:
    """Update the database to this version's schema, and list the migrations that were applied.

    `bootgrant serve` does this itself for SQLite. Several servers share a PostgreSQL database, so there it is up to
    you: run this once from the new version, then restart the servers one by one.
    """
    from bootgrant.service.data_folder import prepare_data_folder
    from bootgrant.service.parts.database import migrate_database
    from bootgrant.service.settings.site import load_site

    site = load_site(args.config, os.environ)
    prepare_data_folder(site.data)
    applied = migrate_database(site, break_lock=args.break_lock, new_code_key=args.new_code_key)
    lines = [*(f"applied {name}" for name in applied), "the database has this version's schema"]
    return show({"applied": applied}, "\n".join(lines), as_json=args.json)


def _add_notify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", choices=("test",), help="send a test message; it needs no waiting machine and no server"
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="the name or kind of one [[notify]]")
    add_config_argument(parser)
    add_json_argument(parser)


@_reporting
def _notify(args: argparse.Namespace) -> int:
    """Send a test message to the targets in [[notify]] of bootgrant.toml, and say what went wrong.

      bootgrant notify test          all targets
      bootgrant notify test NAME     one target

    The exit status is 0 only if every message was sent.
    """
    from bootgrant.service.parts.probes import send_tests
    from bootgrant.service.settings.site import load_site

    site = load_site(args.config, os.environ)
    names = [target.name for target in site.notify]
    if not names:
        raise Refused("no_target", f"{args.config} has no [[notify]]: docs/notifications.md shows how to write one")
    if args.name is not None and args.name not in names:
        known = f"the names are: {', '.join(names)}"
        raise Refused("no_target", f"{args.config} has no [[notify]] called {args.name!r}; {known}")
    outcomes = asyncio.run(send_tests(site, args.name))
    lines = [f"{name}: {f'not sent: {problem}' if problem else 'sent'}" for name, problem in outcomes.items()]
    targets = [{"name": name, "sent": not problem, "problem": problem} for name, problem in outcomes.items()]
    show({"targets": targets}, "\n".join(lines), as_json=args.json)
    return 1 if any(outcomes.values()) else 0


COMMANDS: Final = {
    "init": (_add_init, _init),
    "serve": (_add_serve, _serve),
    "reload": (_add_reload, _reload),
    "migrate": (_add_migrate, _migrate),
    "notify": (_add_notify, _notify),
}
