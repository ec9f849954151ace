"""Secrets in configurations, and a configuration as people may see it: secrets replaced, each value with its layer.

A value is hidden if it is in a place for secrets or for free text (hiding.py), came from an encrypted file or from a
command of the site, has a secret name (``token``, ``ca.key``, ``password``), or looks like a secret. In doubt it is
hidden: a preview may hide too much.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile
from typing import Final
from urllib.parse import unquote

from bootgrant.machines.finish.hiding import classes_of, readable_part
from bootgrant.machines.finish.key_material import PRIVATE_KEY
from bootgrant.machines.finish.secret_looks import is_secret_name, is_secret_variable, looks_secret
from bootgrant.machines.site.model import Schema
from bootgrant.machines.talos.field_classes import FieldClass
from bootgrant.machines.talos.tables import NEWEST, talos_tables
from bootgrant.machines.yaml.reading import MappingNode, Node, ParsedYaml, ScalarNode, SequenceNode, is_null, parse_yaml

REDACTED: Final = "<redacted>"
_SHORTEST_ANYWHERE: Final = 8
"""Values of an encrypted file with this many characters are hidden anywhere, not only under their own key."""
_SHORTEST_IN_MESSAGES: Final = 4
"""Values of an encrypted file with this many characters are removed from messages: ``yes`` gives nothing away."""
_SHORTEST_BEGINNING: Final = 12
_REPEATED: Final = re.compile(r"'([^']{4,})'|\"([^\"]{4,})\"|(?<=[*&])([^\s*&]{4,})|([^\s'\"]{4,})(?= is not defined)")
"""What a message repeats of a template, an expression, or YAML that is not valid."""
_NEVER_ESCAPED: Final = re.compile(r"[\w .,:;/+=@$-]*", re.ASCII)
_ONE_WORD = re.compile(r"[^\s\\\"'#]+")
_COMMENT = re.compile(r"(?m)(^|(?<=\s))#.*$")
_BLOCK = re.compile(r"(?:[&!]\S*\s+)*[|>]")
_CLOUD_CONFIG: Final = "#cloud-config"
LINE: Final = re.compile(
    r"(?m)^([ \t]*(?:-[ \t]+)?(?:export[ \t]+)?[\"']?([\w.-]+)[\"']?\s*[:=]\s*)(\S(?:.*\S)?)[ \t\r]*$"
)
"""A line of a text that has a name and a value."""
_COLUMN: Final = 60
"""Where the names of layers begin, if the line is not longer."""

Label = Callable[[str], str]
"""Returns the text that replaces a secret."""
Edit = tuple[int, int, str]
"""Start and end in the text, and what replaces the characters between them."""


@dataclass(frozen=True, slots=True, repr=False)
class KnownSecrets:
    """Secrets known by where they came from: ``values`` anywhere, ``pairs`` only under the same key.

    With ``hides_comments``, no comment is shown, because a comment may repeat a secret in any words.
    """

    values: frozenset[str] = frozenset()
    pairs: frozenset[tuple[str, str]] = frozenset()
    hides_comments: bool = False

    def joined(self, other: KnownSecrets) -> KnownSecrets:
        hides_comments = self.hides_comments or other.hides_comments
        return KnownSecrets(self.values | other.values, self.pairs | other.pairs, hides_comments)

    def is_in(self, key: str, text: str) -> bool:
        stripped = text.strip()
        # Talos writes URLs in its own way, with other characters percent-encoded.
        forms = (text, unquote(text)) if "%" in text else (text,)
        return (key, stripped) in self.pairs or any(value in form for value in self.values for form in forms)


NO_SECRETS: Final = KnownSecrets()


def secrets_of(content: bytes) -> KnownSecrets:
    """Return every value of an encrypted file as a secret; its comments are hidden too."""
    parsed = parse_yaml(content)
    if parsed.error is None:
        roots = [root for root in parsed.documents if not is_null(root)]
        pairs = [(key, scalar.text.strip()) for root in roots for key, scalar in (*scalars_in(root), *_patched(root))]
    else:
        lines = (line.strip() for line in content.decode("utf-8", "replace").splitlines())
        pairs = [("", line) for line in lines if line]
    return KnownSecrets(
        frozenset(text for _, text in pairs if len(text) >= _SHORTEST_ANYWHERE),
        frozenset(pair for pair in pairs if pair[1]),
        hides_comments=True,
    )


def _patched(root: Node) -> Iterator[tuple[str, ScalarNode]]:
    """Yield the values of a JSON patch (RFC 6902) under the key that they get: the last name in ``path``."""
    for operation in root.items if isinstance(root, SequenceNode) else ():
        path, value = (operation.get(key) if isinstance(operation, MappingNode) else None for key in ("path", "value"))
        if isinstance(path, ScalarNode) and value is not None:
            names = [name for name in path.text.split("/") if name and name != "-" and not name.isdigit()]
            last = names[-1].replace("~1", "/").replace("~0", "~") if names else ""
            yield from ((key or last, scalar) for key, scalar in scalars_in(value))


def secret_value(text: str) -> KnownSecrets:
    """Return the output of a command of the site as a secret."""
    return KnownSecrets(frozenset({text.strip()} - {""}), hides_comments=True)


def is_written_verbatim(text: str) -> bool:
    """Whether a value appears in a configuration character by character, however it is quoted there.

    It does if it has no spaces, line ends, quotes or backslashes.
    """
    return _ONE_WORD.fullmatch(text.strip()) is not None


def without_secrets(known: KnownSecrets, message: str) -> str:
    """Return a message without any known secret: whole, escaped, its beginning, or a word of it that is repeated."""
    texts = known.values | {text for _, text in known.pairs if len(text) >= _SHORTEST_IN_MESSAGES}
    lines = {line for text in texts if "\n" in text for line in text.split("\n") if len(line) >= _SHORTEST_ANYWHERE}
    escaped = [text for text in texts | lines if not _NEVER_ESCAPED.fullmatch(text)]
    forms = texts | lines | {form for text in escaped for form in (repr(text)[1:-1], json.dumps(text)[1:-1])}
    ordered = sorted(forms, key=len, reverse=True)
    for text in ordered:
        message = message.replace(text, REDACTED)
    for text in ordered:
        if text[:_SHORTEST_BEGINNING] in message:
            message = _without_beginning(text, message)

    def put(found: re.Match[str]) -> str:
        part = found[found.lastindex or 0]
        return found[0].replace(part, REDACTED) if any(part in text for text in texts) else found[0]

    return _REPEATED.sub(put, message)


def _without_beginning(text: str, message: str) -> str:
    """Return a message without the first characters of a text, as many as are in it: another program shortens it."""
    head = text[:_SHORTEST_BEGINNING]
    if len(head) == len(text):
        return message
    at = message.find(head)
    while at >= 0:
        common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(text, message[at:], strict=False)))
        message = message[:at] + REDACTED + message[at + common :]
        at = message.find(head, at)
    return message


def preview(
    parsed: ParsedYaml,
    known: KnownSecrets | None,
    origins: Mapping[str, str] | None = None,
    label: Label = lambda _: REDACTED,
    *,
    schema: Schema = Schema.YAML,
    release: str = NEWEST,
) -> str:
    """Return a configuration as text, with ``label(secret)`` for everything that is hidden; the rest is unchanged.

    Without ``known``, all is shown. With ``origins`` (``document/path.of.value`` to a layer's file), each line ends in
    the layers of its values. The tables of the Talos ``release`` say what its fields hold. The comments of a Talos
    configuration are not shown: they are free text. Of a text with anything from an encrypted file nothing is shown.
    """
    edits: list[Edit] = []
    if known is not None:
        if schema is Schema.TEXT and known.pairs:
            # A value of an encrypted file may be written in several ways in a text.
            return label(parsed.text)
        if schema is Schema.TEXT or (parsed.error is not None and not parsed.documents):
            return _redacted_lines(parsed.text, known, label)
        if schema is Schema.TALOS:
            known = known.joined(KnownSecrets(hides_comments=True))
        edits = _redactions(parsed, known, label, classes_of(parsed, schema, talos_tables(release)))
    text = _edited(parsed.text, edits)
    return _annotated(text, parsed, edits, origins) if origins else text


def _redactions(parsed: ParsedYaml, known: KnownSecrets, label: Label, classes: Mapping[int, FieldClass]) -> list[Edit]:
    """Return the edits that hide all secrets, in order and without overlaps."""
    scalars = [pair for root in parsed.documents for pair in scalars_in(root)]
    keys = [key for root in parsed.documents for key in _keys(root)]
    places = ((key, scalar, classes.get(scalar.start, FieldClass.SHOWN)) for key, scalar in scalars)
    found = [edit for key, scalar, holds in places for edit in _hidden(parsed.text, key, scalar, holds, known, label)]
    found += [
        (key.start, key.end, label(key.text)) for key in keys if known.is_in("", key.text) or looks_secret(key.text)
    ]
    if known.hides_comments:
        found += _comments(parsed.text, [*(scalar for _, scalar in scalars), *keys])
    edits: list[Edit] = []
    for edit in sorted(set(found)):
        if not edits or edit[0] >= edits[-1][1]:
            edits.append(edit)
    return edits


def _hidden(
    text: str, key: str, scalar: ScalarNode, holds: FieldClass, known: KnownSecrets, label: Label
) -> Iterator[Edit]:
    start, end = scalar.start, scalar.start + len(text[scalar.start : scalar.end].rstrip())
    shown = readable_part(scalar, holds, label)
    if (scalar.text and known.is_in(key, scalar.text)) or (shown is None and _is_secret(key, scalar)):
        yield start, end, label(scalar.text)
    elif shown is not None:
        raw = text[start:end]
        whole = label(scalar.text)
        is_partly_readable = shown != whole and scalar.text in raw and not looks_secret(shown)
        yield start, end, raw.replace(scalar.text, shown) if is_partly_readable else whole
    elif "\n" in scalar.text:
        raw = text[start:end]
        clean = _redacted_lines(raw, known, label)
        if known.hides_comments and _BLOCK.match(raw):
            heading, end_of_line, lines = clean.partition("\n")
            clean = _COMMENT.sub("", heading) + end_of_line + lines
        if clean != raw:
            yield start, end, clean


def _comments(text: str, scalars: Sequence[ScalarNode]) -> Iterator[Edit]:
    """Yield an edit that removes each comment: everything outside of keys and values that begins with #."""
    at = len(_CLOUD_CONFIG) if text.startswith(_CLOUD_CONFIG) else 0
    for start, end in [*sorted({(scalar.start, scalar.end) for scalar in scalars}), (len(text), len(text))]:
        yield from ((at + hit.start(), at + hit.end(), "") for hit in _COMMENT.finditer(text[at:start]))
        if _BLOCK.match(text, start):
            # The first line of a block scalar may end in a comment.
            heading = text[start:end].split("\n", 1)[0]
            yield from ((start + hit.start(), start + hit.end(), "") for hit in _COMMENT.finditer(heading))
        at = max(at, end)


def _is_secret(key: str, scalar: ScalarNode) -> bool:
    if not scalar.text or (scalar.plain and is_null(scalar)):
        return False
    return looks_secret(scalar.text) or is_secret_name(key)


def _redacted_lines(text: str, known: KnownSecrets, label: Label) -> str:
    """Redact a text that is not YAML: every line that looks like a key and a value."""
    if PRIVATE_KEY.search(text):
        return label(text)

    def put(line: re.Match[str]) -> str:
        return line[1] + label(line[3]) if is_secret_variable(line[2]) or known.is_in(line[2], line[3]) else line[0]

    def whole(line: str) -> str:
        return label(line) if ("", line.strip()) in known.pairs or looks_secret(line) else line

    clean = LINE.sub(put, "\n".join(whole(line) for line in text.split("\n")))
    for value in sorted(known.values, key=len, reverse=True):
        clean = clean.replace(value, label(value))
    return clean


def _edited(text: str, edits: Sequence[Edit]) -> str:
    pieces, at = [], 0
    for start, end, replacement in edits:
        pieces += [text[at:start], replacement]
        at = end
    return "".join([*pieces, text[at:]])


def _annotated(text: str, parsed: ParsedYaml, edits: Sequence[Edit], origins: Mapping[str, str]) -> str:
    """Append the layers of its values to each line of the edited text, as a comment."""
    starts = [start for start, _, _ in edits]
    moved = list(accumulate((len(new) - (end - start) for start, end, new in edits), initial=0))
    line_ends = [match.start() for match in re.finditer("\n", text)]
    layers: dict[int, list[str]] = defaultdict(list)
    for path, scalar in (leaf for root in parsed.documents for leaf in _leaves(root, f"{_label(root)}/")):
        layer = origins.get(path)
        if layer is not None:
            start = scalar.start + moved[bisect_left(starts, scalar.start)]
            layers[bisect_left(line_ends, start)].append(layer)
    lines = text.split("\n")
    for line, names in layers.items():
        lines[line] = f"{lines[line]:<{_COLUMN}}  # {', '.join(dict.fromkeys(names))}"
    return "\n".join(lines)


def _label(root: Node) -> str:
    """Return the composer's name for a document: its kind and name, ``v1alpha1`` for the one without a kind."""
    if not isinstance(root, MappingNode):
        return ""
    kind, name = root.get("kind"), root.get("name")
    if not isinstance(kind, ScalarNode):
        return "v1alpha1"
    return f"{kind.text}:{name.text}" if isinstance(name, ScalarNode) else kind.text


def _leaves(node: Node, path: str) -> Iterator[tuple[str, ScalarNode]]:
    match node:
        case ScalarNode():
            yield path, node
        case SequenceNode():
            for index, item in enumerate(node.items):
                yield from _leaves(item, f"{path}[{index}]")
        case MappingNode():
            for key, value in node.pairs:
                yield from _leaves(value, path + key.text if path.endswith("/") else f"{path}.{key.text}")


def scalars_in(root: Node) -> Iterator[tuple[str, ScalarNode]]:
    """Yield every scalar with its key; the elements of a list have the list's key."""
    return ((key, node) for key, node in _nodes(root) if isinstance(node, ScalarNode))


def _keys(root: Node) -> Iterator[ScalarNode]:
    return (key for _, node in _nodes(root) if isinstance(node, MappingNode) for key, _ in node.pairs)


def _nodes(root: Node) -> Iterator[tuple[str, Node]]:
    todo = [("", root)]
    while todo:
        key, node = todo.pop()
        yield key, node
        if isinstance(node, SequenceNode):
            todo += [(key, inner) for inner in reversed(node.items)]
        elif isinstance(node, MappingNode):
            todo += [(name.text, inner) for name, inner in reversed(node.pairs)]
