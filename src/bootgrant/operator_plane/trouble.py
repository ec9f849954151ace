"""Pages for when something is wrong: what happened, whether anything is lost, what to do now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from bootgrant.operator_plane.rendering import render
from bootgrant.operator_plane.wording import sentence, spoken_span, text, texts
from bootgrant.workflows.people.oidc_sign_in import OidcRefused


@dataclass(frozen=True, slots=True)
class Trouble:
    """``lost`` answers "is anything lost?", ``now`` "what do I do?". ``link`` is an address and its text."""

    status: int
    title: str
    happened: str
    lost: str
    now: str
    link: tuple[str, str]


def _trouble(name: str, status: int, link: str = "/", link_text: str = "", **values: object) -> Trouble:
    """The trouble ``trouble.<name>_…`` of the texts. Title, loss and link text are the usual ones where it has none."""

    def said(part: str, usual: str) -> str:
        whole = f"trouble.{name}_{part}"
        return text(whole if whole in texts() else usual, **values)

    return Trouble(
        status,
        said("title", "trouble.usual_title"),
        text(f"trouble.{name}_happened", **values),
        said("lost", "trouble.nothing_lost"),
        text(f"trouble.{name}_now", **values),
        (link, link_text or said("link", "trouble.usual_link")),
    )


NOT_FOUND: Final = _trouble("not_found", 404)
NO_REQUEST: Final = _trouble("no_request", 404, "/device")
WRONG_METHOD: Final = _trouble("wrong_method", 405)
BROKEN_FORM: Final = _trouble("broken_form", 400)
TOO_LARGE: Final = _trouble("too_large", 413)
NO_PASSKEYS: Final = _trouble("no_passkeys", 404, "/login")
NOT_YOUR_PASSKEYS: Final = _trouble("not_your_passkeys", 403, "/account")
NOT_YOUR_TOKENS: Final = _trouble("not_your_tokens", 403, "/account")
NOT_YOUR_PASSWORD: Final = _trouble("not_your_password", 403, "/account")
STORE_DOWN: Final = _trouble("store_down", 503)
FAULT: Final = _trouble("fault", 500)


def stale_form(way_back: str) -> Trouble:
    """A form of an earlier session; ``way_back`` is its page, with what was typed."""
    return _trouble("stale_form", 403, way_back)


def foreign_form(public_url: str) -> Trouble:
    """A form that did not come from our own pages."""
    return _trouble("foreign_form", 403, f"{public_url}/", public_url, public_url=public_url)


def not_allowed(least: str) -> Trouble:
    """Somebody is signed in, and their role is too low; ``least`` is the one that it takes."""
    return _trouble("not_allowed", 403, least=least)


def misdirected(public_url: str) -> Trouble:
    """A request under another name than the server's own."""
    return _trouble("misdirected", 421, f"{public_url}/", public_url, public_url=public_url)


def no_configuration(grant_id: str, why: str) -> Trouble:
    """There is nothing to show of what a machine would get."""
    return _trouble("no_configuration", 404, f"/requests/{grant_id}", why=sentence(why))


def not_signed_in(label: str, why: OidcRefused, sign_in: str) -> Trouble:
    """Somebody tried to sign in at the provider ``label``, and is not; ``sign_in`` is the page to try again on."""
    return _trouble(f"oidc_{why.name.lower()}", _OIDC_STATUS[why], sign_in, text("trouble.oidc_link"), label=label)


_OIDC_STATUS: Final[Mapping[OidcRefused, int]] = {
    OidcRefused.UNKNOWN: 404,
    OidcRefused.DOWN: 503,
    OidcRefused.LATE: 400,
    OidcRefused.DECLINED: 403,
    OidcRefused.WRONG: 502,
    OidcRefused.NO_ROLE: 403,
    OidcRefused.DISABLED: 403,
    OidcRefused.SOMEBODY_ELSE: 403,
}


def too_many(what: str, wait: float) -> Trouble:
    """Somebody tries too fast; ``what`` is what they try."""
    return _trouble("too_many", 429, what=what, wait=spoken_span(wait))


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
