"""The parts that the composer takes, and the documents of a Talos configuration in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Final, TypeAlias

from bootgrant.machines.talos.releases import known_elsewhere
from bootgrant.machines.talos.scalar_nodes import scalar_value
from bootgrant.machines.talos.scalar_types import Reading, Value
from bootgrant.machines.talos.tables import LEGACY, Kind, TalosTables
from bootgrant.machines.yaml.reading import (
    MappingNode,
    Node,
    ParsedYaml,
    ScalarNode,
    SequenceNode,
    is_null,
    parse_yaml,
    shape,
)
from bootgrant.machines.yaml.writing import Written, write_documents

MAX_DOCUMENTS: Final = 1_000
_MOST_KEPT: Final = 16
_LARGEST_KEPT: Final = 64 << 10
"""Files that stay parsed, and the size of the largest one: about 20 MiB of memory at most."""
LEGACY_KEYS: Final = frozenset(("machine", "cluster", "debug", "persist"))
_TALOS_KEYS: Final = frozenset(("machine", "cluster", "apiVersion", "<<"))
MACHINE_TYPES: Final[Mapping[str, str]] = {
    "controlplane": "controlplane",
    "init": "controlplane",
    "worker": "worker",
    "join": "worker",
}
"""What Talos reads ``machine.type`` as."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a layer, decrypted and rendered. ``name`` is the path shown to people."""

    name: str
    content: bytes = field(repr=False)


class Reason(Enum):
    """The kind of a ComposeError; stable, for programs."""

    UNREADABLE = "unreadable"
    TOO_LARGE = "too-large"
    WRONG_TYPE = "wrong-type"
    UNKNOWN_DOCUMENT = "unknown-document"
    UNKNOWN_KEY = "unknown-key"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    DELETE = "delete"
    MERGE = "merge"
    JSON_PATCH = "json-patch"
    NOT_A_PATCH = "not-a-patch"
    EMPTY = "empty"


class ComposeError(Exception):
    """Parts that cannot be composed. ``line`` counts from 1 in ``part``; ``message`` says what to do."""

    def __init__(self, message: str, part: str = "", line: int | None = None, reason: Reason = Reason.UNREADABLE):
        super().__init__(f"{part}{f', line {line}' if line and part else ''}: {message}" if part else message)
        self.message = message
        self.part = part
        self.line = line
        self.reason = reason


Notes: TypeAlias = list[tuple[str, str]]
"""Surprises in one document: the path of the value, and what happens to it."""


@dataclass(frozen=True, slots=True)
class Header:
    """The type that a document names; the legacy document names none and has the kind v1alpha1."""

    api_version: str
    kind: str
    line: int


@dataclass(slots=True)
class Document:
    """One document while it is merged. ``value`` has the type of its kind."""

    kind: Kind
    value: Value
    line: int

    @property
    def name(self) -> str:
        """Empty for a kind whose documents have no names."""
        return str(self.value.get("name", "")) if self.kind.named else ""

    @property
    def identity(self) -> tuple[str, str, str]:
        return self.kind.api_version, self.kind.name, self.name

    @property
    def label(self) -> str:
        """``v1alpha1``, ``HostnameConfig``, ``KmsgLogConfig:remote-a``."""
        return f"{self.kind.name}:{self.name}" if self.name else self.kind.name

    def written(self) -> Written:
        return self.kind.type.written(self.value)


def read_documents(part: Part) -> tuple[Node, ...]:
    """Return the YAML documents of a part. Raises ComposeError.

    What was read last is kept: a file of a layer is read for many entries. Nobody changes nodes.
    """
    parse = _parsed_lately if len(part.content) <= _LARGEST_KEPT else parse_yaml
    return documents_of(parse(part.content), part.name)


@lru_cache(_MOST_KEPT)
def _parsed_lately(content: bytes) -> ParsedYaml:
    return parse_yaml(content)


def documents_of(parsed: ParsedYaml, part: str) -> tuple[Node, ...]:
    """Return the documents of a parsed part if Talos accepts its YAML. Raises ComposeError."""
    if parsed.error is not None:
        reason = Reason.TOO_LARGE if parsed.error.is_too_large else Reason.UNREADABLE
        raise ComposeError(parsed.error.message, part, parsed.error.line, reason)
    if parsed.version_line is not None:
        raise ComposeError(
            "Talos rejects a %YAML directive for another version than 1.1: remove it", part, parsed.version_line
        )
    if len(parsed.documents) > MAX_DOCUMENTS:
        message = f"more than {MAX_DOCUMENTS:,} documents: split the file"
        raise ComposeError(message, part, parsed.documents[MAX_DOCUMENTS].line, Reason.TOO_LARGE)
    return parsed.documents


def read_header(root: MappingNode, part: str) -> Header:
    """Return the type that a document names. Raises ComposeError.

    Talos also looks for the words ``kind`` and ``apiVersion`` among the values, and takes what follows for the kind. A
    document with such a value is rejected here, because Talos rejects it or crashes.
    """
    found = {"kind": "", "apiVersion": ""}
    flat = [node for pair in root.pairs for node in pair]
    for index, node in enumerate(flat):
        if not isinstance(node, ScalarNode) or node.text not in found:
            continue
        if index % 2:
            message = f"Talos takes whatever follows the value {node.text!r} for the {node.text}: use another value"
            raise ComposeError(message, part, node.line, Reason.UNKNOWN_DOCUMENT)
        value = flat[index + 1]
        if not isinstance(value, ScalarNode):
            message = f"{node.text} must be a text, such as kind: HostnameConfig"
            raise ComposeError(message, part, value.line, Reason.UNKNOWN_DOCUMENT)
        found[node.text] = "" if is_null(value) else value.text
    api_version, kind = found["apiVersion"], found["kind"]
    if not kind and (api_version or any(key.text in LEGACY_KEYS for key, _ in root.pairs)):
        return Header("", LEGACY, root.line)
    return Header(api_version, kind, root.line)


def _find_kind(header: Header, tables: TalosTables, part: str) -> Kind:
    """Return the kind from the tables. Raises ComposeError, which names the Talos version of the tables."""
    known = tables.kinds.get((header.api_version, header.kind))
    if known is not None:
        return known
    if not header.kind:
        message = "this document has no kind, and no machine, cluster, debug or persist: add apiVersion and kind"
    elif header.kind == LEGACY:
        message = f"{LEGACY} is not a kind: leave apiVersion and kind out of the document with machine and cluster"
    elif not header.api_version:
        message = f"this {header.kind} has no apiVersion: add apiVersion: v1alpha1"
    else:
        message = known_elsewhere(tables, header.api_version, header.kind) or (
            f"{tables.version} has no kind {header.kind} with apiVersion {header.api_version}: correct it, "
            'or compose with the talosctl of your Talos version (composer = "talosctl")'
        )
    raise ComposeError(message, part, header.line, Reason.UNKNOWN_DOCUMENT)


def read_document(root: Node, header: Header, tables: TalosTables, part: str) -> Document:
    """Return a document with its value. Raises ComposeError: for wrong types first, then for unknown keys."""
    kind = _find_kind(header, tables, part)
    behaviour = kind.behaviour
    reading = Reading(dates_are_texts=behaviour.dates_are_texts, lenient_scalars=behaviour.lenient_scalars)
    value = kind.type.read(root, "", reading)
    if reading.errors:
        line, message = reading.errors[0]
        more = "".join(f"; line {other}: {text}" for other, text in reading.errors[1:4])
        raise ComposeError(message + more, part, line, Reason.WRONG_TYPE)
    if reading.unknown:
        line, path = reading.unknown[0]
        others = ", ".join(other for _, other in reading.unknown[1:6])
        more = f" (nor {others})" if others else ""
        label = "its configuration" if kind.name == LEGACY else kind.name
        message = known_elsewhere(tables, kind.api_version, kind.name, path) or (
            f"{tables.version} has no {path}{more} in {label}: check the spelling and the indentation"
        )
        raise ComposeError(message, part, line, Reason.UNKNOWN_KEY)
    return Document(kind, value, root.line)


def read_configuration(roots: Iterable[Node], tables: TalosTables, part: str) -> list[Document]:
    """Return the documents of a configuration, each of which must be unique. Raises ComposeError."""
    documents: list[Document] = []
    seen: dict[tuple[str, str, str], int] = {}
    for root in roots:
        if is_null(root):
            continue
        if not isinstance(root, MappingNode):
            message = f"expected a document of a Talos configuration, found {shape(root)}"
            raise ComposeError(message, part, root.line, Reason.WRONG_TYPE)
        document = read_document(root, read_header(root, part), tables, part)
        if document.identity in seen:
            message = f"{document.label} is repeated (first on line {seen[document.identity]}): keep one of them"
            raise ComposeError(message, part, document.line, Reason.DUPLICATE)
        seen[document.identity] = document.line
        documents.append(document)
    if not documents:
        message = "no document found: the first part must be a configuration"
        raise ComposeError(message, part, None, Reason.EMPTY)
    return documents


def check_conflicts(documents: Iterable[Document], part: str) -> None:
    """Raise ComposeError (CONFLICT) for documents that exclude each other or configure the same link."""
    by_name: dict[str, list[Document]] = {}
    claims: dict[str, Document] = {}
    for document in documents:
        for other in by_name.get(document.name, []):
            if other.kind.name in document.kind.conflicts_with:
                message = f"{other.label} and {document.label} exclude each other: delete one of them ($patch: delete)"
                raise ComposeError(message, part, None, Reason.CONFLICT)
        by_name.setdefault(document.name, []).append(document)
        if not document.kind.claims_link_name:
            continue
        for link in _claimed_links(document):
            if link in claims:
                message = f"{claims[link].label} and {document.label} both configure the link {link!r}: rename one"
                if claims[link] is document:
                    message = f"{document.label} is its own peer: give the peer another name"
                raise ComposeError(message, part, None, Reason.CONFLICT)
            claims[link] = document


def _claimed_links(document: Document) -> list[str]:
    """Return the names of the links that a document configures; names that are missing count as empty ones."""
    names = [document.name]
    if "peer" in document.kind.type.fields:
        names.append(document.value.get("peer", {}).get("name", ""))
    return names


def write_configuration(documents: Iterable[Document]) -> bytes:
    """Return the text that Talos writes: the legacy document first, then the others in their order."""
    ordered = sorted(documents, key=lambda document: document.kind.name != LEGACY)
    return write_documents(document.written() for document in ordered)


def is_talos(parsed: ParsedYaml) -> bool:
    """Whether a configuration has to be checked as one of Talos. True also for a text that is not valid YAML."""
    if parsed.error is not None:
        return True
    roots = [root for root in parsed.documents if isinstance(root, MappingNode)]
    return any(key.text in _TALOS_KEYS for root in roots for key, _ in root.pairs)


def machine_type(roots: Sequence[Node]) -> str:
    """Return ``controlplane``, ``worker``, or an empty text if the documents have no ``machine.type``.

    Merge keys are followed. If any value could be read as a control plane, it is one, whichever of them Talos uses.
    """
    machines = (machine for root in roots for machine in _values(root, "machine"))
    found = {MACHINE_TYPES.get(_text(node), "") for machine in machines for node in _values(machine, "type")}
    return "controlplane" if "controlplane" in found else "worker" if "worker" in found else ""


def _values(node: Node, key: str) -> Iterator[Node]:
    """Yield the values of a key in a mapping and in the mappings merged into it."""
    for name, value in node.pairs if isinstance(node, MappingNode) else ():
        text = _text(name)
        if text == key:
            yield value
        elif text == "<<":
            for merged in value.items if isinstance(value, SequenceNode) else (value,):
                yield from _values(merged, key)


def _text(node: Node) -> str:
    """Return the text of a scalar as Talos decodes it, ``!!binary`` included."""
    try:
        return str(scalar_value(node)) if isinstance(node, ScalarNode) else ""
    except ValueError:
        return ""
