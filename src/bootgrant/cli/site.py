"""The commands that run a site: serve, reload, migrate, notify."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING, Final

from bootgrant.cli.arguments import add_config_argument, add_json_argument
from bootgrant.cli.output import Refused, fail, show, site_reporting

if TYPE_CHECKING:
    from bootgrant.service.server.supervised import SupervisorChannel
    from bootgrant.service.settings.site import Site

_RELOAD_SECONDS: Final = 180.0
_OLD_HTTP: Final = (
    "Use HTTPS (docs/https.md), or set insecure_http = true in bootgrant.toml: a later version requires one of them"
)
_NO_LAST_ANSWERS: Final = (
    "no process could be started that answers for this server if it is killed (%s): a machine whose poll it is just "
    "answering may then show a new code"
)


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


@site_reporting
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


@site_reporting
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


@site_reporting
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
    "serve": (_add_serve, _serve),
    "reload": (_add_reload, _reload),
    "migrate": (_add_migrate, _migrate),
    "notify": (_add_notify, _notify),
}
