"""What this machine is: the variables uuid, serial, mac, hostname and code, and whether it has a network.

Everything is read below a root folder, so that a test (or an installer that works on a mounted system) can show this
room another machine. Values that firmware never got (``To be filled by O.E.M.``) count as absent, see
``bootgrant.wire.identity``; ``compat`` takes them as Talos does. Source: Talos ``platform/metal/url/value.go``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from bootgrant.acquire.cmdline.kernel_cmdline import KernelCmdline
from bootgrant.acquire.cmdline.url_template import VARIABLES
from bootgrant.acquire.errors import BadParameter
from bootgrant.acquire.facts import hostname, network, smbios
from bootgrant.acquire.facts.fact import Absent, Fact
from bootgrant.acquire.facts.netlink import Events, Topic
from bootgrant.wire.go_text import quote

__all__ = ["Absent", "Fact", "MachineFacts", "check_names"]

# Talos learns uuid and serial in one event, the others one by one; its messages show it.
_TOGETHER = {"uuid": ("uuid", "serial"), "serial": ("uuid", "serial")}
# What has no event to wait for (firmware, lease files, the code file) is looked at again this often, in seconds.
_LOOK_AGAIN = 1.0


class MachineFacts:
    """The variables of the machine below ``root``. ``given`` (``--set``) wins over what is found, and is never judged;
    an empty given value says that the machine does not have it. ``code_file`` holds the value of ``code``.
    """

    def __init__(
        self,
        root: Path,
        cmdline: KernelCmdline,
        given: Mapping[str, str],
        code_file: Path | None = None,
        *,
        compat: bool = False,
    ) -> None:
        check_names(given)
        self._root = root
        self._cmdline = cmdline
        self._given = dict(given)
        self._code_file = code_file
        self._compat = compat

    def read(self, name: str) -> Fact | None:
        """The variable as it is now, or None when this machine does not have it (yet)."""
        found = self.look(name)
        return found if isinstance(found, Fact) else None

    def look(self, name: str) -> Fact | Absent:
        """As ``read``, and the reason when it is absent. Raises BadParameter for a name that is no variable."""
        if name in self._given:
            value = self._given[name]
            return Fact(name, value, "--set") if value else Absent(name, "--set gives it no value")
        match name:
            case "uuid":
                return smbios.read_uuid(self._root, junk_counts=self._compat)
            case "serial":
                return smbios.read_serial(self._root, junk_counts=self._compat)
            case "mac":
                return network.read_mac(self._root)
            case "hostname":
                return hostname.read_hostname(self._root, self._cmdline)
            case "code":
                return self._read_code()
            case _:
                raise _unsupported(name)

    def _read_code(self) -> Fact | Absent:
        if self._code_file is None:
            return Absent("code", "give it with --set code=… or --code-file")
        try:
            with self._code_file.open(encoding="utf-8", errors="surrogateescape") as file:
                text = file.read(4096).strip()
        except OSError as error:
            return Absent("code", f"cannot read {self._code_file}: {error.strerror or error}")
        return Fact("code", text, str(self._code_file)) if text else Absent("code", f"{self._code_file} is empty")

    def wait_for(
        self, names: Sequence[str], deadline: float, on_waiting: Callable[[tuple[str, ...]], None]
    ) -> dict[str, str]:
        """Wait until every variable has a value or ``deadline`` (``time.monotonic``) has passed, as Talos's MapValues.

        ``on_waiting`` gets what is still missing, first and after each change. A variable that never came is an empty
        text in the answer. Raises BadParameter for an unsupported name before it waits.
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
            events.wait(min(remaining, _LOOK_AGAIN))

    def _first_found(self, names: Iterable[str]) -> dict[str, str]:
        for name in names:
            group = [other for other in names if other in _TOGETHER.get(name, (name,))]
            found = {fact.name: fact.value for fact in map(self.read, group) if fact is not None}
            if found:
                return found
        return {}

    def wait_for_network(self, deadline: float, hosts: Sequence[str] = ()) -> None:
        """Wait until the kernel has an address to reach ``hosts`` with (see ``network.wait_for_address``).

        Raises TimedOut at ``deadline`` (``time.monotonic``).
        """
        network.wait_for_address(deadline, hosts)


def check_names(names: Iterable[str]) -> None:
    """Raise BadParameter for the first name that is none of VARIABLES; its ``what`` is Talos's text."""
    for name in names:
        if name not in VARIABLES:
            raise _unsupported(name)


def _unsupported(name: str) -> BadParameter:
    return BadParameter(
        f"unsupported variable name: {quote(name)}",
        "talos.config.oauth.extra_variable takes uuid, serial, mac, hostname or code, one per parameter",
    )
