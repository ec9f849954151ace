"""A provider whose tokens machines may bring, as the pages show it: without secrets."""

from __future__ import annotations

from dataclasses import dataclass

from bootgrant.approval.claims import OutsideRule


@dataclass(frozen=True, slots=True)
class ShownProvider:
    """One of ``[[providers]]``. ``check`` is how its tokens are checked, such as "jwt"."""

    name: str
    issuer: str
    check: str
    rules: tuple[OutsideRule, ...]
