"""What was found out, where, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """OK: looked at, and right. NOTE: good to know. WARNING: works and will bite. ERROR: no machine gets through."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


class Step(StrEnum):
    """The way of a machine, in order."""

    PARAMETERS = "kernel parameters"
    NETWORK = "network"
    TLS = "TLS and clock"
    DISCOVERY = "discovery"
    CODES = "asking for a code"
    POLLS = "asking for the token"
    CONFIGURATION = "configuration"


@dataclass(frozen=True, slots=True)
class Finding:
    """``code`` is stable and for programs, ``message`` and ``fix`` are for people and show no secret."""

    step: Step
    level: Level
    code: str
    message: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """The one request that stays behind. ``expires_in`` in seconds, None when the provider sets no limit."""

    user_code: str
    expires_in: int | None
