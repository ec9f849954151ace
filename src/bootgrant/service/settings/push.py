"""``[push]``: push messages to phones and browsers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from bootgrant.service.settings.forms import SWITCH, list_of, shown
from bootgrant.service.settings.setting import setting

_HOST: Final = re.compile(r"(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)*")


def _host(value: object) -> str:
    """A host name, or every host below it: ``*.example.org``."""
    if not isinstance(value, str) or not _HOST.fullmatch(value):
        raise ValueError(f'{value!r} is not a host; write "push.example.org" or "*.example.org"')
    return value


def _contact(value: object) -> str:
    """Where people can be reached (RFC 8292 section 2.1)."""
    if value and (not isinstance(value, str) or not value.startswith(("mailto:", "https:")) or not value.isprintable()):
        raise ValueError(f'{value!r} is not a contact; write "mailto:ops@example.org" or an https URL')
    return str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """``[push]``: push messages to phones and browsers (docs/notifications.md)."""

    services: tuple[str, ...] = setting(
        list_of("list of hosts", _host),
        (
            "fcm.googleapis.com",
            "updates.push.services.mozilla.com",
            "*.push.apple.com",
            "*.notify.windows.com",
        ),
        "The push services of browsers that messages to phones are sent to: host names, where `*.example.org` is every "
        "host below example.org. By default those of Chrome, Firefox, Safari and Edge. Empty: push is off.",
    )
    allow_private: bool = setting(
        SWITCH,
        "false",
        "`true`: a push service may have a private address. Otherwise such an address is refused.",
    )
    contact: str = setting(
        shown("mailto: or https: URL, or empty", _contact),
        "",
        "How the people who run a push service can reach you, such as mailto:ops@example.org. Empty: the address of "
        "the pages, if it is https.",
    )
