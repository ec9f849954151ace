"""Run the server: device authorization and tokens for machines, approval pages for people, configurations."""

from __future__ import annotations

import argparse
import logging
import os
import sys

from bootgrant.cli.config_argument import add_config_argument


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from bootgrant.service.settings.site import SETTINGS

    add_config_argument(parser)
    parser.add_argument(
        "--fd",
        type=int,
        metavar="NUMBER",
        help="take this listening socket instead of opening one (systemd's socket activation needs no flag)",
    )
    parser.add_argument(
        "--people-fd", type=int, metavar="NUMBER", help="the same for the pages, where operators.listen is set"
    )
    for setting in SETTINGS:
        if setting.flag:
            parser.add_argument(
                setting.flag, dest=setting.key, metavar=setting.form.name.upper(), help=f"overrides {setting.key}"
            )


def run(args: argparse.Namespace) -> int:
    from bootgrant.ports.grants import StoreUnavailable
    from bootgrant.service.logs import start_log
    from bootgrant.service.server.listening import Inherited, activated
    from bootgrant.service.server.run import serve
    from bootgrant.service.settings.site import SETTINGS, SettingsError, load_site

    given = vars(args)
    flags = {setting.key: given[setting.key] for setting in SETTINGS if given.get(setting.key) is not None}
    try:
        site = load_site(args.config, os.environ, flags)
    except SettingsError as error:
        print(f"bootgrant: {error}", file=sys.stderr)
        return 1
    listener = start_log(site.log.format)
    try:
        taken = activated(os.environ)
        if args.fd is not None or args.people_fd is not None:
            taken = Inherited(args.fd, args.people_fd)
        serve(site, lambda: _say_ready(site.public_url, site.listen), taken)
    except (SettingsError, StoreUnavailable) as error:
        print(f"bootgrant: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        # While it still waited for its database; from then on a signal ends it in order.
        return 130
    finally:
        listener.stop()
    return 0


def _say_ready(public_url: str, listen: tuple[str, int]) -> None:
    log = logging.getLogger("bootgrant")
    log.info("serving %s on %s port %d", public_url, listen[0] or "every address", listen[1])
    host = public_url.partition("://")[2].rsplit(":", 1)[0]
    if public_url.startswith("http://") and host not in ("127.0.0.1", "localhost", "[::1]"):
        log.warning("public_url is plain HTTP: whoever is on the way can read tokens and configurations; use HTTPS")
