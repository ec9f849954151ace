"""The variables of one boot: waited for before anybody is asked, so that nothing is missing after the approval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from bootgrant.acquire.clock import Clock
from bootgrant.acquire.console import Console
from bootgrant.acquire.errors import MissingVariable
from bootgrant.acquire.facts import Absent, MachineFacts

_FIRMWARE: Final = ("uuid", "serial")
_FIRMWARE_WAIT: Final = 5.0
"""Seconds for what firmware says: once /sys is there it does not change any more."""
_IDENTIFYING: Final = ("uuid", "serial", "mac")


class Variables:
    """Collects variables from ``facts``; each is waited for once: ``patience`` seconds, but not past ``ends_at``."""

    def __init__(
        self, facts: MachineFacts, root: Path, console: Console, clock: Clock, patience: float, ends_at: float
    ) -> None:
        self._facts = facts
        self._root = root
        self._console = console
        self._clock = clock
        self._patience = patience
        self._ends_at = ends_at
        self._known: dict[str, str] = {}

    def for_request(self, names: Sequence[str]) -> dict[str, str]:
        """The values of ``talos.config.oauth.extra_variable``; one that never came is left out, with a warning.

        Raises MissingVariable when none of the three is left that tell machines apart, BadParameter for a bad name.
        """
        values = self._wait(names, "waiting for variables")
        missing = [name for name in values if not values[name]]
        if missing and not any(values.get(name) for name in _IDENTIFYING):
            raise MissingVariable(*self._explained(missing))
        if missing:
            self._console.warning(f"[OAuth] asking without {' and '.join(missing)}: {self._explained(missing)[0]}")
        return {name: value for name, value in values.items() if value}

    def for_url(self, names: Sequence[str]) -> dict[str, str]:
        """The values that ``talos.config`` takes. Raises MissingVariable when one never came."""
        values = self._wait(names, "waiting for URL variables")
        missing = [name for name in values if not values[name]]
        if missing:
            raise MissingVariable(*self._explained(missing))
        return values

    def _wait(self, names: Sequence[str], line: str) -> dict[str, str]:
        unknown = [name for name in dict.fromkeys(names) if name not in self._known]
        now = self._clock.steady()
        patience = min(_FIRMWARE_WAIT, self._patience) if self._firmware_is_settled() else self._patience
        self._known |= self._ask(unknown, now + patience, line)
        late = [name for name in unknown if not self._known[name] and name not in _FIRMWARE]
        if late and patience < self._patience:
            self._known |= self._ask(late, now + self._patience, line)
        return {name: self._known[name] for name in names}

    def _ask(self, names: Sequence[str], deadline: float, line: str) -> Mapping[str, str]:
        return self._facts.wait_for(
            names, min(deadline, self._ends_at), lambda missing: self._console.info(f"{line}: [{' '.join(missing)}]")
        )

    def _firmware_is_settled(self) -> bool:
        return (self._root / "sys/class").is_dir()

    def _explained(self, missing: Sequence[str]) -> tuple[str, str]:
        reasons = [f"{name}: {found.reason}" for name in missing if isinstance(found := self._facts.look(name), Absent)]
        what = f"this machine has no {' and no '.join(missing)} ({'; '.join(reasons)})"
        return what, f"give it with --set {missing[0]}=…, or take it out of the parameters"
