"""Compare what our composer and Talos's make of the same input."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import yaml

from bootgrant.machines.talos.composing import compose_with
from bootgrant.machines.talos.documents import ComposeError, Part
from oracle.reference import Reference
from support.go_yaml_form import compared


@dataclass(frozen=True, slots=True)
class Difference:
    """``kind`` is "we refuse", "Talos refuses", or "value". ``ours`` and ``talos`` are texts or errors."""

    kind: str
    ours: str
    talos: str
    config: str
    patches: Sequence[str] = ()

    def __str__(self) -> str:
        given = "".join(f"\n--- patch\n{patch}" for patch in self.patches)
        return f"{self.kind}\n--- config\n{self.config}{given}\n--- ours\n{self.ours}\n--- Talos\n{self.talos}\n"


@dataclass
class Figures:
    """Counts what agrees, and keeps what differs."""

    what: str
    counts: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)

    def add(self, outcome: str | Difference, allowed: Sequence[Allowed]) -> None:
        if isinstance(outcome, str):
            self.counts[outcome] += 1
            return
        reason = next((one.reason for one in allowed if one.fits(outcome)), None)
        self.counts[f"differs on purpose: {reason}" if reason else f"differs: {outcome.kind}"] += 1
        if reason is None:
            self.differences.append(outcome)

    def __str__(self) -> str:
        shown = ", ".join(f"{name} {count:,}" for name, count in sorted(self.counts.items()))
        return f"{self.what}: {self.counts.total():,} cases: {shown}"

    def check(self) -> None:
        """Print the figures, and fail with the first differences that are not on purpose."""
        print(self)
        shown = "\n".join(str(difference) for difference in self.differences[:3])
        assert not self.differences, f"{self}\n{shown}"


@dataclass(frozen=True, slots=True)
class Allowed:
    """A deliberate difference of docs/composer.md: a kind, and what is found in both texts."""

    reason: str
    kind: str
    ours: str = ""
    talos: str = ""
    given: str = ""

    def fits(self, difference: Difference) -> bool:
        given = "\n".join((difference.config, *difference.patches))
        found = ((self.ours, difference.ours), (self.talos, difference.talos), (self.given, given))
        return self.kind == difference.kind and all(re.search(pattern, text) for pattern, text in found)


_CRASHES = re.compile(r"^panic: |recovered: ")


def outcome(reference: Reference, config: str, patches: Sequence[str]) -> str | Difference:
    """Return how both agree, or the difference. Where Talos crashes, everything is right."""
    parts = [Part("config", config.encode()), *(Part("patch", patch.encode()) for patch in patches)]
    expected, error = reference.patched(config, patches)
    if _CRASHES.search(error):
        return "Talos crashes"
    try:
        made = compose_with(parts, reference.tables).config
    except ComposeError as refused:
        return "both refuse" if error else Difference("we refuse", str(refused), expected, config, patches)
    if error:
        return Difference("Talos refuses", made.decode(), error, config, patches)
    if not patches:
        return "same value" if made == expected.encode() else Difference("value", made.decode(), expected, config)
    try:
        talos = compared(expected.encode())
    except yaml.YAMLError:
        return "Talos writes what nothing can read"
    if compared(made) == talos:
        return "same value"
    if reference.loads(config) and not reference.loads(expected):
        return "Talos writes what it cannot read"
    return Difference("value", made.decode(), expected, config, patches)
