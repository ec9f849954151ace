"""``[evidence]`` and ``[[rules]]``: evidence about machines, and which machines need no operator."""

from __future__ import annotations

from dataclasses import dataclass

from bootgrant.approval.policy import BUILT_IN, Rule, Vocabulary
from bootgrant.service.settings import forms
from bootgrant.service.settings.forms import duration
from bootgrant.service.settings.setting import setting, table_of


def _command(value: object) -> tuple[str, ...]:
    command = forms.texts(value)
    if not command or not command[0].startswith("/"):
        raise ValueError('write a list that begins with a full path: ["/usr/bin/x", "-v"]')
    return command


def _evidence_name(value: object) -> str:
    name = forms.name(value)
    if name in BUILT_IN:
        raise ValueError(f"the name {name!r} is taken: give this command another one")
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceCommand:
    """One of ``[[evidence.exec]]``; times in seconds."""

    name: str = setting(forms.hidden("name", _evidence_name))
    command: tuple[str, ...] = setting(forms.hidden("command", _command))
    limit: float = setting(duration("1ms", "60s"), "5s")
    keeps: float = setting(forms.DURATION, "10m")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """``[evidence]``."""

    exec: tuple[EvidenceCommand, ...] = setting(
        table_of(EvidenceCommand, "evidence.exec", lambda command: command),
        (),
        "Commands that give evidence about a machine, each as [[evidence.exec]] (docs/decisions-and-audit.md).",
        example=("[[evidence.exec]]", 'name = "bmc"', 'command = ["/usr/local/bin/ask-bmc"]', 'limit = "5s"'),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenRule:
    """One of ``[[rules]]``. Its networks and evidence may be names that other settings define."""

    name: str = setting(forms.NAME)
    select: tuple[str, ...] = setting(forms.TEXTS)
    networks: tuple[str, ...] = setting(forms.TEXTS)
    evidence: tuple[str, ...] = setting(forms.TEXTS)

    def rule(self, vocabulary: Vocabulary) -> Rule:
        """Return the rule. Raises ValueError for a name that is not in the vocabulary."""
        try:
            return Rule(self.name, vocabulary.conditions(self.select, self.networks, self.evidence))
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None
