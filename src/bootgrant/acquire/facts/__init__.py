"""What this machine is: the variables uuid, serial, mac, hostname and code (its network is in ``network``).

Everything is read below a root folder: another machine's, for a test or an installer. Placeholders of firmware count as
absent (``bootgrant.wire.identity``), except with ``compat``. Source: Talos ``platform/metal/url/value.go``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bootgrant.acquire.errors import BadParameter, reason_of
from bootgrant.acquire.facts import readings
from bootgrant.acquire.facts.network import Events, Topic
from bootgrant.acquire.facts.readings import Absent, Fact, Parameters
from bootgrant.wire.go_text import quote

__all__ = ["VARIABLES", "Absent", "Fact", "MachineFacts", "check_names"]

VARIABLES: Final = ("uuid", "serial", "mac", "hostname", "code")
# Talos learns uuid and serial in one event and the others one by one; its messages show it.
_TOGETHER: Final = {"uuid": ("uuid", "serial"), "serial": ("uuid", "serial")}
_POLL_SECONDS: Final = 1.0
"""How often to read again what sends no events: firmware, lease files, the code file."""


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """The variables of the machine below ``root``.

    ``given`` (``--set``) overrides what is found and is taken as it is; an empty value means that the machine does not
    have the variable. ``code_file`` holds the value of ``code``.
    """

    root: Path
    parameters: Parameters
    given: Mapping[str, str] = field(repr=False)
    code_file: Path | None = None
    compat: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        check_names(self.given)

    def read(self, name: str) -> Fact | None:
        """The variable as it is now, or None if this machine does not have it (yet)."""
        found = self.look(name)
        return found if isinstance(found, Fact) else None

    def look(self, name: str) -> Fact | Absent:
        """The variable, or the reason why it is absent. Raises BadParameter for a name that is not a variable."""
        if name in self.given:
            value = self.given[name]
            return Fact(name, value, "--set") if value else Absent(name, "--set leaves it empty")
        match name:
            case "uuid":
                return readings.read_uuid(self.root, accept_junk=self.compat)
            case "serial":
                return readings.read_serial(self.root, accept_junk=self.compat)
            case "mac":
                return readings.read_mac(self.root)
            case "hostname":
                return readings.read_hostname(self.root, self.parameters)
            case "code":
                return self._read_code()
            case _:
                raise _unsupported(name)

    def _read_code(self) -> Fact | Absent:
        if self.code_file is None:
            return Absent("code", "give it with --set code=… or --code-file")
        try:
            with self.code_file.open(encoding="utf-8", errors="surrogateescape") as file:
                text = file.read(4096).strip()
        except OSError as error:
            return Absent("code", f"cannot read {self.code_file}: {reason_of(error)}")
        return Fact("code", text, str(self.code_file)) if text else Absent("code", f"{self.code_file} is empty")

    def wait_for(
        self, names: Sequence[str], deadline: float, on_waiting: Callable[[tuple[str, ...]], None]
    ) -> dict[str, str]:
        """Wait until every variable has a value or ``deadline`` (``time.monotonic``) has passed, as Talos's MapValues.

        ``on_waiting`` gets the missing names, at first and after each change; a variable that never appeared is empty
        in the result. Raises BadParameter for an unsupported name.
        """
        check_names(names)
        values: dict[str, str] = {}
        missing = tuple(dict.fromkeys(names))
        with Events(Topic.NETWORK) as events:
            while missing:
                on_waiting(missing)
                new = self._next_values(missing, deadline, events)
                if not new:
                    break
                values |= new
                missing = tuple(name for name in missing if name not in values)
        return {name: values.get(name, "") for name in names}

    def _next_values(self, missing: Sequence[str], deadline: float, events: Events) -> dict[str, str]:
        while True:
            found = self._first_found(missing)
            remaining = deadline - time.monotonic()
            if found or remaining <= 0:
                return found
            events.wait(min(remaining, _POLL_SECONDS))

    def _first_found(self, names: Iterable[str]) -> dict[str, str]:
        for name in names:
            group = [other for other in names if other in _TOGETHER.get(name, (name,))]
            found = {fact.name: fact.value for fact in map(self.read, group) if fact is not None}
            if found:
                return found
        return {}


def check_names(names: Iterable[str]) -> None:
    """Raise BadParameter for the first name that is not in VARIABLES; its ``what`` is Talos's text."""
    for name in names:
        if name not in VARIABLES:
            raise _unsupported(name)


def _unsupported(name: str) -> BadParameter:
    next_step = "talos.config.oauth.extra_variable takes uuid, serial, mac, hostname or code, one per parameter"
    return BadParameter(f"unsupported variable name: {quote(name)}", next_step)
