"""What is around every page: the site's name and colour, the navigation, and who is signed in. Imports no page."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, NamedTuple

from bootgrant.approval.operators import Actor
from bootgrant.operator_plane.permissions import Permission, is_allowed


class Colour(StrEnum):
    """The colour of the header (static/pages/10-base.css). None is amber or red, which mean a problem."""

    TEAL = "teal"
    BLUE = "blue"
    VIOLET = "violet"
    MAGENTA = "magenta"
    GREY = "grey"

    @property
    def shade(self) -> str:
        """The colour for what a phone draws around the pages, as in the style."""
        return _SHADES[self]


_SHADES: Final = {
    Colour.TEAL: "#0b6b60",
    Colour.BLUE: "#1d4f9c",
    Colour.VIOLET: "#5f3a9e",
    Colour.MAGENTA: "#8f1d6b",
    Colour.GREY: "#3d4846",
}


@dataclass(frozen=True, slots=True)
class Look:
    """The name and the colour of a site, for the header and the title of every page.

    ``plain_http`` is who uses plain HTTP, so that every page warns: people, or only machines.
    """

    name: str
    colour: Colour = Colour.TEAL
    plain_http: Literal["", "people", "machines"] = ""


class Link(NamedTuple):
    """A page of the navigation. ``here`` is what the page calls itself, and its text is ``site.{here}``.

    ``is_near`` links are in the bar of a phone; the others are one tap away.
    """

    here: str
    path: str
    permission: Permission
    is_near: bool = False


NAVIGATION: Final = (
    Link("queue", "/", Permission.SIGNED_IN, is_near=True),
    Link("machines", "/machines", Permission.SIGNED_IN, is_near=True),
    Link("device", "/device", Permission.SIGNED_IN, is_near=True),
    Link("access", "/access", Permission.SIGNED_IN),
    Link("audit", "/audit", Permission.SIGNED_IN),
    Link("settings", "/settings", Permission.SIGNED_IN),
)


def links_for(actor: Actor | None) -> tuple[Link, ...]:
    """Return the links for a person; without one, those that every operator has."""
    return tuple(link for link in NAVIGATION if actor is None or is_allowed(actor, link.permission))


@dataclass(frozen=True, slots=True)
class Frame:
    """``actor`` is None if nobody is signed in, and ``csrf`` is the token for their forms.

    ``elsewhere`` is scheme, host and port of the right address on a page at a wrong one, where nobody is signed in.
    """

    look: Look
    actor: Actor | None = None
    csrf: str = ""
    elsewhere: str = ""

    @property
    def operator(self) -> str | None:
        return self.actor.name if self.actor else None

    @property
    def role(self) -> str:
        """The role of the actor with the labels that limit it."""
        return " ".join((self.actor.role.value, *map(str, self.actor.labels))) if self.actor else ""

    @property
    def links(self) -> tuple[Link, ...]:
        """The navigation; empty for a person who has not signed in."""
        return links_for(self.actor) if self.actor or self.elsewhere else ()
