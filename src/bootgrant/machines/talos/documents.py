"""The documents of a Talos configuration: which kind each is, and its value by the type of that kind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bootgrant.machines.talos.go_types import Reading, Value
from bootgrant.machines.talos.parts import ComposeError, Part, Reason, read_documents
from bootgrant.machines.talos.tables import LEGACY, Kind, TalosTables
from bootgrant.machines.yaml.reading import Mapping, Node, Scalar, is_null, kind_of_node
from bootgrant.machines.yaml.writing import Written, write_documents

_LEGACY_KEYS = frozenset(("machine", "cluster", "debug", "persist"))


@dataclass(frozen=True, slots=True)
class Header:
    """What a document says it is; the legacy document says nothing and has the kind v1alpha1."""

    api_version: str
    kind: str
    line: int


@dataclass(slots=True)
class Document:
    """One document as it is merged; ``value`` is what its kind's type reads."""

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


def read_header(root: Mapping, part: str) -> Header:
    """Which kind of document it is. Raises ComposeError.

    Talos looks for the words ``kind`` and ``apiVersion`` among the values too, and takes what follows for the kind: a
    document with such a value is refused here, as Talos refuses it or fails on it.
    """
    found = {"kind": "", "apiVersion": ""}
    flat = [node for pair in root.pairs for node in pair]
    for index, node in enumerate(flat):
        if not isinstance(node, Scalar) or node.text not in found:
            continue
        if index % 2:
            message = f"the value {node.text!r} makes Talos mistake what follows for the {node.text}: use another value"
            raise ComposeError(message, part, node.line, Reason.UNKNOWN_DOCUMENT)
        value = flat[index + 1]
        if not isinstance(value, Scalar):
            message = f"{node.text} has to be a text: write the name there, such as kind: HostnameConfig"
            raise ComposeError(message, part, value.line, Reason.UNKNOWN_DOCUMENT)
        found[node.text] = "" if is_null(value) else value.text
    api_version, kind = found["apiVersion"], found["kind"]
    if not kind and (api_version or any(isinstance(key, Scalar) and key.text in _LEGACY_KEYS for key, _ in root.pairs)):
        return Header("", LEGACY, root.line)
    return Header(api_version, kind, root.line)


def find_kind(header: Header, tables: TalosTables, part: str) -> Kind:
    """The kind in the tables. Raises ComposeError, which names the Talos version of the tables."""
    known = tables.kinds.get((header.api_version, header.kind))
    if known is not None:
        return known
    if not header.kind:
        message = "this document has no kind, and no machine, cluster, debug or persist: write which kind it is"
    elif header.kind == LEGACY:
        message = f"{LEGACY} is no kind to write: leave apiVersion and kind away from machine and cluster"
    elif not header.api_version:
        message = f"this {header.kind} has no apiVersion: write apiVersion: v1alpha1"
    else:
        message = (
            f"{tables.version} knows no kind {header.kind} with apiVersion {header.api_version}: correct it, "
            'or let the talosctl of your Talos version compose (composer = "talosctl")'
        )
    raise ComposeError(message, part, header.line, Reason.UNKNOWN_DOCUMENT)


def read_document(root: Node, header: Header, tables: TalosTables, part: str) -> Document:
    """The document's value. Raises ComposeError: wrong types first, then keys that Talos does not know."""
    kind = find_kind(header, tables, part)
    reading = Reading()
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
        message = (
            f"{tables.version} knows no {path}{more} in {label}: correct the spelling or the indentation, or remove it"
        )
        raise ComposeError(message, part, line, Reason.UNKNOWN_KEY)
    return Document(kind, value, root.line)


def read_configuration(part: Part, tables: TalosTables) -> list[Document]:
    """All documents of a configuration, each only once. Raises ComposeError."""
    documents: list[Document] = []
    seen: dict[tuple[str, str, str], int] = {}
    for root in read_documents(part):
        if root is None:
            continue
        if not isinstance(root, Mapping):
            message = f"{kind_of_node(root)} stands here, a document of a configuration is expected"
            raise ComposeError(message, part.name, root.line, Reason.WRONG_TYPE)
        document = read_document(root, read_header(root, part.name), tables, part.name)
        if document.identity in seen:
            message = (
                f"{document.label} is here a second time (first in line {seen[document.identity]}): keep one of them"
            )
            raise ComposeError(message, part.name, document.line, Reason.DUPLICATE)
        seen[document.identity] = document.line
        documents.append(document)
    if not documents:
        raise ComposeError(
            "there is no document in it: the first part has to be a configuration", part.name, None, Reason.EMPTY
        )
    return documents


def check_conflicts(documents: Iterable[Document], part: str) -> None:
    """Documents that exclude each other, and links that two of them configure. Raises ComposeError (CONFLICT)."""
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
        peer = document.value.get("peer", {}).get("name", "")
        for link in (document.name, *([peer] if peer else [])):
            if claims.setdefault(link, document) is not document:
                message = f"{claims[link].label} and {document.label} both configure the link {link!r}: rename one"
                raise ComposeError(message, part, None, Reason.CONFLICT)


def write_configuration(documents: Iterable[Document]) -> bytes:
    """The text as Talos writes it: the legacy document first, the others in their order."""
    ordered = sorted(documents, key=lambda document: document.kind.name != LEGACY)
    return write_documents(document.written() for document in ordered)
