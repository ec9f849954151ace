"""The composer's face: layers in, one configuration out, with what people should know about it.

The first part is the base document, the others are patches in order, merged as ``talosctl machineconfig patch`` merges
them (strategic merge or JSON6902; pkg/machinery/config/configpatcher). The other kinds of configuration are merged as
plain YAML or JSON.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from bootgrant.machines.talos.go_types import scalar_value
from bootgrant.machines.talos.origins import Origins
from bootgrant.machines.talos.parts import Composed, ComposeError, Part, Reason, Surprise, read_documents
from bootgrant.machines.talos.patching import Patching, read_patch
from bootgrant.machines.talos.plain_merging import merge_plain
from bootgrant.machines.talos.tables import NEWEST, talos_tables
from bootgrant.machines.yaml.reading import Mapping as MappingNode
from bootgrant.machines.yaml.reading import Node, Scalar, key_text
from bootgrant.machines.yaml.reading import Sequence as SequenceNode

__all__ = [
    "ComposeError",
    "Composed",
    "Part",
    "Reason",
    "Surprise",
    "compose",
    "compose_plain",
    "is_talos",
    "machine_type",
]

_TALOS_KEYS: Final = frozenset({"machine", "cluster", "apiVersion", "<<"})
_MACHINE_TYPES: Mapping[str, str] = {"controlplane": "controlplane", "init": "controlplane", "worker": "worker"}


def compose(parts: Sequence[Part], tables: str = NEWEST) -> Composed:
    """The Talos configuration that ``parts`` make. Raises ComposeError.

    A base without patches is given back byte for byte, not even read, as Talos does.
    """
    if not parts:
        raise ComposeError("there is nothing to compose: name the base document first", reason=Reason.EMPTY)
    known = talos_tables(tables)
    patches = [read_patch(part, known) for part in parts[1:]]
    patching = Patching(known, parts[0])
    for patch in patches:
        patching.apply(patch)
    return Composed(patching.text(), tuple(patching.surprises), Origins(tuple(parts), known))


def compose_plain(parts: Sequence[Part], kind: str) -> Composed:
    """Other kinds (``yaml``, ``json``, ``cloud-config``, ``ignition``, ``text``). Raises ComposeError."""
    return merge_plain(parts, kind)


def is_talos(config: bytes) -> bool:
    """Whether ``config`` has to be held to what Talos takes. What cannot be read has to be: nobody knows what it is."""
    try:
        roots = read_documents(Part("", config))
    except ComposeError:
        return True
    return any(key_text(key) in _TALOS_KEYS for root in roots if isinstance(root, MappingNode) for key, _ in root.pairs)


def machine_type(config: bytes) -> str:
    """``controlplane``, ``worker``, or empty when ``config`` names none; Talos reads ``init`` as a control plane.

    Merge keys are followed. What could be read as a control plane is one, whatever goes first in Talos.
    """
    try:
        roots = read_documents(Part("", config))
    except ComposeError:
        return ""
    machines = (machine for root in roots for machine in _values(root, "machine"))
    found = {_MACHINE_TYPES.get(_word(node), "") for machine in machines for node in _values(machine, "type")}
    return "controlplane" if "controlplane" in found else "worker" if "worker" in found else ""


def _values(node: Node | None, key: str) -> Iterator[Node]:
    """What stands behind ``key``, here or in what is merged."""
    for name, value in node.pairs if isinstance(node, MappingNode) else ():
        word = _word(name)
        if word == key:
            yield value
        elif word == "<<":
            for merged in value.items if isinstance(value, SequenceNode) else (value,):
                yield from _values(merged, key)


def _word(node: Node) -> str:
    """The text of a scalar as Talos decodes it, also of a ``!!binary``."""
    try:
        return str(scalar_value(node)) if isinstance(node, Scalar) else ""
    except ValueError:
        return ""
