"""Errors and warnings about a site's machine configurations, with file and line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """A configuration with an ERROR is not served; a WARNING is for a person to look at; a NOTE only informs."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """``rule`` is a stable name; ``file`` is relative to the machines folder; ``line`` counts from 1, 0 for none."""

    level: Level
    rule: str
    message: str
    file: str = ""
    line: int = 0
    entry: str = ""

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file

    def __str__(self) -> str:
        where = self.place or self.entry
        return f"{where}: {self.message}" if where else self.message

    @property
    def with_entry(self) -> str:
        """The finding and the entry that it is about, because its file may be a layer of many entries."""
        return f"{self} [{self.entry}]" if self.entry else str(self)


def error(rule: str, message: str, file: str = "", line: int = 0, entry: str = "") -> Finding:
    return Finding(Level.ERROR, rule, message, file, line, entry)


def warning(rule: str, message: str, file: str = "", line: int = 0, entry: str = "") -> Finding:
    return Finding(Level.WARNING, rule, message, file, line, entry)


def note(rule: str, message: str, file: str = "", line: int = 0, entry: str = "") -> Finding:
    return Finding(Level.NOTE, rule, message, file, line, entry)


def errors(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.level is Level.ERROR]


def named_fields(fields: Sequence[str], most: int = 4) -> str:
    """Return the first of the fields that make a configuration precious, for a line of text."""
    more = f" and {len(fields) - most} more" if len(fields) > most else ""
    return ", ".join(fields[:most]) + more


class SiteBroken(Exception):
    """Configurations that cannot be used. There is at least one finding; the message is the first of them."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        messages = dict.fromkeys(str(finding) for finding in self.findings)
        more = f" (and {len(messages) - 1} more)" if len(messages) > 1 else ""
        super().__init__(f"{self.findings[0]}{more}")
