"""Show the certificate authority of a site, make one for a site that has none, or replace it.

  bootgrant tls show               fingerprints, as /ca.pem and the settings page have them
  bootgrant tls show --pem         the certificates, for clients to trust
  bootgrant tls create             for an existing site, after tls.mode = "own"
  bootgrant tls rotate             make a new authority; the old one still signs
  bootgrant tls rotate --finish    the new one signs from now on, the old one is forgotten

A running server notices within a few seconds. docs/https.md describes the steps in between.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Final

from bootgrant.cli.arguments import add_config_argument, add_json_argument
from bootgrant.cli.output import Json, Refused, day, reporting, show

if TYPE_CHECKING:
    from bootgrant.service.settings.site import Site

_AFTER_ROTATE: Final = (
    "the new authority is in /ca.pem, next to the old one, which still signs. Give it to every client "
    "(`bootgrant kernel-args`), then run `bootgrant tls rotate --finish`"
)
_AFTER_FINISH: Final = "the new authority signs from now on; clients that do not have it refuse this server"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("show", "create", "rotate"), help="what to do")
    parser.add_argument("--pem", action="store_true", help="with show: print the certificates")
    parser.add_argument("--finish", action="store_true", help="with rotate: let the new authority sign")
    add_config_argument(parser)
    add_json_argument(parser)


@reporting
def run(args: argparse.Namespace) -> int:
    from bootgrant.service.settings.site import SettingsError, load_site

    try:
        site = load_site(args.config, os.environ)
        remark = _change(site, args)
        return _show(site, args, remark)
    except SettingsError as error:
        raise Refused("no_site", str(error)) from error


def _change(site: Site, args: argparse.Namespace) -> str:
    """Do what changes the authority, and return what to do next."""
    from bootgrant.service.commands import own_authority

    if args.what == "create":
        own_authority.create(site)
        return "start or reload the server: it makes its certificate"
    if args.what == "rotate" and args.finish:
        own_authority.finish(site)
        return _AFTER_FINISH
    if args.what == "rotate":
        own_authority.rotate(site)
        return _AFTER_ROTATE
    return ""


def _show(site: Site, args: argparse.Namespace, remark: str) -> int:
    from bootgrant.service.commands.own_authority import authorities, authority_pem, server_certificate_end

    if args.pem:
        pem = authority_pem(site)
        return show({"pem": pem}, pem.rstrip("\n"), as_json=args.json)
    found, end = authorities(site), server_certificate_end(site)
    lines = [f"mode         {site.tls.mode.value}"]
    for each in found:
        lines += [
            f"authority    {'signs' if each.signs else 'follows'}, valid until {day(each.ends)} UTC",
            f"  SHA-256    {each.fingerprint}",
            f"  only for   {', '.join(each.hosts)}",
        ]
    lines += [f"certificate  valid until {day(end)} UTC" if end else "certificate  none"]
    rows: list[Json] = [
        {"sha256": each.fingerprint, "end": each.ends, "hosts": list(each.hosts), "signs": each.signs} for each in found
    ]
    answer: Json = {"mode": site.tls.mode.value, "authorities": rows, "certificate_end": end}
    return show(answer, "\n".join([*lines, *([remark] if remark else [])]), as_json=args.json)
