"""``$patch: delete``: found in the nodes of a patch, taken out of them, and done to the configuration.

A selector is a path of steps: a text is a key, a pair is the first list element whose field has that text.
"""

from __future__ import annotations

from collections.abc import Sequence as Steps
from dataclasses import dataclass
from typing import Any, Final

from bootgrant.machines.talos.container_types import Free, ListOf, MapOf, Pointer, Struct
from bootgrant.machines.talos.go_types import GoType, Value
from bootgrant.machines.talos.parts import ComposeError, Reason
from bootgrant.machines.talos.surprising import Notes
from bootgrant.machines.yaml.reading import Mapping, Node, Scalar, Sequence, key_text

MARK: Final = "$patch"
_INSIDE: Final = ", which is inside of a list element: delete the element and write it anew"


@dataclass(frozen=True, slots=True)
class Element:
    """A list element: the first whose field ``key`` has the text ``value``; None never matches."""

    key: str
    value: str | None


Step = str | Element


@dataclass(frozen=True, slots=True)
class Deletion:
    """One thing to delete; no steps means the document itself."""

    steps: tuple[Step, ...]
    line: int

    @property
    def shown(self) -> str:
        words = (f".{step}" if isinstance(step, str) else f"[{step.key}={step.value}]" for step in self.steps)
        return "".join(words).removeprefix(".")


@dataclass(slots=True)
class Extraction:
    """What ``extract`` found: ``rest`` is the document without the deletes, None when nothing is left."""

    rest: Node | None
    deletions: list[Deletion]


def extract(root: Node, part: str, notes: Notes) -> Extraction:
    """Take the deletes out of a patch's document. Raises ComposeError (DELETE) for one that Talos refuses."""
    deletions: list[Deletion] = []
    walk = _Walk(part, deletions, notes)
    return Extraction(walk.node(root, ()), deletions)


@dataclass(slots=True)
class _Walk:
    part: str
    deletions: list[Deletion]
    notes: Notes

    def node(self, node: Node, steps: tuple[Step, ...]) -> Node | None:
        match node:
            case Mapping():
                return self._mapping(node, steps)
            case Sequence():
                return self._sequence(node, steps)
            case Scalar():
                return node

    def _mapping(self, node: Mapping, steps: tuple[Step, ...]) -> Node | None:
        mark = _mark(node)
        if mark is not None and mark.text == "delete":
            self._note_siblings(node, steps)
            self._check_inner(steps, mark.line)
            self.deletions.append(Deletion(steps, mark.line))
            return None
        if mark is not None:
            self.notes.not_delete(".".join([*_shown(steps), MARK]), mark.text)
        pairs = []
        for key, value in node.pairs:
            rest = self.node(value, (*steps, key_text(key) or ""))
            if rest is not None:
                pairs.append((key, rest))
        if not pairs and node.pairs:
            return None
        return Mapping(pairs, node.line, node.tag)

    def _sequence(self, node: Sequence, steps: tuple[Step, ...]) -> Node | None:
        items = []
        for item in node.items:
            if isinstance(item, Mapping) and (mark := _mark(item)) is not None and mark.text == "delete":
                self.deletions.append(Deletion((*steps, self._selector(item)), mark.line))
                continue
            rest = self.node(item, (*steps, Element("", None)))
            if rest is not None:
                items.append(rest)
        return None if node.items and not items else Sequence(items, node.line, node.tag)

    def _selector(self, item: Mapping) -> Element:
        """The first key beside the mark."""
        for key, value in item.pairs:
            name = key_text(key)
            if name is not None and name != MARK:
                return Element(name, value.text if isinstance(value, Scalar) else None)
        raise self._refused("the list element to delete is not named: write its name beside $patch: delete", item.line)

    def _check_inner(self, steps: tuple[Step, ...], line: int) -> None:
        if any(isinstance(step, Element) for step in steps):
            message = f"Talos cannot delete {'.'.join(_shown(steps))}{_INSIDE}"
            raise self._refused(message, line)

    def _note_siblings(self, node: Mapping, steps: tuple[Step, ...]) -> None:
        header = {MARK, "apiVersion", "kind", "name"} if not steps else {MARK}
        beside = [name for key, _ in node.pairs if (name := key_text(key)) and name not in header]
        if beside:
            self.notes.dropped_beside_delete(".".join(_shown(steps)), beside)

    def _refused(self, message: str, line: int) -> ComposeError:
        return ComposeError(message, self.part, line, Reason.DELETE)


def _mark(node: Mapping) -> Scalar | None:
    return next((v for k, v in node.pairs if key_text(k) == MARK and isinstance(v, Scalar)), None)


def _shown(steps: tuple[Step, ...]) -> list[str]:
    return [step if isinstance(step, str) else "[]" for step in steps]


def delete(type_: GoType, value: Value, deletion: Deletion, part: str) -> None:
    """Do it to a document's value. Raises ComposeError (DELETE) where nothing is to delete."""
    if not _delete(type_, value, deletion.steps):
        message = f"there is no {deletion.shown} to delete: remove this $patch: delete, or correct the path"
        if any(isinstance(step, Element) for step in deletion.steps[:-1]):
            message = f"Talos cannot delete {deletion.shown}{_INSIDE}"
        raise ComposeError(message, part, deletion.line, Reason.DELETE)


def _delete(type_: GoType, value: Value, steps: Steps[Step]) -> bool:
    step, further = steps[0], steps[1:]
    while isinstance(type_, Pointer):
        type_ = type_.target
    if value is None:
        return False
    match type_, step:
        case Struct(), str():
            return _delete_field(type_, value, step, further)
        case MapOf(), str():
            return _delete_key(type_.element, value, step, further)
        case Free(), str():
            return _delete_free(value, steps)
        case ListOf(), Element() if not further:
            return _delete_element(type_, value, step)
        case _:
            return False


def _delete_field(struct: Struct, value: Value, name: str, further: Steps[Step]) -> bool:
    known = struct.fields.get(name)
    if known is None or (struct.is_opaque_pair and not further):
        return False
    if not further:
        value.pop(name, None)
        return True
    if name not in value:
        # A struct that is no pointer is there also when nobody wrote it.
        return isinstance(known.type, Struct) and _delete(known.type, {}, further)
    return _delete(known.type, value[name], further)


def _delete_key(element: GoType, value: Value, key: str, further: Steps[Step]) -> bool:
    if key not in value:
        return False
    if further:
        return _delete(element, value[key], further)
    del value[key]
    return True


def _delete_free(value: Any, steps: Steps[Step]) -> bool:
    step, further = steps[0], steps[1:]
    if not isinstance(value, dict) or not isinstance(step, str) or step not in value:
        return False
    if further:
        return _delete_free(value[step], further)
    del value[step]
    return True


def _delete_element(list_type: ListOf, value: list[Value], wanted: Element) -> bool:
    element = list_type.element
    while isinstance(element, Pointer):
        element = element.target
    known = element.fields.get(wanted.key) if isinstance(element, Struct) else None
    if known is None or wanted.value is None:
        return False
    for index, item in enumerate(value):
        if item is None:
            continue
        held = item.get(known.name, known.type.zero())
        if known.type.selector_text(held) == wanted.value:
            del value[index]
            return True
    return False
