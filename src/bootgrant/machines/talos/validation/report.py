"""What the checks of a configuration report: what Talos refuses, what it warns of, and what could not be checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from bootgrant.machines.talos.documents import Document


@dataclass(frozen=True, slots=True)
class Objection:
    """``path`` as in ``machine.network.interfaces[0].mtu``; empty for the document (or, without one, the whole).

    An objection that is not fatal is a warning of Talos: a machine takes the configuration. ``message`` repeats no
    value of the configuration, because it may be secret.
    """

    document: Document | None
    path: str
    message: str
    is_fatal: bool = True


@dataclass(slots=True)
class Report:
    """Collects objections. ``release`` is the Talos version that checks, such as ``1.12``."""

    release: str
    objections: list[Objection] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    """What a machine checks, but this program could not, each in words."""
    document: Document | None = None
    """The document that the next objections are about."""

    def refuse(self, path: str, message: str) -> None:
        self.objections.append(Objection(self.document, path, message))

    def warn(self, path: str, message: str) -> None:
        self.objections.append(Objection(self.document, path, message, is_fatal=False))


Check: TypeAlias = Callable[[dict[str, Any], Report], None]
"""Checks the value of one document."""
