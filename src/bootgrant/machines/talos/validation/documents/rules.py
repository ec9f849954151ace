"""The words that the rules of documents are written in.

A rule looks at one struct of a document, a ``Section``, and reports what Talos refuses or warns of. The functions here
return rules, so that the rules of a kind read like a row of a table. In Go a field that was not given has the zero
value of its type: absent, ``""``, ``0``, ``false``, ``[]`` and ``{}`` are all "not set". A field that is a pointer in
Go is "present" as soon as it was given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeAlias

from bootgrant.machines.talos.go_values import duration_text
from bootgrant.machines.talos.validation.report import Check, Report
from bootgrant.wire.go_url import GoUrl

SECOND: Final = 1_000_000_000
"""Durations are in nanoseconds."""
_NO_URL: Final = GoUrl()


@dataclass(frozen=True, slots=True)
class Section:
    """A struct of a document: its given fields, its path in the document, and the report on the document."""

    fields: Mapping[str, Any]
    path: str
    report: Report

    def text(self, name: str) -> str:
        return self.fields.get(name) or ""

    def number(self, name: str) -> int:
        return self.fields.get(name) or 0

    def items(self, name: str) -> Sequence[Any]:
        return self.fields.get(name) or []

    def keys(self, name: str) -> Mapping[str, Any]:
        return self.fields.get(name) or {}

    def url(self, name: str) -> GoUrl | None:
        """Return a URL, None if it is absent or empty."""
        found = self.fields.get(name)
        return None if found is None or found == _NO_URL else found

    def has(self, name: str) -> bool:
        """Whether a field was given, even if it is zero."""
        return self.fields.get(name) is not None

    @property
    def is_empty(self) -> bool:
        """Whether no field was given."""
        return all(value is None for value in self.fields.values())

    def is_true(self, name: str) -> bool:
        return self.fields.get(name) is True

    def place(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def inner(self, name: str) -> Section:
        """Return the struct in a field; an absent one has no fields."""
        return Section(self.fields.get(name) or {}, self.place(name), self.report)

    def elements(self, name: str) -> Iterator[Section]:
        """Yield the structs of a list."""
        for index, fields in enumerate(self.items(name)):
            yield Section(fields or {}, self.place(f"{name}[{index}]"), self.report)

    def refuse(self, name: str, message: str) -> None:
        self.report.refuse(self.place(name) if name else self.path, message)

    def warn(self, name: str, message: str) -> None:
        self.report.warn(self.place(name) if name else self.path, message)


Rule: TypeAlias = Callable[[Section], None]
IsValid: TypeAlias = Callable[[str], bool]


def check(*rules: Rule) -> Check:
    """Return the check of a kind with these rules."""

    def run(value: dict[str, Any], report: Report) -> None:
        section = Section(value, "", report)
        for rule in rules:
            rule(section)

    return run


def together(*rules: Rule) -> Rule:
    """All of the rules, as one rule."""

    def run(section: Section) -> None:
        for rule in rules:
            rule(section)

    return run


def first(*rules: Rule) -> Rule:
    """The rules up to the first one that refuses something."""

    def run(section: Section) -> None:
        before = _refusals(section.report)
        for rule in rules:
            rule(section)
            if _refusals(section.report) > before:
                return

    return run


def _refusals(report: Report) -> int:
    return sum(objection.is_fatal for objection in report.objections)


@cache
def release_number(release: str) -> tuple[int, ...]:
    """Return ``(1, 12)`` for ``1.12``."""
    return tuple(int(part) for part in release.split("."))


def since(release: str, *rules: Rule) -> Rule:
    """Rules that a release and the later ones have."""

    def run(section: Section) -> None:
        if release_number(section.report.release) >= release_number(release):
            for rule in rules:
                rule(section)

    return run


def before(release: str, *rules: Rule) -> Rule:
    """Rules that only releases earlier than this one have."""

    def run(section: Section) -> None:
        if release_number(section.report.release) < release_number(release):
            for rule in rules:
                rule(section)

    return run


def inside(name: str, *rules: Rule) -> Rule:
    """Rules for the struct in a field, absent or not."""

    def run(section: Section) -> None:
        for rule in rules:
            rule(section.inner(name))

    return run


def if_present(name: str, *rules: Rule) -> Rule:
    """Rules for the struct in a field that is a pointer: an absent one is not looked at."""

    def run(section: Section) -> None:
        if section.has(name):
            for rule in rules:
                rule(section.inner(name))

    return run


def each(name: str, *rules: Rule) -> Rule:
    """Rules for every struct of a list."""

    def run(section: Section) -> None:
        for element in section.elements(name):
            for rule in rules:
                rule(element)

    return run


def required(*names: str, message: str = "must be set") -> Rule:
    """Fields that must not be zero: texts, numbers, lists, maps and URLs."""

    def run(section: Section) -> None:
        for name in names:
            if not section.fields.get(name) or section.fields[name] == _NO_URL:
                section.refuse(name, message)

    return run


def between(name: str, low: int, high: int) -> Rule:
    """A number in a range; one that was not given is 0."""

    def run(section: Section) -> None:
        if not low <= section.number(name) <= high:
            section.refuse(name, f"must be a number from {low} to {high}")

    return run


def not_negative(*names: str) -> Rule:
    """Numbers and durations that are zero or more."""

    def run(section: Section) -> None:
        for name in names:
            if section.number(name) < 0:
                section.refuse(name, "must not be negative")

    return run


def zero_or_at_least(name: str, shortest: int) -> Rule:
    """A duration that is at least so many nanoseconds long, or zero."""

    def run(section: Section) -> None:
        if section.number(name) and section.number(name) < shortest:
            section.refuse(name, f"must be 0 or at least {duration_text(shortest)}")

    return run


def form(name: str, is_valid: IsValid, message: str) -> Rule:
    """A text that, if it is set, must have a form."""

    def run(section: Section) -> None:
        text = section.text(name)
        if text and not is_valid(text):
            section.refuse(name, message)

    return run


def forms_of(name: str, is_valid: IsValid, message: str) -> Rule:
    """A list of texts which must all have a form; an empty text is one, too."""

    def run(section: Section) -> None:
        for index, text in enumerate(section.items(name)):
            if not is_valid(text):
                section.refuse(f"{name}[{index}]", message)

    return run


def one_of(name: str, allowed: Sequence[str]) -> Rule:
    """A text that must be one of these; put ``""`` among them if it need not be set."""
    message = f"must be {_listed([text for text in allowed if text])}"

    def run(section: Section) -> None:
        if section.text(name) not in allowed:
            section.refuse(name, message)

    return run


def _listed(words: Sequence[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last


def scheme(name: str, *allowed: str) -> Rule:
    """The scheme of a URL; one that was not given is left to ``required``."""
    message = f"must be a URL that begins with {_listed([f'{word}://' for word in allowed])}"

    def run(section: Section) -> None:
        url = section.url(name)
        if url is not None and url.scheme not in allowed:
            section.refuse(name, message)

    return run


def no_path(name: str) -> Rule:
    """A URL without a path."""

    def run(section: Section) -> None:
        url = section.url(name)
        if url is not None and url.path not in ("", "/"):
            section.refuse(name, "must be a URL without a path")

    return run


def characters(name: str, allowed: frozenset[str], described: str) -> Rule:
    """A text with no other characters than these."""

    def run(section: Section) -> None:
        if not allowed.issuperset(section.text(name)):
            section.refuse(name, f"may only contain {described}")

    return run


def length(name: str, longest: int) -> Rule:
    """A text of at most so many bytes of UTF-8."""

    def run(section: Section) -> None:
        if len(section.text(name).encode("utf-8", "surrogateescape")) > longest:
            section.refuse(name, f"must be at most {longest} bytes long")

    return run
