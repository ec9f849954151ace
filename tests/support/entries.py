"""A configuration source over entries in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bootgrant.ports.configurations import MachineEntry, Rendered
from bootgrant.wire.identity import MachineIdentity
from bootgrant.wire.secret import Secret


@dataclass(slots=True)
class Entries:
    """ports.configurations.ConfigSource over entries that name one machine each."""

    known: list[MachineEntry] = field(default_factory=list)

    async def find_entry(self, identity: MachineIdentity) -> MachineEntry | None:
        given = identity.given()
        return next((e for e in self.known if any(given.get(name) in e.match.get(name, ()) for name in given)), None)

    async def may_need_two(self, identity: MachineIdentity) -> bool:
        return await self.find_entry(identity) is not None

    async def named_entry(self, name: str) -> MachineEntry | None:
        return next((entry for entry in self.known if entry.name == name), None)

    async def entries(self) -> Sequence[MachineEntry]:
        return self.known

    async def render(self, name: str, identity: MachineIdentity) -> Rendered | None:
        entry = await self.named_entry(name)
        return None if entry is None else Rendered(entry, b"version: v1alpha1\n", "file")

    async def render_made(self, name: str, identity: MachineIdentity, made: Mapping[str, Secret]) -> Rendered | None:
        rendered = await self.render(name, identity)
        if rendered is None:
            return None
        values = "".join(f"{variable}: {value.reveal()}\n" for variable, value in made.items())
        return Rendered(rendered.entry, rendered.config + values.encode(), rendered.composer)

    async def preview(
        self, name: str, identity: MachineIdentity | None, *, reveal: bool = False, plain: bool = False
    ) -> str | None:
        return None
