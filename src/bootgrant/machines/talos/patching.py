"""Patches in order over a configuration, as ``talosctl machineconfig patch`` does it.

All patches are read before the first is applied. A patch is a strategic merge patch when it reads as documents of a
configuration, else a JSON6902 patch when it is a list of operations; an empty one is a JSON patch without operations.
"""

from __future__ import annotations

from collections.abc import Sequence as Listed
from dataclasses import dataclass, field

from bootgrant.machines.talos.deleting import Deletion, delete, extract
from bootgrant.machines.talos.documents import (
    Document,
    Header,
    check_conflicts,
    read_configuration,
    read_document,
    read_header,
    write_configuration,
)
from bootgrant.machines.talos.json_patching import Operation, apply_operations, read_operations
from bootgrant.machines.talos.merging import Merge
from bootgrant.machines.talos.parts import ComposeError, Part, Reason, Surprise, read_documents
from bootgrant.machines.talos.surprising import Notes
from bootgrant.machines.talos.tables import LEGACY, TalosTables
from bootgrant.machines.yaml.reading import Mapping, Node, Scalar, key_text, kind_of_node

_HEADER_KEYS = frozenset(("version", "kind", "name"))


@dataclass(frozen=True, slots=True)
class PatchDocument:
    """One document of a patch: what it deletes, then what it merges (None when only deletes are in it)."""

    header: Header
    name: str
    deletions: tuple[Deletion, ...]
    document: Document | None


@dataclass(slots=True)
class StrategicPatch:
    """A patch in the form of a configuration. ``notes`` are what its text alone shows."""

    part: str
    documents: list[PatchDocument]
    notes: Notes


@dataclass(slots=True)
class JsonPatch:
    """A patch in the form of RFC 6902."""

    part: str
    operations: list[Operation]


Patch = StrategicPatch | JsonPatch


def read_patch(part: Part, tables: TalosTables) -> Patch:
    """Find out which kind of patch ``part`` is, and read it. Raises ComposeError."""
    try:
        return _read_strategic(part, tables)
    except ComposeError as error:
        if error.reason in {Reason.NOT_A_PATCH, Reason.EMPTY} or part.content.lstrip().startswith(b"["):
            operations = read_operations(part)
            if operations is not None:
                return JsonPatch(part.name, operations)
        raise


def _read_strategic(part: Part, tables: TalosTables) -> StrategicPatch:
    notes = Notes()
    documents: list[PatchDocument] = []
    roots = read_documents(part)
    for root in roots:
        if root is None:
            continue
        if not isinstance(root, Mapping):
            message = (
                f"{kind_of_node(root)} stands here; a patch is a part of a configuration (a mapping), "
                "or a list of operations with op, path and value"
            )
            raise ComposeError(message, part.name, root.line, Reason.NOT_A_PATCH)
        if (read := _read_patch_document(root, part, tables, notes)) is not None:
            documents.append(read)
    if not documents:
        nothing = all(root is None for root in roots)
        message = "this patch says nothing: write what it changes, or remove the file"
        raise ComposeError(message, part.name, None, Reason.EMPTY if nothing else Reason.NOT_A_PATCH)
    return StrategicPatch(part.name, documents, notes)


def _read_patch_document(root: Mapping, part: Part, tables: TalosTables, notes: Notes) -> PatchDocument | None:
    """None for a document that has nothing but ``version``, ``kind`` and ``name``: Talos passes over it."""
    deletions: list[Deletion] = []
    rest: Node | None = root
    if b"$patch" in part.content:
        extraction = extract(root, part.name, notes)
        deletions, rest = extraction.deletions, extraction.rest
    if not deletions and _is_header_only(root):
        return None
    header = read_header(root, part.name)
    _check_deletions(header, deletions, root, part.name)
    if not isinstance(rest, Mapping) or _is_header_only(rest):
        return PatchDocument(header, _name(root), tuple(deletions), None)
    if deletions and header.kind == LEGACY and not rest.pairs:
        return PatchDocument(header, "", tuple(deletions), None)
    return PatchDocument(header, _name(root), tuple(deletions), read_document(rest, header, tables, part.name))


def _is_header_only(root: Mapping) -> bool:
    return all(key_text(key) in _HEADER_KEYS for key, _ in root.pairs)


def _name(root: Mapping) -> str:
    return next((value.text for key, value in root.pairs if key_text(key) == "name" and isinstance(value, Scalar)), "")


def _check_deletions(header: Header, deletions: Listed[Deletion], root: Mapping, part: str) -> None:
    """Deleting wants to know the document: the legacy one by its keys, every other by apiVersion and kind."""
    whole = next((deletion for deletion in deletions if not deletion.steps), None)
    if not deletions or (whole is None and header.kind == LEGACY):
        return
    written = {key_text(key) for key, value in root.pairs if isinstance(value, Scalar) and value.text}
    if header.kind == LEGACY and not {"apiVersion", "kind"} & written:
        message = "machine and cluster cannot be deleted as a whole: delete what is below them"
    elif header.api_version and header.kind and header.kind != LEGACY:
        return
    else:
        message = "which document $patch: delete means is not said: write its apiVersion and kind (and name)"
    raise ComposeError(message, part, (whole or deletions[0]).line, Reason.DELETE)


@dataclass(slots=True)
class Patching:
    """A configuration while patches are applied: as documents, or as text after a JSON patch."""

    tables: TalosTables
    base: Part
    documents: list[Document] | None = None
    surprises: list[Surprise] = field(default_factory=list)

    def apply(self, patch: Patch) -> None:
        """Raises ComposeError."""
        match patch:
            case StrategicPatch():
                self._apply_strategic(patch)
            case JsonPatch():
                notes = Notes()
                text = apply_operations(Part(self.base.name, self.text()), patch.operations, patch.part, notes)
                self.base, self.documents = Part(self.base.name, text), None
                self._keep(patch.part, "", notes)

    def text(self) -> bytes:
        """The configuration as it would be served."""
        return self.base.content if self.documents is None else write_configuration(self.documents)

    def loaded(self) -> list[Document]:
        """The documents; read now when a JSON patch left text. Raises ComposeError."""
        if self.documents is None:
            self.documents = read_configuration(self.base, self.tables)
        return self.documents

    def _apply_strategic(self, patch: StrategicPatch) -> None:
        self.loaded()
        self._keep(patch.part, "", patch.notes)
        legacy = [document for document in patch.documents if document.header.kind == LEGACY]
        for patched in legacy:
            self._delete(patched, patch.part)
        for patched in patch.documents:
            if patched.header.kind != LEGACY:
                self._delete(patched, patch.part)
            if patched.document is not None:
                self._merge(patched, patched.document, patch.part)
        check_conflicts(self.loaded(), patch.part)

    def _delete(self, patched: PatchDocument, part: str) -> None:
        for deletion in patched.deletions:
            target = self._find(patched.header.api_version, patched.header.kind, patched.name)
            if target is None:
                continue
            if deletion.steps:
                delete(target.kind.type, target.value, deletion, part)
            else:
                self.loaded().remove(target)

    def _find(self, api_version: str, kind: str, name: str) -> Document | None:
        return next((found for found in self.loaded() if found.identity == (api_version, kind, name)), None)

    def _merge(self, patched: PatchDocument, right: Document, part: str) -> None:
        left = self._find(*right.identity)
        merge = Merge(right.kind, part, right.line)
        if left is not None:
            left.value = merge.documents(left.value, right.value)
            self._keep(part, left.label, merge.notes)
            return
        if right.kind.named and not right.name:
            merge.notes.nameless(right.kind.name)
        elif patched.deletions:
            merge.notes.header_left(right.kind.name)
        self.loaded().append(right)
        self._keep(part, right.label, merge.notes)

    def _keep(self, part: str, label: str, notes: Notes) -> None:
        for path, message in notes.found:
            shown = f"{label}/{path}" if label and path else label or path
            self.surprises.append(Surprise(part, shown, message))
