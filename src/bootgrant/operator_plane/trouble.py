"""Pages for when something is wrong: what happened, whether anything is lost, what to do now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from bootgrant.operator_plane.rendering import render
from bootgrant.operator_plane.wording import sentence, spoken_span
from bootgrant.workflows.oidc_sign_in import OidcRefused


@dataclass(frozen=True, slots=True)
class Trouble:
    """``lost`` answers "is anything lost?", ``now`` "what do I do?". ``link`` is an address and its text."""

    status: int
    title: str
    happened: str
    lost: str
    now: str
    link: tuple[str, str] = ("/", "Machines that wait")


_NOTHING: Final = "Nothing was changed."

NOT_FOUND: Final = Trouble(
    404, "There is no such page", "This address leads nowhere.", _NOTHING, "Go to the machines that wait."
)
NO_REQUEST: Final = Trouble(
    404,
    "There is no such request",
    "The server knows no request at this address. It may be long over, or the address was cut off.",
    _NOTHING,
    "If the machine still shows a code, type that code.",
    ("/device", "Type the code"),
)
WRONG_METHOD: Final = Trouble(
    405, "This address is for a form", "It was opened like a page.", _NOTHING, "Go to the machines that wait."
)
BROKEN_FORM: Final = Trouble(
    400,
    "The form arrived damaged",
    "What the browser sent could not be read as a form.",
    _NOTHING,
    "Go back, load the page anew and try again.",
)
TOO_LARGE: Final = Trouble(
    413, "That is too much text", "The form is larger than the server reads.", _NOTHING, "Go back and shorten it."
)
NO_PASSKEYS: Final = Trouble(
    404,
    "There are no passkeys here",
    "Browsers allow passkeys only at an https address with a name, or at http://localhost.",
    _NOTHING,
    "Sign in with your password. An admin can give the server such a public_url (docs/sign-in.md).",
    ("/login", "Sign in"),
)
NOT_YOUR_PASSKEYS: Final = Trouble(
    403,
    "You sign in elsewhere",
    "Passkeys are for operators who sign in here with a password. You come from a provider, or for an emergency.",
    _NOTHING,
    "Go back to your account.",
    ("/account", "Your account"),
)
STORE_DOWN: Final = Trouble(
    503,
    "The server cannot reach its storage",
    "Reading or writing failed. The server's log says why.",
    "The decision was not made unless the request says so when it is back. Machines keep asking by themselves.",
    "Wait a moment and load this page again. If it stays, look at the log and at the disk.",
)
FAULT: Final = Trouble(
    500,
    "Something went wrong in the server",
    "This is a fault of bootgrant. The server's log has the details.",
    "A decision that you just made may or may not count: the request shows it. Machines keep asking by themselves.",
    "Go back to the machines that wait. You can also decide on the server with `bootgrant pending`.",
)


def stale_form(way_back: str) -> Trouble:
    """A form of an earlier session; ``way_back`` is its page, with what was typed."""
    return Trouble(
        403,
        "This page was from an earlier sign-in",
        "You have signed in again since the page was loaded, so its buttons no longer count.",
        f"{_NOTHING} What you typed is kept.",
        "Open the page again and do it there.",
        (way_back, "Open it again"),
    )


def foreign_form(public_url: str) -> Trouble:
    """A form that did not come from our own pages."""
    return Trouble(
        403,
        "This form did not come from here",
        "The browser says that the form was sent by another site, or does not say who sent it.",
        _NOTHING,
        f"Open {public_url} yourself and do it there. If you did: a proxy changes the Host or Origin header.",
        (f"{public_url}/", public_url),
    )


def not_allowed(least: str) -> Trouble:
    """Somebody is signed in, and their role is too low; ``least`` is the one that it takes."""
    return Trouble(
        403,
        "Your role does not allow this",
        f"This takes the role {least} at least.",
        _NOTHING,
        f"Ask somebody who is {least}, or an admin to give you that role (`bootgrant operators set`).",
    )


def misdirected(public_url: str) -> Trouble:
    """A request under another name than the server's own."""
    return Trouble(
        421,
        "This server goes by another name",
        f"Its pages are at {public_url} alone (public_url in bootgrant.toml), so that nobody can lend them a name.",
        _NOTHING,
        f"Open {public_url} instead.",
        (f"{public_url}/", public_url),
    )


def no_configuration(grant_id: str, why: str) -> Trouble:
    """There is nothing to show of what a machine would get."""
    return Trouble(
        404,
        "There is no configuration to show",
        sentence(why),
        _NOTHING,
        "Put the files right, or give the machine another entry.",
        (f"/requests/{grant_id}", "Back to the machine"),
    )


def not_signed_in(label: str, why: OidcRefused) -> Trouble:
    """Somebody tried to sign in at the provider ``label``, and is not signed in."""
    status, happened, now = _OIDC[why]
    link = ("/login", "Sign in")
    return Trouble(status, f"Not signed in at {label}", happened, _NOTHING, now, link)


_ASK_ADMIN: Final = "Ask an admin; the server's log says more. Local operators can sign in with a password."
_LOCALLY: Final = (
    "Try again in a minute. Until it is back, local operators sign in with a password, and on the server "
    "`bootgrant pending` and `bootgrant approve CODE` need no sign-in."
)
_OIDC: Final[Mapping[OidcRefused, tuple[int, str, str]]] = {
    OidcRefused.UNKNOWN: (404, "There is no such provider here.", "Choose one on the sign-in page."),
    OidcRefused.DOWN: (
        503,
        "The provider does not answer this server now.",
        _LOCALLY,
    ),
    OidcRefused.LATE: (
        400,
        "This way back was used already, took longer than 10 minutes, or began in another browser.",
        "Start again from the sign-in page.",
    ),
    OidcRefused.DECLINED: (403, "The provider did not sign you in, or you stopped it there.", "Start again."),
    OidcRefused.WRONG: (502, "What the provider answered cannot be trusted, so it counts for nothing.", _ASK_ADMIN),
    OidcRefused.NO_ROLE: (
        403,
        "You are known there, but none of your groups has a role here.",
        "Ask an admin for a group that has one ([[oidc.roles]] in bootgrant.toml).",
    ),
    OidcRefused.DISABLED: (403, "Your access here was ended.", "Ask an admin (`bootgrant operators enable`)."),
    OidcRefused.SOMEBODY_ELSE: (
        403,
        "You came back as somebody else, or the provider did not ask you anew who you are.",
        "Sign out, and sign in again.",
    ),
}


def too_many(what: str, wait: float) -> Trouble:
    """Somebody tries too fast; ``what`` is what they try."""
    return Trouble(
        429,
        "Too many attempts",
        f"There were many {what} from you or from your address in a short time.",
        f"{_NOTHING} Machines that wait go on waiting.",
        f"Try again in {spoken_span(wait)}.",
    )


def page(
    trouble: Trouble, operator: str | None = None, csrf: str = "", headers: Mapping[str, str] | None = None
) -> Response:
    """The page that tells of it, with its status."""
    return render(
        "trouble.html",
        {"trouble": trouble, "role": ""},
        operator=operator,
        csrf=csrf,
        status=trouble.status,
        headers=headers,
    )
