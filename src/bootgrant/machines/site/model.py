"""Read ``machines.yaml`` and ``entries/*.yaml``: which machines there are, and which configuration each of them gets.

    defaults: {schema: talos, layers: [all, "{role}", "node/{name}"]}
    entries:
      - name: cp-1
        match: {uuid: 40dcbd19-3b10-444e-bfff-aaee44a51fda}
        labels: {role: control-plane}
        variables: {address: 10.20.0.11/24}

All mistakes are reported together, with file and line. An entry without ``match`` is a profile: machines do not find
it, but an operator can assign it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from bootgrant.machines.site.encryption import Encryption, encryption_of
from bootgrant.machines.site.findings import Finding, error
from bootgrant.machines.site.nodes import PLACEHOLDER, Wrong, filled_in, pairs, texts
from bootgrant.machines.site.pattern import Pattern, PatternError, pattern
from bootgrant.machines.site.pointers import LFS_POINTER, is_lfs_pointer
from bootgrant.machines.site.variables import Variable, filled_variable, variables_of
from bootgrant.machines.yaml.reading import MappingNode, Node, ScalarNode, SequenceNode, YamlError, is_null, read_yaml
from bootgrant.machines.yaml.scalars import core_value
from bootgrant.wire.identity import MachineIdentity

MODEL: Final = "machines.yaml"
MODELS: Final = "entries"
"""A folder of files like MODEL; a site may have both."""

TALOS_RELEASES: Final = ("1.11", "1.12", "1.13", "1.14")
"""What ``talos`` can name; the last one is used where nothing is said. They are those of machines/talos/versions."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,62}")
_LABEL_VALUE = re.compile(r"[A-Za-z0-9._/:@-]{0,127}")

_BY_CONVENTION: Final = ("all", "{role}", "node/{name}")
_ENTRY_KEYS: Final = ("name", "match", "labels", "networks", "layers", "variables", "approvals", "schema", "talos")
_DEFAULT_KEYS: Final = ("labels", "networks", "layers", "variables", "approvals", "schema", "talos")
_MOST_APPROVALS: Final = 9


class Schema(StrEnum):
    """The kind of a configuration, which decides how its layers are merged and how it is validated."""

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
class Layer:
    """A layer as an entry names it. Layers named by convention are optional: they may not exist."""

    name: str
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One machine, or all machines that match a pattern. ``file`` and ``line`` say where the entry is."""

    name: str
    match: Mapping[str, tuple[Pattern, ...]] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    networks: tuple[str, ...] = ()
    layers: tuple[Layer, ...] = ()
    variables: Mapping[str, Variable] = field(default_factory=dict)
    approvals: int = 1
    schema: Schema = Schema.TALOS
    talos: str = TALOS_RELEASES[-1]
    """The Talos release that the machine runs, if the schema is talos."""
    names_talos: bool = False
    """Whether the site says so; otherwise ``talos`` is assumed."""
    file: str = MODEL
    line: int = 0

    @property
    def has_pattern(self) -> bool:
        """Whether a machine can get this entry without the entry naming its uuid, serial or mac in full."""
        strong = [self.match[key] for key in MachineIdentity.STRONG if key in self.match]
        return bool(self.match) and not any(all(value.is_exact for value in values) for values in strong)


@dataclass(frozen=True, slots=True)
class SiteModel:
    """All entries in the order of their names, and what is wrong in the files."""

    entries: tuple[Entry, ...]
    findings: tuple[Finding, ...] = ()


def parse_site(files: Mapping[str, bytes]) -> SiteModel:
    """Read the files, given by their paths. Raises nothing: findings say what is wrong."""
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
            message = f"the name {entry.name} is already used in {first.file}, line {first.line}: rename one of them"
            reader.findings.append(error("duplicate-name", message, path, entry.line, entry.name))
            continue
        entries[entry.name] = entry
    return SiteModel(tuple(entries[name] for name in sorted(entries)), tuple(reader.findings))


def _not_a_list_of_machines(path: str, content: bytes) -> str:
    if encryption_of(path, content) is not Encryption.NONE:
        return "encrypted: the list of machines must be in clear; keep secrets in encrypted layers"
    return LFS_POINTER if is_lfs_pointer(content) else ""


class _Reader:
    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def roots(self, path: str, content: bytes) -> Iterator[tuple[str, Node]]:
        if not content.strip():
            # A file that is just being written is empty too, and machines must not lose their entries by that.
            self.findings.append(error("empty", "the file is empty: add `entries:`, or remove the file", path, 1))
            return
        if message := _not_a_list_of_machines(path, content):
            self.findings.append(error("foreign", message, path, 1))
            return
        try:
            for node in read_yaml(content):
                if not is_null(node):
                    yield path, node
        except YamlError as broken:
            self.findings.append(error("not-yaml", broken.message, path, broken.line or 1))

    def defaults(self, roots: Sequence[tuple[str, Node]]) -> MappingNode | None:
        found: MappingNode | None = None
        for path, root in roots:
            node = root.get("defaults") if isinstance(root, MappingNode) else None
            if node is None:
                continue
            if not isinstance(node, MappingNode):
                self._add(path, node.line, "defaults must be a mapping, such as {schema: talos}")
            elif found is not None:
                self._add(path, node.line, f"defaults is repeated (first on line {found.line}): keep one of them")
            elif self._known(path, node, _DEFAULT_KEYS, "defaults"):
                found = node
        return found

    def entry_nodes(self, path: str, root: Node) -> Iterator[tuple[str, MappingNode]]:
        """Yield the entries of a document: a list of them, a single one, or a mapping with ``entries``."""
        nodes: Node | None = root
        if isinstance(root, MappingNode) and root.get("name") is None:
            if not self._known(path, root, ("defaults", "entries"), "the file"):
                return
            nodes = root.get("entries")
        if isinstance(nodes, MappingNode):
            nodes = SequenceNode([nodes], nodes.line)
        if nodes is None or is_null(nodes):
            return
        if not isinstance(nodes, SequenceNode):
            self._add(path, nodes.line, "entries must be a list: - name: …")
            return
        for node in nodes.items:
            if isinstance(node, MappingNode):
                yield path, node
            else:
                self._add(path, node.line, "an entry must be a mapping: - name: …")

    def entry(self, path: str, node: MappingNode, defaults: MappingNode | None) -> Entry | None:
        name_node = node.get("name")
        name = name_node.text if isinstance(name_node, ScalarNode) else ""
        if not _NAME.fullmatch(name):
            message = "an entry needs a name of letters, digits, dots, dashes and underscores (at most 128)"
            self._add(path, name_node.line if name_node else node.line, message)
            return None
        if not self._known(path, node, _ENTRY_KEYS, f"entry {name}", name):
            return None
        try:
            return _entry(path, name, node, defaults)
        except Wrong as wrong:
            self._add(path, wrong.line, str(wrong), name)
            return None

    def _known(self, path: str, node: MappingNode, keys: Sequence[str], what: str, entry: str = "") -> bool:
        unknown = [key for key, _ in node.pairs if key.text not in keys]
        for key in unknown:
            self._add(path, key.line, f"{what} has an unknown key {key.text!r}: use {', '.join(keys)}", entry)
        return not unknown

    def _add(self, path: str, line: int, message: str, entry: str = "") -> None:
        self.findings.append(error("bad-entry", message, path, line, entry))


def _entry(path: str, name: str, node: MappingNode, defaults: MappingNode | None) -> Entry:
    def given(key: str) -> Node | None:
        own = node.get(key)
        return own if own is not None else defaults.get(key) if defaults else None

    labels = {**_labels(defaults.get("labels") if defaults else None), **_labels(node.get("labels"))}
    variables = {**variables_of(defaults.get("variables") if defaults else None), **variables_of(node.get("variables"))}
    filled = {"name": name, **labels}
    return Entry(
        name=name,
        match=_match(node.get("match")),
        labels=labels,
        networks=_networks(given("networks")),
        layers=_layers(given("layers"), filled, node.line),
        variables={key: filled_variable(variable, filled, node.line) for key, variable in variables.items()},
        approvals=_approvals(given("approvals")),
        schema=(schema := _schema(given("schema"))),
        talos=_talos(node.get("talos"), defaults.get("talos") if defaults else None, schema),
        names_talos=given("talos") is not None,
        file=path,
        line=node.line,
    )


def _match(node: Node | None) -> dict[str, tuple[Pattern, ...]]:
    found: dict[str, tuple[Pattern, ...]] = {}
    for key, inner in pairs(node, "match must be a mapping, such as {uuid: …}"):
        if key.text not in MachineIdentity.NAMES:
            raise Wrong(f"match has an unknown key {key.text!r}: use {', '.join(MachineIdentity.NAMES)}", key.line)
        values = inner.items if isinstance(inner, SequenceNode) else [inner]
        if not values:
            raise Wrong(f"match.{key.text} is an empty list, which no machine matches: remove it", inner.line)
        found[key.text] = tuple(_pattern(key.text, one) for one in values)
    return found


def _pattern(variable: str, node: Node) -> Pattern:
    if not isinstance(node, ScalarNode) or not node.text.strip():
        raise Wrong(f"match.{variable} must be a text or a list of texts", node.line)
    try:
        return pattern(variable, node.text)
    except PatternError as wrong:
        raise Wrong(f"match.{variable}: {wrong}", node.line) from None


def _labels(node: Node | None) -> dict[str, str]:
    found = {}
    for key, inner in pairs(node, "labels must be a mapping, such as {role: worker}"):
        if not _LABEL.fullmatch(key.text):
            raise Wrong(
                f"the label {key.text!r} must consist of letters, digits, dots, dashes and slashes (at most 63)",
                key.line,
            )
        if not isinstance(inner, ScalarNode) or not _LABEL_VALUE.fullmatch(inner.text):
            message = f"the value of label {key.text} must be a word of letters, digits and . _ / : @ - (at most 127)"
            raise Wrong(message, key.line)
        found[key.text] = inner.text
    return found


def _networks(node: Node | None) -> tuple[str, ...]:
    found = []
    for text, line in texts(node, "networks must be a list, such as [10.20.0.0/24]"):
        try:
            found.append(str(ipaddress.ip_network(text)))
        except ValueError as wrong:
            raise Wrong(f"{text!r} is not a network ({wrong}): write 10.20.0.0/24 or fd00::/64", line) from None
    return tuple(found)


def _layers(node: Node | None, filled: Mapping[str, str], line: int) -> tuple[Layer, ...]:
    """Return the named layers, else those of convention that exist: ``all``, the role, and ``node/`` with the name."""
    if node is None:
        known = [text for text in _BY_CONVENTION if set(PLACEHOLDER.findall(text)) <= filled.keys()]
        return tuple(Layer(filled_in(text, filled, line), is_optional=True) for text in known)
    found = []
    for text, where in texts(node, "layers must be a list of files and folders, such as [all, role/worker]"):
        name = filled_in(text, filled, where).rstrip("/")
        steps = name.split("/")
        if not name or any(step in ("", ".", "..") or step.startswith(".") for step in steps) or "\\" in name:
            raise Wrong(f"the layer {text!r} is not a path in the machines folder", where)
        found.append(Layer(name))
    if not found:
        raise Wrong("layers is an empty list: name at least one layer, or remove it", node.line)
    return tuple(found)


def _approvals(node: Node | None) -> int:
    if node is None:
        return 1
    count = core_value(node)
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= _MOST_APPROVALS:
        raise Wrong(f"approvals must be a number of people from 1 to {_MOST_APPROVALS}", node.line)
    return count


def _schema(node: Node | None) -> Schema:
    if node is None:
        return Schema.TALOS
    try:
        return Schema(node.text if isinstance(node, ScalarNode) else "")
    except ValueError:
        raise Wrong(f"schema must be one of {', '.join(Schema)}", node.line) from None


def _talos(own: Node | None, default: Node | None, schema: Schema) -> str:
    """Return the Talos release of an entry. Only the entry's own one is wrong for another schema."""
    node = own if own is not None else default
    if node is None:
        return TALOS_RELEASES[-1]
    if own is not None and schema is not Schema.TALOS:
        raise Wrong(f"talos is only for the schema talos, and this entry has schema: {schema}: remove it", own.line)
    release = node.text if isinstance(node, ScalarNode) else ""
    if release not in TALOS_RELEASES:
        known = ", ".join(f'"{one}"' for one in TALOS_RELEASES)
        raise Wrong(f"talos must be one of {known}: a release, without v and without the last number", node.line)
    return release
