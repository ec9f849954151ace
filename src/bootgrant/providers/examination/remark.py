"""What the examination of a provider found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """OK: checked and fine. NOTE: good to know. WARNING: works, with trouble. ERROR: nobody gets through."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Remark:
    """``code`` is stable, for programs; ``message`` and ``fix`` are for people. None of them has a secret in it."""

    grade: Grade
    code: str
    message: str
    fix: str = ""
