"""``machines.yaml`` and ``entries/*.yaml``: which machines there are and what each gets.

    defaults: {schema: talos, layers: [all, "{role}", "node/{name}"]}
    entries:
      - name: cp-1
        match: {uuid: 40dcbd19-3b10-444e-bfff-aaee44a51fda}
        labels: {role: control-plane}
        variables: {address: 10.20.0.11/24}

Every mistake is found at once and named with its file and line. An entry without ``match`` is a profile: no machine
finds it, a person may assign it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from bootgrant.machines.site.findings import Finding, error
from bootgrant.machines.site.pattern import Pattern, PatternError, pattern
from bootgrant.machines.yaml.marked import Items, MarkedError, Node, Pairs, Scalar, Value, documents, value
from bootgrant.wire.identity import MachineIdentity

MODEL: Final = "machines.yaml"
MODELS: Final = "entries"
"""A folder of files like MODEL; both may be there."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,62}")
_LABEL_VALUE = re.compile(r"[A-Za-z0-9._/:@-]{0,127}")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_BY_CONVENTION: Final = ("all", "{role}", "node/{name}")
_ENTRY_KEYS: Final = ("name", "match", "labels", "networks", "layers", "variables", "approvals", "schema")
_DEFAULT_KEYS: Final = ("labels", "networks", "layers", "variables", "approvals", "schema")
_MOST_APPROVALS: Final = 9


class Schema(StrEnum):
    """The kind of a configuration: how its layers are merged, and how it is checked."""

    TALOS = "talos"
    YAML = "yaml"
    JSON = "json"
    CLOUD_CONFIG = "cloud-config"
    IGNITION = "ignition"
    TEXT = "text"

    @property
    def content_type(self) -> str:
        match self:
            case Schema.JSON:
                return "application/json"
            case Schema.IGNITION:
                return "application/vnd.coreos.ignition+json"
            case Schema.CLOUD_CONFIG:
                return "text/cloud-config"
            case Schema.TEXT:
                return "text/plain; charset=utf-8"
            case Schema.TALOS | Schema.YAML:
                return "application/yaml"


@dataclass(frozen=True, slots=True)
class Command:
    """``{exec: [program, word, …]}``: a value that a program of the site prints."""

    words: tuple[str, ...]


Variable = Value | Command


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer as an entry names it. ``is_optional``: named by convention, so that it need not be there."""

    name: str
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One machine, or all of a pattern. ``file`` and ``line`` say where it is written."""

    name: str
    match: Mapping[str, tuple[Pattern, ...]] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    networks: tuple[str, ...] = ()
    layers: tuple[Layer, ...] = ()
    variables: Mapping[str, Variable] = field(default_factory=dict)
    approvals: int = 1
    schema: Schema = Schema.TALOS
    file: str = MODEL
    line: int = 0

    @property
    def has_pattern(self) -> bool:
        """Whether a machine whose uuid, serial and mac are not named may get this entry."""
        strong = [self.match[key] for key in MachineIdentity.STRONG if key in self.match]
        return bool(self.match) and not any(all(value.is_exact for value in values) for values in strong)


@dataclass(frozen=True, slots=True)
class SiteModel:
    """All entries in the order of their names, and what was wrong on the way."""

    entries: tuple[Entry, ...]
    findings: tuple[Finding, ...] = ()


def parse_site(files: Mapping[str, bytes]) -> SiteModel:
    """The entries of ``machines.yaml`` and ``entries/…``, by their paths. Never raises: findings say what is wrong."""
    reader = _Reader()
    ordered = sorted(files.items(), key=lambda item: (item[0] != MODEL, item[0]))
    roots = [root for path, content in ordered for root in reader.roots(path, content)]
    defaults = reader.defaults(roots)
    entries: dict[str, Entry] = {}
    for path, node in (pair for root in roots for pair in reader.entry_nodes(*root)):
        entry = reader.entry(path, node, defaults)
        if entry is None:
            continue
        if entry.name in entries:
            first = entries[entry.name]
            told = f"two entries have the name {entry.name}: the other is in {first.file}, line {first.line}"
            reader.findings.append(error("duplicate-name", told, path, entry.line, entry.name))
            continue
        entries[entry.name] = entry
    return SiteModel(tuple(entries[name] for name in sorted(entries)), tuple(reader.findings))


class _Wrong(Exception):
    """A value that cannot be used; caught where the file is known."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


class _Reader:
    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def roots(self, path: str, content: bytes) -> Iterator[tuple[str, Node]]:
        if not content.strip():
            # This is how a file looks that is being written, and no machine is to lose its entry by that.
            self.findings.append(error("empty", "nothing is in it: write `entries:` into it, or remove it", path, 1))
            return
        try:
            for node in documents(content):
                yield path, node
        except MarkedError as broken:
            self.findings.append(error("not-yaml", broken.message, path, broken.line))

    def defaults(self, roots: Sequence[tuple[str, Node]]) -> Pairs | None:
        found: Pairs | None = None
        for path, root in roots:
            node = root.get("defaults") if isinstance(root, Pairs) else None
            if node is None:
                continue
            if not isinstance(node, Pairs):
                self._tell(path, node.line, "defaults is a mapping, such as {schema: talos}")
            elif found is not None:
                self._tell(path, node.line, f"defaults stands twice, first on line {found.line}: keep one")
            elif self._known(path, node, _DEFAULT_KEYS, "defaults"):
                found = node
        return found

    def entry_nodes(self, path: str, root: Node) -> Iterator[tuple[str, Pairs]]:
        """A file is a list of entries, one entry, or a mapping with ``entries`` and perhaps ``defaults``."""
        nodes: Node | None = root
        if isinstance(root, Pairs) and root.get("name") is None:
            if not self._known(path, root, ("defaults", "entries"), "the file"):
                return
            nodes = root.get("entries")
        if isinstance(nodes, Pairs):
            nodes = Items((nodes,), nodes.line, 1)
        if nodes is None or (isinstance(nodes, Scalar) and value(nodes) is None):
            return
        if not isinstance(nodes, Items):
            self._tell(path, nodes.line, "entries is a list: - name: …")
            return
        for node in nodes.nodes:
            if isinstance(node, Pairs):
                yield path, node
            else:
                self._tell(path, node.line, "an entry is a mapping that begins with - name: …")

    def entry(self, path: str, node: Pairs, defaults: Pairs | None) -> Entry | None:
        name_node = node.get("name")
        name = name_node.text if isinstance(name_node, Scalar) else ""
        if not _NAME.fullmatch(name):
            told = "an entry has a name of letters, digits, dots, dashes and underscores (at most 128)"
            self._tell(path, name_node.line if name_node else node.line, told)
            return None
        if not self._known(path, node, _ENTRY_KEYS, f"entry {name}", name):
            return None
        try:
            return _entry(path, name, node, defaults)
        except _Wrong as wrong:
            self._tell(path, wrong.line, str(wrong), name)
            return None

    def _known(self, path: str, node: Pairs, keys: Sequence[str], what: str, entry: str = "") -> bool:
        strange = [key for key, _ in node.nodes if key.text not in keys]
        for key in strange:
            self._tell(path, key.line, f"{what} has no {key.text!r}; it may have {', '.join(keys)}", entry)
        return not strange

    def _tell(self, path: str, line: int, message: str, entry: str = "") -> None:
        self.findings.append(error("bad-entry", message, path, line, entry))


def _entry(path: str, name: str, node: Pairs, defaults: Pairs | None) -> Entry:
    def given(key: str) -> Node | None:
        own = node.get(key)
        return own if own is not None else defaults.get(key) if defaults else None

    labels = {**_labels(defaults.get("labels") if defaults else None), **_labels(node.get("labels"))}
    variables = {**_variables(defaults.get("variables") if defaults else None), **_variables(node.get("variables"))}
    filled = {"name": name, **labels}
    return Entry(
        name=name,
        match=_match(node.get("match")),
        labels=labels,
        networks=_networks(given("networks")),
        layers=_layers(given("layers"), filled, node.line),
        variables={key: _filled_command(variable, filled, node.line) for key, variable in variables.items()},
        approvals=_approvals(given("approvals")),
        schema=_schema(given("schema")),
        file=path,
        line=node.line,
    )


def _match(node: Node | None) -> dict[str, tuple[Pattern, ...]]:
    found: dict[str, tuple[Pattern, ...]] = {}
    for key, inner in _pairs(node, "match is a mapping, such as {uuid: …}"):
        if key.text not in MachineIdentity.NAMES:
            raise _Wrong(f"match has no {key.text!r}; it may have {', '.join(MachineIdentity.NAMES)}", key.line)
        values = inner.nodes if isinstance(inner, Items) else (inner,)
        if not values:
            raise _Wrong(f"match.{key.text} is an empty list: no machine has that; leave it out", inner.line)
        found[key.text] = tuple(_pattern(key.text, one) for one in values)
    return found


def _pattern(variable: str, node: Node) -> Pattern:
    if not isinstance(node, Scalar) or not node.text.strip():
        raise _Wrong(f"match.{variable} is a text or a list of texts", node.line)
    try:
        return pattern(variable, node.text)
    except PatternError as wrong:
        raise _Wrong(f"match.{variable}: {wrong}", node.line) from None


def _labels(node: Node | None) -> dict[str, str]:
    found = {}
    for key, inner in _pairs(node, "labels is a mapping, such as {role: worker}"):
        if not _LABEL.fullmatch(key.text):
            raise _Wrong(f"the label {key.text!r}: letters, digits, dots, dashes, slashes (at most 63)", key.line)
        if not isinstance(inner, Scalar) or not _LABEL_VALUE.fullmatch(inner.text):
            raise _Wrong(f"the label {key.text} is one word of letters, digits and . _ / : @ - (at most 127)", key.line)
        found[key.text] = inner.text
    return found


def _networks(node: Node | None) -> tuple[str, ...]:
    found = []
    for text, line in _texts(node, "networks is a list, such as [10.20.0.0/24]"):
        try:
            found.append(str(ipaddress.ip_network(text)))
        except ValueError as wrong:
            raise _Wrong(f"{text!r} is no network ({wrong}); write 10.20.0.0/24 or fd00::/64", line) from None
    return tuple(found)


def _layers(node: Node | None, filled: Mapping[str, str], line: int) -> tuple[Layer, ...]:
    """Those that are named, or by convention ``all``, the role, and ``node/`` with the name, as far as there."""
    if node is None:
        known = [text for text in _BY_CONVENTION if set(_PLACEHOLDER.findall(text)) <= filled.keys()]
        return tuple(Layer(_filled(text, filled, line), is_optional=True) for text in known)
    found = []
    for text, where in _texts(node, "layers is a list of files and folders, such as [all, role/worker]"):
        name = _filled(text, filled, where).rstrip("/")
        steps = name.split("/")
        if not name or any(step in ("", ".", "..") or step.startswith(".") for step in steps) or "\\" in name:
            raise _Wrong(f"the layer {text!r} is no path inside the machines folder", where)
        found.append(Layer(name))
    if not found:
        raise _Wrong("layers is an empty list: leave it out, or name at least one", node.line)
    return tuple(found)


def _filled(text: str, filled: Mapping[str, str], line: int) -> str:
    def put(found: re.Match[str]) -> str:
        if found[1] not in filled:
            raise _Wrong(f"{text!r} needs the label {found[1]!r}, which this entry does not have", line)
        return filled[found[1]]

    return _PLACEHOLDER.sub(put, text)


def _variables(node: Node | None) -> dict[str, Variable]:
    found: dict[str, Variable] = {}
    for key, inner in _pairs(node, "variables is a mapping, such as {address: 10.20.0.11/24}"):
        if not key.text.isidentifier():
            raise _Wrong(f"the variable {key.text!r}: letters, digits and underscores, as templates name it", key.line)
        command = inner.get("exec") if isinstance(inner, Pairs) else None
        if command is None:
            found[key.text] = value(inner)
            continue
        words = tuple(text for text, _ in _texts(command, "exec is a list: the program and its words"))
        if not words or (isinstance(inner, Pairs) and len(inner.nodes) != 1):
            raise _Wrong(f"the variable {key.text}: {{exec: [program, word, …]}} and nothing beside it", inner.line)
        found[key.text] = Command(words)
    return found


def _filled_command(variable: Variable, filled: Mapping[str, str], line: int) -> Variable:
    if not isinstance(variable, Command):
        return variable
    return Command((variable.words[0], *(_filled(word, filled, line) for word in variable.words[1:])))


def _approvals(node: Node | None) -> int:
    if node is None:
        return 1
    count = value(node)
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= _MOST_APPROVALS:
        raise _Wrong(f"approvals is how many people it needs: 1 to {_MOST_APPROVALS}", node.line)
    return count


def _schema(node: Node | None) -> Schema:
    if node is None:
        return Schema.TALOS
    try:
        return Schema(node.text if isinstance(node, Scalar) else "")
    except ValueError:
        raise _Wrong(f"schema is one of {', '.join(Schema)}", node.line) from None


def _pairs(node: Node | None, told: str) -> tuple[tuple[Scalar, Node], ...]:
    if node is None or (isinstance(node, Scalar) and value(node) is None):
        return ()
    if not isinstance(node, Pairs):
        raise _Wrong(told, node.line)
    return node.nodes


def _texts(node: Node | None, told: str) -> list[tuple[str, int]]:
    if node is None:
        return []
    if not isinstance(node, Items) or not all(isinstance(item, Scalar) and item.text for item in node.nodes):
        raise _Wrong(told, node.line)
    return [(item.text, item.line) for item in node.nodes if isinstance(item, Scalar)]
