"""The commands that run a site: init, serve, reload, migrate, notify."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bootgrant.cli.arguments import add_config_argument, add_json_argument
from bootgrant.cli.client.asking import user_here
from bootgrant.cli.output import Refused, fail, reporting, show

if TYPE_CHECKING:
    from bootgrant.service.server.supervised import SupervisorChannel

_RELOAD_SECONDS: Final = 180.0
_WRITTEN_BY_INIT: Final = ("--public-url", "--listen", "--database-url", "--database-password-file")
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
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument(
        "folder", nargs="?", metavar="DIR", type=Path, help="the working folder; created if it does not exist"
    )
    place.add_argument(
        "--config", type=Path, metavar="FILE",
        help="use the settings in FILE, as the Debian package installs them: make only their data and the operator",
    )  # fmt: skip
    parser.add_argument(
        "--public-url", default="http://127.0.0.1:8080", metavar="URL",
        help="where people and machines will reach the server (default: %(default)s, for a trial on this computer)",
    )  # fmt: skip
    parser.add_argument(
        "--listen", default="127.0.0.1:8080", metavar="ADDRESS:PORT",
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
    add_json_argument(parser)


@_reporting
def _init(args: argparse.Namespace) -> int:
    """Create a working folder for a server: settings, keys, one operator, and example machine configurations."""
    from bootgrant.service.commands.init_site import init_site

    operator = args.operator or user_here()
    if args.config:
        return _init_existing(args, operator)
    made = init_site(args.folder, args.public_url, args.listen, operator, _database(args), user_here())
    machines = made.config.parent / "machines" / "machines.yaml"
    text = (
        f"made {made.config}\n"
        f"sign in as {made.operator} with the password {made.password.reveal()} (shown once: keep it now)\n"
        f"describe your machines in {machines} (its comments explain how), then run:\n"
        f"  bootgrant check --config {made.config}\n"
        f"  bootgrant serve --config {made.config}"
    )
    answer = {"config": str(made.config), "operator": made.operator, "password": made.password.reveal()}
    return show(answer, text, as_json=args.json)


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
            serve(site, supervisor, lambda: _log_ready(site.public_url, site.listen), taken, polls)
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


def _log_ready(public_url: str, listen: tuple[str, int]) -> None:
    log = logging.getLogger("bootgrant")
    log.info("serving %s on %s port %d", public_url, listen[0] or "every address", listen[1])
    host = public_url.partition("://")[2].rsplit(":", 1)[0]
    if public_url.startswith("http://") and host not in ("127.0.0.1", "localhost", "[::1]"):
        log.warning(
            "public_url is plain HTTP: anyone on the network path can read tokens and configurations; use HTTPS"
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
