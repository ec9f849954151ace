"""The variables of one boot, collected before anybody has to approve, so that none is found missing afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bootgrant.acquire.clock import Clock
from bootgrant.acquire.console import Console
from bootgrant.acquire.errors import MissingVariable
from bootgrant.acquire.facts import Absent, MachineFacts

_FIRMWARE: Final = ("uuid", "serial")
_FIRMWARE_WAIT: Final = 5.0
"""Seconds to wait for firmware values: they do not change once /sys is there."""
_IDENTIFYING: Final = ("uuid", "serial", "mac")


class Variables:
    """Collects variables from ``facts``. Each is waited for once: ``patience`` seconds, but not past ``ends_at``."""

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
        """The values of ``talos.config.oauth.extra_variable``; one that never appears is left out, with a warning.

        Raises MissingVariable if neither uuid nor serial nor mac is left, BadParameter for an unsupported name.
        """
        values = self._wait(names, "waiting for variables")
        missing = [name for name in values if not values[name]]
        if missing and not any(values.get(name) for name in _IDENTIFYING):
            raise self._missing(missing)
        if missing:
            self._console.warning(f"[OAuth] continuing without {' and '.join(missing)}: {self._missing(missing).what}")
        return {name: value for name, value in values.items() if value}

    def for_url(self, names: Sequence[str]) -> dict[str, str]:
        """The values for the placeholders of ``talos.config``. Raises MissingVariable if one never appears."""
        values = self._wait(names, "waiting for URL variables")
        missing = [name for name in values if not values[name]]
        if missing:
            raise self._missing(missing)
        return values

    def _wait(self, names: Sequence[str], line: str) -> dict[str, str]:
        unknown = [name for name in dict.fromkeys(names) if name not in self._known]
        now = self._clock.steady()
        patience = min(_FIRMWARE_WAIT, self._patience) if (self._root / "sys/class").is_dir() else self._patience
        self._collect(unknown, now + patience, line)
        late = [name for name in unknown if not self._known[name] and name not in _FIRMWARE]
        if late and patience < self._patience:
            self._collect(late, now + self._patience, line)
        return {name: self._known[name] for name in names}

    def _collect(self, names: Sequence[str], deadline: float, line: str) -> None:
        self._known |= self._facts.wait_for(
            names, min(deadline, self._ends_at), lambda missing: self._console.info(f"{line}: [{' '.join(missing)}]")
        )

    def _missing(self, names: Sequence[str]) -> MissingVariable:
        reasons = [f"{name}: {found.reason}" for name in names if isinstance(found := self._facts.look(name), Absent)]
        what = f"this machine has no {' and no '.join(names)} ({'; '.join(reasons)})"
        return MissingVariable(what, f"set it with --set {names[0]}=…, or remove it from the parameters")
