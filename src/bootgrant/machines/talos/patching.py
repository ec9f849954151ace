"""Read patches and apply them to a configuration in order, as ``talosctl machineconfig patch`` does.

All patches are read before the first is applied. A patch in the form of a configuration is a strategic merge patch, a
list of operations is a JSON patch, and an empty file is a JSON patch without operations.

``$patch: delete`` is taken out of a strategic merge patch when the patch is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from bootgrant.machines.talos.documents import (
    LEGACY_KEYS,
    MAX_DOCUMENTS,
    ComposeError,
    Document,
    Header,
    Notes,
    Part,
    Reason,
    check_conflicts,
    read_configuration,
    read_document,
    read_documents,
    read_header,
    write_configuration,
)
from bootgrant.machines.talos.json_patching import (
    JsonPatch,
    Operation,
    apply_operations,
    json_operations,
    yaml_operations,
)
from bootgrant.machines.talos.merging import Merge
from bootgrant.machines.talos.scalar_types import Element, Step
from bootgrant.machines.talos.tables import LEGACY, TalosTables
from bootgrant.machines.yaml.reading import (
    MAX_BYTES,
    MappingNode,
    Node,
    ScalarNode,
    SequenceNode,
    is_null,
    parse_yaml,
    shape,
)

MARK: Final = "$patch"
_IN_AN_ELEMENT: Final = ", which is inside a list element: delete the element and add it again"
_HEADER_KEYS: Final = frozenset(("version", "kind", "name"))


@dataclass(frozen=True, slots=True)
class Deletion:
    """A value to delete; without steps, the document itself."""

    steps: tuple[Step, ...]
    line: int

    @property
    def shown(self) -> str:
        words = (f".{step}" if isinstance(step, str) else f"[{step.key}={step.value}]" for step in self.steps)
        return "".join(words).removeprefix(".")


@dataclass(frozen=True, slots=True)
class PatchDocument:
    """A document of a patch: what it deletes, then what it merges (None if it only deletes)."""

    header: Header
    name: str
    deletions: tuple[Deletion, ...]
    document: Document | None


@dataclass(slots=True)
class StrategicPatch:
    """A patch in the form of a configuration. ``notes`` are surprises that show without applying it."""

    part: str
    documents: list[PatchDocument]
    notes: Notes


Patch = StrategicPatch | JsonPatch


def read_patch(part: Part, tables: TalosTables) -> Patch:
    """Read a patch of either kind. Raises ComposeError."""
    operations = _read_json(part) if part.content.lstrip().startswith(b"[") else None
    if operations is not None:
        return JsonPatch(part, operations)
    roots = read_documents(part)
    try:
        return _read_strategic(roots, part, tables)
    except ComposeError as error:
        operations = yaml_operations(roots, part.name) if error.reason is Reason.NOT_A_PATCH else None
        if operations is None:
            raise
        return JsonPatch(part, operations)


def _read_json(part: Part) -> list[Operation] | None:
    """Return operations in JSON, None if they could still be operations in YAML. Raises ComposeError."""
    try:
        operations = json_operations(part)
    except ComposeError as error:
        # YAML has flow style, which looks like JSON and allows more: a comma at the end, a comment.
        if error.reason is Reason.JSON_PATCH and parse_yaml(part.content).error is None:
            return None
        raise
    if operations is None:
        before = part.content[: -len(part.content.lstrip())]
        raise _not_a_patch("another list", part, before.count(b"\n") + 1)
    return operations


def _read_strategic(roots: Sequence[Node], part: Part, tables: TalosTables) -> StrategicPatch:
    notes: Notes = []
    documents: list[PatchDocument] = []
    for root in roots:
        if is_null(root):
            continue
        if not isinstance(root, MappingNode):
            raise _not_a_patch(shape(root), part, root.line)
        if (read := _read_patch_document(root, part, tables, notes)) is not None:
            documents.append(read)
    if not tables.behaviour.patches_repeat_documents:
        _check_unique(documents, part, tables)
    if not documents:
        message = "this patch changes nothing: write what it should change, or remove the file"
        raise ComposeError(message, part.name, None, Reason.NOT_A_PATCH)
    return StrategicPatch(part.name, documents, notes)


def _check_unique(documents: Sequence[PatchDocument], part: Part, tables: TalosTables) -> None:
    """Raise ComposeError (DUPLICATE) for a document that is in a patch twice."""
    seen: set[tuple[str, str, str]] = set()
    for patched in documents:
        if patched.document is None:
            continue
        identity = (patched.header.api_version, patched.header.kind, patched.name)
        if identity in seen:
            message = f"{tables.version} refuses a document that is in a patch twice: write this one in another patch"
            raise ComposeError(message, part.name, patched.document.line, Reason.DUPLICATE)
        seen.add(identity)


def _not_a_patch(found: str, part: Part, line: int) -> ComposeError:
    message = f"expected part of a configuration or a list of operations (op, path and value), found {found}"
    return ComposeError(message, part.name, line, Reason.NOT_A_PATCH)


def _read_patch_document(root: MappingNode, part: Part, tables: TalosTables, notes: Notes) -> PatchDocument | None:
    """Return a document, or None if it has only ``version``, ``kind`` and ``name``: Talos skips those."""
    deleting = _Deleting(part.name, notes)
    rest = deleting.rest_of(root, ()) if b"$patch" in part.content else root
    deletions = tuple(deleting.deletions)
    if not deletions and _is_header_only(root):
        return None
    if deletions:
        _check_deletions(root, deletions, part.name)
    header = _legacy_header(root) if deletions and not _has_type(root) else read_header(root, part.name)
    if not isinstance(rest, MappingNode) or not rest.pairs or _is_header_only(rest):
        return PatchDocument(header, _name(root), deletions, None)
    if header.kind == LEGACY:
        header = read_header(rest, part.name)
    return PatchDocument(header, _name(root), deletions, read_document(rest, header, tables, part.name))


def _is_header_only(root: MappingNode) -> bool:
    return all(key.text in _HEADER_KEYS and isinstance(value, ScalarNode) for key, value in root.pairs)


def _name(root: MappingNode) -> str:
    return next((value.text for key, value in root.pairs if key.text == "name" and isinstance(value, ScalarNode)), "")


def _legacy_header(root: MappingNode) -> Header:
    return Header("", LEGACY, root.line)


def _has_type(root: MappingNode) -> bool:
    return any(_written(root, key) for key in ("apiVersion", "kind"))


def _written(root: MappingNode, key: str) -> str:
    value = root.get(key)
    return value.text if isinstance(value, ScalarNode) else ""


def _check_deletions(root: MappingNode, deletions: Sequence[Deletion], part: str) -> None:
    """Raise ComposeError if deletions do not name their document: by apiVersion and kind, except the legacy one."""
    whole = next((deletion for deletion in deletions if not deletion.steps), None)
    if (_written(root, "apiVersion") and _written(root, "kind")) or (whole is None and not _has_type(root)):
        return
    if whole is not None and not _has_type(root) and any(key.text in LEGACY_KEYS for key, _ in root.pairs):
        message = "machine and cluster cannot be deleted as a whole: delete the keys in them"
    else:
        message = "$patch: delete needs the document's apiVersion and kind (and its name if it has one): add them"
    raise ComposeError(message, part, (whole or deletions[0]).line, Reason.DELETE)


@dataclass(frozen=True, slots=True)
class Surprise:
    """A result that the author of a patch probably did not intend; ``message`` says what to write instead.

    ``path`` is ``document/path.of.value``, as in the origins of a composed configuration.
    """

    part: str
    path: str
    message: str


@dataclass(slots=True)
class Patching:
    """A configuration that patches are applied to: documents, or text at first and after a JSON patch."""

    tables: TalosTables
    base: Part
    documents: list[Document] | None = None
    surprises: list[Surprise] = field(default_factory=list)
    last: str = ""

    def apply(self, patch: Patch) -> None:
        """Raises ComposeError."""
        self.last = patch.part
        match patch:
            case StrategicPatch():
                self._apply_strategic(patch)
            case JsonPatch():
                notes: Notes = []
                roots = read_documents(Part(self.base.name, self.text()))
                text = apply_operations(roots, self.base.name, patch, notes)
                self.base, self.documents = Part(self.base.name, text), None
                self._keep(patch.part, "", notes)

    def text(self) -> bytes:
        """Return the configuration as it would be served. Raises ComposeError if it is larger than a file may be."""
        if self.documents is None:
            return self.base.content
        text = write_configuration(self.documents)
        if len(text) > MAX_BYTES or len(self.documents) > MAX_DOCUMENTS:
            limits = f"{MAX_BYTES >> 20} MiB or {MAX_DOCUMENTS:,} documents"
            raise ComposeError(f"the configuration grows beyond {limits}: add less", self.last, None, Reason.TOO_LARGE)
        return text

    def loaded(self) -> list[Document]:
        """Return the documents, read from the text if needed. Raises ComposeError."""
        if self.documents is None:
            documents = read_configuration(read_documents(self.base), self.tables, self.base.name)
            check_conflicts(documents, self.base.name)
            self.documents = documents
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
            if target is None or target.kind.named != bool(patched.name):
                self._note_missing_name(patched, part)
                continue
            if not deletion.steps:
                self.loaded().remove(target)
            elif not target.kind.type.delete(target.value, deletion.steps):
                message = f"there is no {deletion.shown} to delete: remove this $patch: delete, or correct the path"
                if any(isinstance(step, Element) for step in deletion.steps[:-1]):
                    message = f"Talos cannot delete {deletion.shown}{_IN_AN_ELEMENT}"
                raise ComposeError(message, part, deletion.line, Reason.DELETE)

    def _note_missing_name(self, patched: PatchDocument, part: str) -> None:
        known = self.tables.kinds.get((patched.header.api_version, patched.header.kind))
        if known is not None and known.named and not patched.name:
            message = f"deletes nothing: it does not say which {known.name} is meant. Add its name"
            self.surprises.append(Surprise(part, f"{known.name}/{MARK}", message))

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
            message = f"is missing, so this adds a {right.kind.name} without a name. Add the name of the one to patch"
            merge.notes.append(("name", message))
        elif patched.deletions:
            message = "after the deletes only its header is left. Use the patch only where the document exists"
            merge.notes.append(("", f"this adds an empty {right.kind.name}: {message}"))
        self.loaded().append(right)
        self._keep(part, right.label, merge.notes)

    def _keep(self, part: str, label: str, notes: Notes) -> None:
        for path, message in notes:
            shown = f"{label}/{path}" if label and path else label or path
            self.surprises.append(Surprise(part, shown, message))


@dataclass(slots=True)
class _Deleting:
    """Takes the deletes out of a document. Raises ComposeError (DELETE)."""

    part: str
    notes: Notes
    deletions: list[Deletion] = field(default_factory=list)

    def rest_of(self, node: Node, steps: tuple[Step, ...]) -> Node | None:
        """Return a node without its deletes, or None if nothing is left."""
        match node:
            case MappingNode():
                return self._mapping(node, steps)
            case SequenceNode():
                return self._sequence(node, steps)
            case ScalarNode():
                return node

    def _mapping(self, node: MappingNode, steps: tuple[Step, ...]) -> Node | None:
        pairs = []
        for key, value in node.pairs:
            if key.text == MARK and isinstance(value, ScalarNode):
                if value.text == "delete":
                    self._note_siblings(node, steps)
                    self._check_inner(steps, value.line)
                    self.deletions.append(Deletion(steps, value.line))
                    return None
                message = f"is the value {value.text!r}, which deletes nothing: write $patch: delete, in lower case"
                self.notes.append((".".join([*_shown(steps), MARK]), message))
            rest = self.rest_of(value, (*steps, key.text))
            if rest is not None:
                pairs.append((key, rest))
        if not pairs and node.pairs:
            return None
        return MappingNode(pairs, node.line, node.tag, node.start)

    def _sequence(self, node: SequenceNode, steps: tuple[Step, ...]) -> Node | None:
        items = []
        for item in node.items:
            if isinstance(item, MappingNode) and (mark := _mark(item)) is not None and mark.text == "delete":
                self.deletions.append(Deletion((*steps, self._selector(item)), mark.line))
                continue
            rest = self.rest_of(item, (*steps, Element("", None)))
            if rest is not None:
                items.append(rest)
        return None if node.items and not items else SequenceNode(items, node.line, node.tag, node.start)

    def _selector(self, item: MappingNode) -> Element:
        """Return the selector of an element to delete: its first key other than the mark."""
        for key, value in item.pairs:
            if key.text != MARK:
                return Element(key.text, value.text if isinstance(value, ScalarNode) else "")
        message = "the list element to delete has no name: write its name next to $patch: delete"
        raise ComposeError(message, self.part, item.line, Reason.DELETE)

    def _check_inner(self, steps: tuple[Step, ...], line: int) -> None:
        if any(isinstance(step, Element) for step in steps):
            message = f"Talos cannot delete {'.'.join(_shown(steps))}{_IN_AN_ELEMENT}"
            raise ComposeError(message, self.part, line, Reason.DELETE)

    def _note_siblings(self, node: MappingNode, steps: tuple[Step, ...]) -> None:
        header = {MARK, "apiVersion", "kind", "name"} if not steps else {MARK}
        if ignored := [key.text for key, _ in node.pairs if key.text and key.text not in header]:
            message = f"is deleted; {', '.join(ignored)} next to $patch: delete is ignored. Set it in a later patch"
            self.notes.append((".".join(_shown(steps)), message))


def _mark(node: MappingNode) -> ScalarNode | None:
    return next((v for k, v in node.pairs if k.text == MARK and isinstance(v, ScalarNode)), None)


def _shown(steps: tuple[Step, ...]) -> list[str]:
    return [step if isinstance(step, str) else "[]" for step in steps]
