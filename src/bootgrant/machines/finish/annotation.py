"""A finished configuration with the layer behind every value, as a comment on its line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from bootgrant.machines.yaml.marked import Items, MarkedError, Node, Pairs, Scalar, documents
from bootgrant.wire.limits import CONFIG

_COLUMN = 60


def annotated(text: str, origins: Mapping[str, str]) -> str:
    """``text`` with ``# layer/file.yaml`` behind each value that ``origins`` knows (``document/path.of.value``)."""
    try:
        roots = documents(text.encode(), CONFIG)
    except MarkedError:
        return text
    told: dict[int, list[str]] = defaultdict(list)
    for root in roots:
        for path, line in _leaves(root, f"{_label(root)}/"):
            part = origins.get(path)
            if part is not None and part not in told[line]:
                told[line].append(part)
    lines = text.split("\n")
    for line, parts in told.items():
        lines[line - 1] = f"{lines[line - 1]:<{_COLUMN}}  # {', '.join(parts)}"
    return "\n".join(lines)


def _label(root: Node) -> str:
    """How the composer names a document: its kind and name, ``v1alpha1`` for the one without a kind."""
    if not isinstance(root, Pairs):
        return ""
    kind, name = root.get("kind"), root.get("name")
    if not isinstance(kind, Scalar):
        return "v1alpha1"
    return f"{kind.text}:{name.text}" if isinstance(name, Scalar) else kind.text


def _leaves(node: Node, path: str) -> Iterator[tuple[str, int]]:
    match node:
        case Scalar():
            yield path, node.line
        case Items():
            for index, item in enumerate(node.nodes):
                yield from _leaves(item, f"{path}[{index}]")
        case Pairs():
            for key, value in node.nodes:
                yield from _leaves(value, path + key.text if path.endswith("/") else f"{path}.{key.text}")
