"""What is wrong with a kernel command line: the values that the rules take and return."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bootgrant.acquire.cmdline import settings as param
from bootgrant.acquire.cmdline.kernel_cmdline import KernelCmdline
from bootgrant.acquire.errors import AcquireError
from bootgrant.acquire.facts import Absent, Fact


class Level(StrEnum):
    """ERROR: it cannot work. WARNING: it works, with a risk. NOTE: good to know."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """``code`` is stable, for programs; ``message`` and ``fix`` are for people. Neither contains a secret."""

    code: str
    level: Level
    message: str
    fix: str


@dataclass(frozen=True, slots=True)
class Subject:
    """The input of the rules. ``error`` is what would end a real run before its first request, if anything.

    ``for_talos``: Talos boots with the line, and not another Linux that runs ``bootgrant acquire``.
    """

    cmdline: KernelCmdline
    config_url: str | None
    oauth: param.OAuthSettings | None
    variables: tuple[Fact | Absent, ...]
    wanted: frozenset[str]
    error: AcquireError | None
    for_talos: bool = True
