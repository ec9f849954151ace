"""Finished configurations, one file for each machine.

Nothing is merged or rendered: a file is checked and served unchanged. Every request sees the folder at that moment.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bootgrant.machines.finish.leftovers import leftovers
from bootgrant.machines.finish.redaction import NO_SECRETS, preview
from bootgrant.machines.finish.validation import Fault, Judgement, Rules, judge
from bootgrant.machines.site.files import file_names, is_valid_name, variable_of
from bootgrant.machines.site.model import Schema
from bootgrant.machines.talos.documents import is_talos
from bootgrant.machines.yaml.reading import ParsedYaml, parse_yaml
from bootgrant.ports.configurations import ConfigUnavailable, MachineEntry, Rendered
from bootgrant.ports.origins import FinishedFolder, Stamp
from bootgrant.wire.identity import MachineIdentity, canonical_mac, canonical_uuid

INVALID: Final = "config invalid, see server log"


@dataclass(frozen=True, slots=True)
class _Checked:
    """The outcome of a check; ``digest`` is the SHA-256 of the content at ``stamp``."""

    stamp: Stamp
    digest: bytes
    judgement: Judgement


class FinishedFiles:
    """The finished configurations of a folder. Every method but one reads files, and may raise ConfigUnavailable.

    ``judge`` validates a file, given by its name and content; ``show`` returns it as people may see it, or an empty
    text. ``by_serial`` is false if no file is named after a serial number.
    """

    def __init__(
        self,
        folder: FinishedFolder,
        judge: Callable[[str, bytes], Judgement],
        show: Callable[[bytes], str],
        *,
        by_serial: bool = True,
    ) -> None:
        self._folder = folder
        self._judge = judge
        self._show = show
        self._by_serial = by_serial
        self._checked: dict[str, _Checked] = {}
        self._names: frozenset[str] = frozenset()

    def find_entry(self, identity: MachineIdentity) -> MachineEntry | None:
        self._folder.check()
        for variable, name in file_names(identity):
            if (stamp := self._stamp(name)) is not None:
                return self._entry(name, variable, stamp)
        return None

    def list_names(self) -> None:
        """Read the names of the files, for ``has_name_of``."""
        self._folder.check()
        self._names = frozenset(filter(self._is_allowed, self._folder.finished_names()))

    def has_name_of(self, identity: MachineIdentity) -> bool:
        """Return whether a machine had a file when the names were listed. Reads nothing."""
        return bool(self._names) and any(name in self._names for _, name in file_names(identity))

    def named_entry(self, name: str) -> MachineEntry | None:
        self._folder.check()
        stamp = self._stamp(name)
        return None if stamp is None else self._entry(name, "name", stamp)

    def entries(self) -> Sequence[MachineEntry]:
        """List every file; one that cannot be served has its problem."""
        self._folder.check()
        stamps = ((name, self._stamp(name)) for name in self._folder.finished_names())
        return [self._listed(name, stamp) for name, stamp in stamps if stamp is not None]

    def render(self, name: str) -> Rendered | None:
        self._folder.check()
        read = self._folder.finished_content(name) if self._is_allowed(name) else None
        if read is None:
            return None
        content, stamp = read
        judgement = self._valid(name, self._judged(name, content, stamp))
        return Rendered(_described(name, "approved", judgement), content, "file")

    def preview(self, name: str, *, reveal: bool = False) -> str | None:
        """Show a Talos configuration like any other. Of another file, it is not known which values are secret, so none
        is shown unless ``reveal``."""
        made = self.render(name)
        if made is None:
            return None
        if reveal:
            return made.config.decode("utf-8", "replace")
        return f"# {name}: a finished file of {len(made.config)} bytes, served unchanged\n{self._show(made.config)}"

    def _listed(self, name: str, stamp: Stamp) -> MachineEntry:
        judgement = None
        try:
            judgement = self._judgement(name, stamp)
            if judgement is not None:
                self._valid(name, judgement)
        except ConfigUnavailable as problem:
            return replace(_described(name, "name", judgement), problem=str(problem))
        return _described(name, "name", judgement)

    def _is_allowed(self, name: str) -> bool:
        return is_valid_name(name) and (self._by_serial or variable_of(name) != "serial")

    def _stamp(self, name: str) -> Stamp | None:
        return self._folder.finished_stamp(name) if self._is_allowed(name) else None

    def _entry(self, name: str, matched: str, stamp: Stamp) -> MachineEntry | None:
        judgement = self._judgement(name, stamp)
        return None if judgement is None else _described(name, matched, self._valid(name, judgement))

    def _valid(self, name: str, judgement: Judgement) -> Judgement:
        """Return the judgement if the file may be served. Raises ConfigUnavailable, with the first wrong line."""
        wrong = [fault for fault in judgement.faults if fault.is_fatal]
        if wrong:
            path = self._folder.path / name
            more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
            reason = f"line {wrong[0].line}: {wrong[0].message}{more}"
            raise ConfigUnavailable(f"{path} cannot be served: {reason}", INVALID)
        return judgement

    def _judgement(self, name: str, stamp: Stamp) -> Judgement | None:
        """Check a file, reading it only if it has changed. None if it is gone. Raises ConfigUnavailable."""
        known = self._checked.get(name)
        if known is not None and known.stamp == stamp:
            return known.judgement
        read = self._folder.finished_content(name)
        return None if read is None else self._judged(name, *read)

    def _judged(self, name: str, content: bytes, stamp: Stamp) -> Judgement:
        digest = hashlib.sha256(content).digest()
        known = self._checked.get(name)
        judgement = known.judgement if known is not None and known.digest == digest else self._judge(name, content)
        self._checked[name] = _Checked(stamp, digest, judgement)
        return judgement


def schema_of(parsed: ParsedYaml) -> Schema:
    """The rules for a finished file: those of Talos, unless it is certainly something else."""
    return Schema.TALOS if is_talos(parsed) else Schema.YAML


def judged(name: str, content: bytes, rules: Rules) -> Judgement:
    """Validate a finished configuration, and find what other tools left in it."""
    parsed = parse_yaml(content)
    schema = schema_of(parsed)
    judgement = judge(parsed, schema, rules)
    judgement.faults[:0] = [Fault(one.message, one.line, one.is_fatal) for one in leftovers(name, content, schema)]
    return judgement


def shown(content: bytes) -> str:
    """Return a finished configuration as people may see it: empty unless it is Talos's, because of others it is not
    known which values are secret."""
    parsed = parse_yaml(content)
    return preview(parsed, NO_SECRETS, schema=Schema.TALOS) if is_talos(parsed) else ""


def _described(name: str, matched: str, judgement: Judgement | None) -> MachineEntry:
    stem = name.removesuffix(".yaml")
    match = {variable_of(name): (canonical_uuid(stem) or canonical_mac(stem) or stem,)}
    kind, precious = (judgement.machine_type, judgement.precious) if judgement else ("", ())
    return MachineEntry(name, matched, layers=(name,), match=match, machine_type=kind, precious=precious)
