"""The commands about profiles: log in to a server, log out, and list the profiles or choose the default one."""

from __future__ import annotations

import argparse
import getpass
import shutil
import socket
import sys
import time
from dataclasses import replace
from typing import Any, Final

from bootgrant.approval.operators import BadLabel, Role, parse_labels
from bootgrant.cli.arguments import LIFETIME_LIMITS, seconds_in
from bootgrant.cli.client import keyring, profiles
from bootgrant.cli.client.asking import Remote, ask_there, user_here
from bootgrant.cli.client.profiles import NAME, NAME_RULE, Profile, Profiles
from bootgrant.cli.output import Json, Refused, day, printable, reporting, show, table
from bootgrant.wire.origin import origin_of
from bootgrant.wire.secret import Secret

_HEAD: Final = ("", "NAME", "SERVER", "PERSON", "ROLE", "LABELS", "VALID UNTIL (UTC)", "TOKEN IN")
_CANCELLED: Final = ("interrupted", "cancelled; nothing was stored")
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def _add_login(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "url", nargs="?", metavar="URL", help="the server's address for people, such as https://boot.example.org"
    )
    parser.add_argument("--name", metavar="PROFILE", help="the profile's name (default: the server's host name)")
    parser.add_argument(
        "--token", action="store_true", help="paste an API token, or send it on standard input, instead of the browser"
    )
    parser.add_argument(
        "--role", choices=[role.value for role in Role], default=Role.VIEWER.value,
        help="ask for a token with this role; you choose it in the browser (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--label", action="append", default=[], metavar="KEY=VALUE", help="only machines with this label; repeatable"
    )
    parser.add_argument(
        "--for", dest="seconds", metavar="TIME", default="12h",
        type=seconds_in("hd", "12h or 30d", most=366 * 86400, limits=LIFETIME_LIMITS),
        help="ask for a token with this lifetime, such as 12h or 30d; at most 366d (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--keyring", action="store_true", help="keep the token in the keyring, not in a file")
    parser.add_argument(
        "--allow-http", action="store_true", help="allow a server without TLS: anyone on the way can read the token"
    )
    parser.add_argument("--list", action="store_true", help="list the profiles, as `bootgrant profiles` does")
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")


@reporting
def _login(args: argparse.Namespace) -> int:
    """Log in to a server, so that commands on this computer use it without --server and --token-file.

      bootgrant login https://boot.example.org                     confirm in a browser; the token can only look
      bootgrant login https://boot.example.org --role approver     ask for more; you choose it in the browser
      bootgrant login https://boot.example.org --token             paste an API token instead

    Shows an address and a code. Open the address in a browser in which you are signed in, and type the code. The token
    is an API token of yours: it is on your account page, and never has more rights than you have. It is kept in
    $XDG_CONFIG_HOME/bootgrant/profiles.json, which only you can read, or in the keyring.

    The first profile becomes the default; `bootgrant profiles use` changes that. Without URL, you log in again to the
    default profile's server.
    """
    if args.list:
        return _list(args)
    found = profiles.load()
    name, server = _target(args, found)
    if args.keyring:
        keyring.check()
    profiles.check_writable()
    wanted = Profile(name, server, allows_http=args.allow_http)
    token = _pasted(server) if args.token else _from_browser(args, server)
    profile = replace(wanted, token=token, about=_about(server, token))
    kept = profiles.in_keyring(profile) if args.keyring else profile
    with profiles.changing() as changes:
        _check_name(changes.profiles, name, server)
        changes.profiles = changes.profiles.with_profile(kept)
        default = changes.profiles.default
    is_default = default == name
    answer = {**_shown(kept, is_default=is_default), **profile.about}
    used = "the default" if is_default else f"use it with --profile {name}, or run `bootgrant profiles use {name}`"
    text = f"logged in to {server} as {_rights(profile)}\nprofile {name} ({used}); its token is in {_where(kept)}"
    return show(answer, text, as_json=args.json)


def _target(args: argparse.Namespace, found: Profiles) -> tuple[str, str]:
    """The name of the profile and the address of its server. Raises Refused."""
    if args.url is None:
        name = args.name or found.default
        if not name:
            raise Refused("usage", "name the server: bootgrant login https://boot.example.org")
        known = found.named(name)
        server, args.allow_http = known.server, args.allow_http or known.allows_http
    else:
        server = profiles.server_address(args.url)
        name = args.name or server.partition("://")[2].replace("[", "").replace("]", "").lstrip(":")
    if not NAME.fullmatch(name):
        raise Refused("usage", f"{name!r} cannot be the name of a profile: {NAME_RULE}; choose one with --name")
    origin = origin_of(server)
    if server.startswith("http://") and not args.allow_http and (origin is None or origin[1] not in _LOCAL):
        reason = "plain HTTP would expose the token on the network; use https, or --allow-http if you must"
        raise Refused("bad_server", f"{server}: {reason}")
    _check_name(found, name, server)
    return name, server


def _check_name(found: Profiles, name: str, server: str) -> None:
    known = found.by_name.get(name)
    if known is not None and known.server != server:
        other = f"choose another name with --name, or run `bootgrant logout {name}` first"
        raise Refused("other_server", f"the profile {name} is for {known.server}: {other}")


def _pasted(server: str) -> Secret:
    """Read a token from the terminal without an echo, or the first line of standard input. Raises Refused."""
    try:
        text = getpass.getpass(f"API token for {server}: ") if sys.stdin.isatty() else sys.stdin.readline()
    except (EOFError, UnicodeDecodeError):
        text = ""
    except KeyboardInterrupt:
        raise Refused(*_CANCELLED) from None
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable() or len(token) > 4096:
        raise Refused("no_token", "that is not an API token; nothing was stored")
    return Secret(token)


def _from_browser(args: argparse.Namespace, server: str) -> Secret:
    """Get a token that the person approves in a browser. Raises Refused."""
    from bootgrant.acquire.clock import SystemClock
    from bootgrant.cli.client import device_login

    try:
        labels = " ".join(map(str, parse_labels(args.label)))
    except BadLabel as error:
        raise Refused("usage", f"--label: {error}") from error
    wishes = {"host": socket.gethostname(), "user": user_here(), "role": args.role, "seconds": str(args.seconds)}
    clock = SystemClock()
    post = device_login.poster(server, clock)
    try:
        codes = device_login.ask_codes(server, {**wishes, "labels": labels}, post)
        _say(_prompt(codes.verification_uri, codes.user_code, codes.expires_in))
        return device_login.wait_for_token(server, codes, post, clock, _say)
    except KeyboardInterrupt:
        raise Refused(*_CANCELLED) from None


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _prompt(address: str, code: str, expires_in: int | None) -> str:
    drawing, scan = "", ""
    if sys.stderr.isatty():
        from bootgrant.acquire.console.qr import can_show_blocks, draw

        space = shutil.get_terminal_size()
        picture = draw(address, "auto", can_show_blocks(sys.stderr), ((space.columns, space.lines - 8),))
        drawing = "".join(f"{line}\n" for line in picture.lines)
        scan = ", or scan this code with your phone" if drawing else ""
    left = f" It is valid for {max(1, expires_in // 60)} minutes." if expires_in else ""
    where = f"Open this address in a browser in which you are signed in{scan}:\n\n    {printable(address)}\n\n"
    return f"{where}{drawing}Type this code there: {printable(code)}\n{left.strip()} Waiting …"


def _about(server: str, token: Secret) -> Json:
    """What the server says about a token: whose it is, its rights, and its end. Raises Refused."""
    try:
        answer = ask_there(Remote(server, token), "GET", "whoami")
    except Refused as refused:
        if refused.error == "bad_token":
            raise Refused("bad_token", f"{server} does not know this token; nothing was stored") from refused
        raise
    labels, until = answer.get("labels"), answer.get("expires_at")
    if not isinstance(answer.get("name"), str) or not isinstance(answer.get("role"), str) or "via" not in answer:
        raise Refused("no_answer", f"{server} is not a bootgrant server")
    return {
        "token_name": answer["name"],
        "person": answer["person"] if isinstance(answer.get("person"), str) else None,
        "role": answer["role"],
        "labels": [str(label) for label in labels] if isinstance(labels, list) else [],
        "expires_at": until if isinstance(until, int | float) else None,
    }


def _rights(profile: Profile) -> str:
    about = profile.about
    machines = ", ".join(about["labels"]) or "every machine"
    until = f", until {_day(about['expires_at'])} UTC" if about["expires_at"] else ""
    return printable(f"{about['person'] or about['token_name']}: role {about['role']}, {machines}{until}")


def _day(at: Any) -> str:
    """A time that a server sent, or a file has: it may be anything."""
    try:
        return day(at)
    except (ValueError, OverflowError, OSError, TypeError):
        return "unknown"


def _where(profile: Profile) -> str:
    return "the keyring" if profile.in_keyring else str(profiles.place())


def _shown(profile: Profile, *, is_default: bool) -> Json:
    """A profile without its token."""
    kept = "keyring" if profile.in_keyring else "file"
    return {"profile": profile.name, "server": profile.server, "default": is_default, "kept_in": kept, **profile.about}


def _add_logout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("profile", nargs="?", metavar="PROFILE", help="which profile (default: the default one)")
    parser.add_argument(
        "--forget", action="store_true", help="remove it here even if its server cannot be reached to revoke the token"
    )
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")


@reporting
def _logout(args: argparse.Namespace) -> int:
    """Log out: revoke the token at its server, and remove the profile here.

    As with every revoked token, its armed windows close, and its approvals that are not delivered yet become void.
    """
    found = profiles.load()
    name = args.profile or found.default
    if not name:
        raise Refused("no_profile", "name the profile: bootgrant logout PROFILE" if found.by_name else "not logged in")
    profile = found.named(name)
    revoked = _revoke(profile, forget=args.forget)
    if profile.in_keyring:
        keyring.remove(profile.keyring_name)
    with profiles.changing() as changes:
        changes.profiles = changes.profiles.without(name)
    how = "its token is revoked" if revoked else "its token may still be valid: revoke it on your account page"
    answer = {"profile": name, "server": profile.server, "revoked": revoked}
    return show(answer, f"logged out of {profile.server}: {how}", as_json=args.json)


def _revoke(profile: Profile, *, forget: bool) -> bool:
    """Revoke the token of a profile. Return whether it is invalid now. Raises Refused unless ``forget``."""
    try:
        ask_there(Remote(profile.server, profile.secret(), profile.name), "POST", "logout")
    except Refused as refused:
        if refused.error == "bad_token":
            return True
        if not forget:
            again = "with --forget, the profile is removed here all the same"
            raise Refused(refused.error, f"{refused}; {again}") from refused
        return False
    return True


def _add_profiles(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "verb", nargs="?", choices=["list", "use"], default="list", metavar="list|use",
        help="list the profiles (the default), or choose the default one",
    )  # fmt: skip
    parser.add_argument("profile", nargs="?", metavar="PROFILE", help="use: the new default profile")
    parser.add_argument("--json", action="store_true", help="print the profiles as JSON")


@reporting
def _profiles(args: argparse.Namespace) -> int:
    """List the profiles that `bootgrant login` made, or choose the one that commands use by default.

      bootgrant profiles                           list them; * marks the default
      bootgrant profiles use boot.example.org      make this one the default

    A command uses, in this order: --server or --profile; BOOTGRANT_SERVER or BOOTGRANT_PROFILE; the site that --config,
    BOOTGRANT_CONFIG, or bootgrant.toml in the current folder names; the default profile.
    """
    if (args.verb == "use") != bool(args.profile):
        raise Refused("usage", "write `bootgrant profiles`, or `bootgrant profiles use PROFILE`")
    if args.verb == "use":
        with profiles.changing() as changes:
            changes.profiles = replace(changes.profiles, default=changes.profiles.named(args.profile).name)
    return _list(args)


def _list(args: argparse.Namespace) -> int:
    found = profiles.load()
    listed = [_shown(one, is_default=name == found.default) for name, one in found.by_name.items()]
    text = table(_HEAD, [_row(one) for one in listed]) if listed else "there are no profiles: run `bootgrant login URL`"
    return show({"profiles": listed}, text, as_json=args.json)


def _row(shown: Json) -> tuple[str, ...]:
    until, labels = shown.get("expires_at"), shown.get("labels") or ["every machine"]
    over = "expired " if isinstance(until, int | float) and until <= time.time() else ""
    mark = "*" if shown["default"] else ""
    whose = str(shown.get("person") or shown.get("token_name"))
    rights = (str(shown.get("role")), " ".join(map(str, labels)), over + _day(until))
    return mark, shown["profile"], shown["server"], whose, *rights, shown["kept_in"]


COMMANDS: Final = {
    "login": (_add_login, _login),
    "logout": (_add_logout, _logout),
    "profiles": (_add_profiles, _profiles),
}
