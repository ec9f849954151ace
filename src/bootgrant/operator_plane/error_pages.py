"""Error pages: what happened, whether anything was lost, and what to do now."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlencode

from starlette.responses import Response

from bootgrant.operator_plane.frame import Frame
from bootgrant.operator_plane.rendering import render
from bootgrant.operator_plane.wording import sentence, spoken_span, text, texts
from bootgrant.workflows.people.oidc_sign_in import OidcRefusal, OidcRefused


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """``lost`` answers "Was anything lost?" and ``now`` "What now?". ``link`` is an address and its text.

    ``facts`` are pairs of a name and an untrusted text.
    """

    status: int
    title: str
    happened: str
    lost: str
    now: str
    link: tuple[str, str]
    facts: tuple[tuple[str, str], ...] = ()


def _error(name: str, status: int, link: str = "/", link_text: str = "", **values: object) -> ErrorPage:
    """Build a page from the texts ``error.<name>_…``. Title, loss and link text have defaults."""

    def part(which: str, usual: str) -> str:
        own = f"error.{name}_{which}"
        return text(own if own in texts() else usual, **values)

    return ErrorPage(
        status,
        part("title", "error.usual_title"),
        text(f"error.{name}_happened", **values),
        part("lost", "error.nothing_lost"),
        text(f"error.{name}_now", **values),
        (link, link_text or part("link", "error.usual_link")),
    )


NOT_FOUND: Final = _error("not_found", 404)
NO_REQUEST: Final = _error("no_request", 404, "/device")
WRONG_METHOD: Final = _error("wrong_method", 405)
BROKEN_FORM: Final = _error("broken_form", 400)
TOO_LARGE: Final = _error("too_large", 413)
NO_PASSKEYS: Final = _error("no_passkeys", 404, "/login")
NOT_YOUR_PASSKEYS: Final = _error("not_your_passkeys", 403, "/account")
NOT_YOUR_TOKENS: Final = _error("not_your_tokens", 403, "/account")
NOT_YOUR_PASSWORD: Final = _error("not_your_password", 403, "/account")
NO_WINDOW: Final = _error("no_window", 404, "/access/windows")
STORE_DOWN: Final = _error("store_down", 503)
FAULT: Final = _error("fault", 500)


def stale_form(way_back: str) -> ErrorPage:
    """A form of an earlier session. ``way_back`` is its page, with what the person typed."""
    return _error("stale_form", 403, way_back)


def foreign_form(public_url: str) -> ErrorPage:
    """A form that did not come from our own pages."""
    return _error("foreign_form", 403, f"{public_url}/", public_url, public_url=public_url)


def not_allowed(roles: str, *, everywhere: bool = False) -> ErrorPage:
    """The operator's role does not allow this. ``roles`` are those that do, ``everywhere`` without limits by labels."""
    return _error("not_allowed_everywhere" if everywhere else "not_allowed", 403, roles=roles)


def misdirected(public_url: str) -> ErrorPage:
    """A request for another host name than that of ``public_url``."""
    return _error("misdirected", 421, f"{public_url}/", public_url, public_url=public_url)


def older_database() -> ErrorPage:
    """The server waits for an admin to accept an older copy of the database."""
    return _error("older_database", 503)


def no_configuration(grant_id: str, why: str) -> ErrorPage:
    """There is no configuration to show for a machine."""
    return _error("no_configuration", 404, f"/requests/{grant_id}", why=sentence(why))


def no_entry(name: str) -> ErrorPage:
    """The configurations have no entry with this name; the audit may know it."""
    return _error("no_entry", 404, f"/audit?{urlencode({'entry': name})}", entry=name)


def no_machines(why: str) -> ErrorPage:
    """The configurations cannot be read, so there are no entries to show."""
    return _error("no_machines", 503, "/machines", why=sentence(why))


def window_not_closed(why: str) -> ErrorPage:
    """An armed window was not closed. ``why`` is a sentence."""
    return _error("window", 409, why=why)


def no_operator(name: str) -> ErrorPage:
    """There is no operator of this name."""
    return _error("no_operator", 404, "/access/operators", called=name[:64])


def no_token(name: str) -> ErrorPage:
    """There is no API token of this name."""
    return _error("no_token", 404, "/access/tokens", called=name[:64])


def not_signed_in(label: str, refusal: OidcRefusal, sign_in: str, scopes: Sequence[str] = ()) -> ErrorPage:
    """Signing in at the provider ``label`` failed. ``sign_in`` is the page to try again on, ``scopes`` were asked for.

    A provider's error that is known is explained; its own words are shown only of an answer to this sign-in.
    """
    why, status = refusal.why, _OIDC_STATUS.get(refusal.why, 403)
    is_known = f"error.oidc_{refusal.error}_happened" in texts()
    name = f"oidc_{refusal.error}" if is_known and why is OidcRefused.DECLINED else f"oidc_{why.name.lower()}"
    asked = refused_scopes(refusal.said, scopes)
    page = _error(name, status, sign_in, text("error.oidc_link"), label=label, scopes=asked)
    said = refusal.said or (refusal.error if is_known else "")
    facts = {"account": refusal.person, "missing": refusal.missing, "said": said}
    shown = tuple((text(f"error.oidc_{fact}", label=label), value) for fact, value in facts.items() if value)
    return replace(page, facts=shown)


def refused_scopes(said: str, scopes: Sequence[str]) -> str:
    """Return the scopes that a provider may have refused: those it names, without the standard ones if others remain
    (OpenID Connect Core section 5.4)."""
    words = re.split(r"""[\s,;:'"\[\]()<>]+""", said)
    asked = [scope for scope in scopes if scope != "openid"]
    named = [scope for scope in asked if scope in words] or asked
    unusual = [scope for scope in named if scope not in _STANDARD_SCOPES] or named or ["openid"]
    return ", ".join(f"`{scope}`" for scope in unusual)


_STANDARD_SCOPES: Final = frozenset({"profile", "email", "address", "phone", "offline_access"})
_OIDC_STATUS: Final = {OidcRefused.UNKNOWN: 404, OidcRefused.DOWN: 503, OidcRefused.LATE: 400, OidcRefused.WRONG: 502}


def too_many(what: str, wait: float) -> ErrorPage:
    """Too many attempts. ``what`` names them, ``wait`` is in seconds."""
    return _error("too_many", 429, what=what, wait=spoken_span(wait))


def respond(error: ErrorPage, frame: Frame, headers: Mapping[str, str] | None = None) -> Response:
    """Return the page with its status. A connection whose request was not read is not used again."""
    if error is TOO_LARGE:
        headers = {**(headers or {}), "connection": "close"}
    return render("error.html", {"error": error}, frame, error.status, headers)
