"""The settings of people: how long sessions live, and how one signs in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bootgrant.service.settings.error import SettingsError
from bootgrant.workflows.people.sign_in import SecondFactor, SessionRules

if TYPE_CHECKING:
    from bootgrant.ports.providers import ProviderSettings


@dataclass(frozen=True, slots=True)
class PeopleSettings:
    sessions: SessionRules
    second_factor: SecondFactor
    providers: tuple[ProviderSettings, ...] = ()


def people_settings(parsed: Mapping[str, Any], url: str) -> PeopleSettings:
    """The settings of people among the parsed ones; ``url`` is where their pages are. Raises SettingsError."""
    names = ("session_idle", "session_lifetime", "fresh")
    sessions = SessionRules(*(parsed[f"operators.{name}"] for name in names))
    if min(sessions.idle, sessions.lifetime, sessions.fresh) < 60:
        raise SettingsError('operators.session_idle, session_lifetime and fresh: at least "1m" each')
    wanted: SecondFactor = parsed["operators.second_factor"]
    if wanted is SecondFactor.REQUIRED and not _has_passkeys(url):
        raise SettingsError(
            'operators.second_factor = "required" needs passkeys, and browsers allow them only at an https address '
            f"with a name, or at http://localhost: {url} is neither"
        )
    return PeopleSettings(sessions, wanted, parsed["oidc"])


def _has_passkeys(url: str) -> bool:
    """The web framework is imported where it is asked: every command reads the settings."""
    from bootgrant.operator_plane.host import has_passkeys

    return has_passkeys(url)


def oidc(value: object, base: Path) -> tuple[ProviderSettings, ...]:
    """``[[oidc]]``, which most sites and commands do without. Raises ValueError."""
    if value in ([], ()):
        return ()
    from bootgrant.service.settings.oidc import parse_oidc

    return parse_oidc(value, base)


def second_factor(value: object) -> SecondFactor:
    """The value of ``operators.second_factor``. Raises ValueError."""
    try:
        return SecondFactor(value)
    except ValueError:
        raise ValueError(f'{value!r} is neither "off" nor "required"') from None
