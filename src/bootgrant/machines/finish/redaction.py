"""What is secret in a configuration, and the same text with it blacked out.

Secret is what came from an encrypted file or a command of the site, what stands under a name that means so (``token``,
``ca.key``, ``password``), private keys, and what URLs carry. In doubt it is secret: a preview may hide too much.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bootgrant.machines.yaml.marked import Items, MarkedError, Node, Pairs, Scalar, documents, is_null
from bootgrant.wire.limits import CONFIG

REDACTED: Final = "<redacted>"
_SHORTEST = 8
"""Characters from which on a secret is looked for anywhere, not only under its own name."""
_SHORTEST_TOLD = 4
"""Characters from which on a value of an encrypted file is taken out of messages: ``true`` and ``yes`` tell nothing."""
_NAMES: Final = frozenset(
    {
        "key", "token", "secret", "password", "passwd", "passphrase", "psk", "auth", "credentials", "hash",
        "privatekey", "presharedkey", "rsaprivate", "ecdsaprivate", "ed25519private", "dsaprivate", "apikey",
        "secretkey", "accesskey",
    }
)  # fmt: skip
_ENDS: Final = (
    "token", "secret", "password", "passwd", "passphrase", "privatekey", "presharedkey", "passwordhash", "apikey",
    "secretkey", "accesskey", "credentials",
)  # fmt: skip
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----|AGE-SECRET-KEY-1|\bLS0tLS1CRUdJTi(?!BDRVJU)")
_KUBERNETES_SECRET = re.compile(r"^\s*kind:\s*[\"']?Secret\b", re.MULTILINE)
_URL = re.compile(r"://[^/\s]*:[^/\s]*@|[?&][\w.-]*(?:token|secret|password|key)=|^data:", re.IGNORECASE)
_ONE_WORD = re.compile(r"[^\s\\\"'#]+")
_COMMENT = re.compile(r"(?m)(^|(?<=\s))#.*$")
_CLOUD_CONFIG: Final = "#cloud-config"
_LINE = re.compile(r"(?m)^(\s*(?:-\s+)?(?:export\s+)?[\"']?([\w.-]+)[\"']?\s*[:=]\s*)(\S.*?)\s*$")

Label = Callable[[str], str]
"""From a secret to what stands in its place."""


@dataclass(frozen=True, slots=True, repr=False)
class KnownSecrets:
    """What is secret because of where it came from: ``values`` anywhere, ``pairs`` under the same key only.

    ``hides_comments``: a comment may repeat what is secret in any words, so that none of them is shown.
    """

    values: frozenset[str] = frozenset()
    pairs: frozenset[tuple[str, str]] = frozenset()
    hides_comments: bool = False

    def joined(self, other: KnownSecrets) -> KnownSecrets:
        hides_comments = self.hides_comments or other.hides_comments
        return KnownSecrets(self.values | other.values, self.pairs | other.pairs, hides_comments)

    def is_in(self, key: str, text: str) -> bool:
        stripped = text.strip()
        return (key, stripped) in self.pairs or any(value in text for value in self.values)


NO_SECRETS: Final = KnownSecrets()


def secrets_of(content: bytes) -> KnownSecrets:
    """Every value of a file that was encrypted, and its comments."""
    try:
        roots = documents(content, CONFIG)
        pairs = [(key, scalar.text.strip()) for root in roots for key, scalar in (*_scalars(root), *_patched(root))]
    except MarkedError:
        lines = (line.strip() for line in content.decode("utf-8", "replace").splitlines())
        pairs = [("", line) for line in lines if line]
    return KnownSecrets(
        frozenset(text for _, text in pairs if len(text) >= _SHORTEST),
        frozenset(pair for pair in pairs if pair[1]),
        hides_comments=True,
    )


def _patched(root: Node) -> Iterator[tuple[str, Scalar]]:
    """Values of a JSON patch (RFC 6902) under the key that they get: the last name in ``path``."""
    for operation in root.nodes if isinstance(root, Items) else ():
        path, value = (operation.get(key) if isinstance(operation, Pairs) else None for key in ("path", "value"))
        if isinstance(path, Scalar) and value is not None:
            names = [name for name in path.text.split("/") if name and name != "-" and not name.isdigit()]
            last = names[-1].replace("~1", "/").replace("~0", "~") if names else ""
            yield from ((key or last, scalar) for key, scalar in _scalars(value))


def secret_value(text: str) -> KnownSecrets:
    """What a command of the site printed."""
    return KnownSecrets(frozenset({text.strip()} - {""}), hides_comments=True)


def is_found_as_it_is(text: str) -> bool:
    """Whether a value that a template writes down stands in the configuration letter by letter, however it is quoted
    there: it has no spaces, line ends, quotes or backslashes."""
    return _ONE_WORD.fullmatch(text.strip()) is not None


def told_without(known: KnownSecrets, message: str) -> str:
    """A message without any secret that it may repeat."""
    texts = known.values | {text for _, text in known.pairs if len(text) >= _SHORTEST_TOLD}
    for text in sorted(texts, key=len, reverse=True):
        message = message.replace(text, REDACTED)
    return message


def is_secret_name(name: str) -> bool:
    """Whether what stands under this key is secret by its name."""
    folded = re.sub(r"[^a-z0-9]", "", name.lower())
    return folded in _NAMES or folded.endswith(_ENDS)


def clear_secrets(content: bytes) -> list[tuple[str, int]]:
    """Secrets that stand in a file as they are: the key and the line of each."""
    try:
        found = [(key, scalar) for root in documents(content, CONFIG) for key, scalar in _scalars(root)]
    except MarkedError:
        text = content.decode("utf-8", "replace")
        return [
            (line[2], text.count("\n", 0, line.start(2)) + 1)
            for line in _LINE.finditer(text)
            if is_secret_name(line[2]) and "{{" not in line[3]
        ]
    return [(key, scalar.line) for key, scalar in found if _is_secret(key, scalar) and "{{" not in scalar.text]


def redacted(config: bytes, known: KnownSecrets, label: Label = lambda _: REDACTED) -> str:
    """``config`` as text, every secret replaced by ``label(secret)``; the rest is as it was."""
    text = config.decode("utf-8-sig", "replace")
    try:
        roots = documents(text.encode(), CONFIG)
    except MarkedError:
        return _redacted_lines(text, known, label)
    spans: list[tuple[int, int, str]] = []
    for root in roots:
        for key, scalar in _scalars(root):
            spans += _hidden(text, key, scalar, known, label)
        spans += [(key.start, key.end, label(key.text)) for key in _keys(root) if known.is_in("", key.text)]
    if known.hides_comments:
        spans += _comments(text, roots)
    pieces, at = [], 0
    for start, end, put in sorted(set(spans)):
        if start >= at:
            pieces += [text[at:start], put]
            at = end
    return "".join([*pieces, text[at:]])


def _hidden(text: str, key: str, scalar: Scalar, known: KnownSecrets, label: Label) -> Iterator[tuple[int, int, str]]:
    start, end = scalar.start, scalar.start + len(text[scalar.start : scalar.end].rstrip())
    if _is_secret(key, scalar) or (scalar.text and known.is_in(key, scalar.text)):
        yield start, end, label(scalar.text)
    elif "\n" in scalar.text:
        raw = text[start:end]
        clean = _redacted_lines(raw, known, label)
        if known.hides_comments and raw.startswith(("|", ">")):
            heading, end_of_line, lines = clean.partition("\n")
            clean = _COMMENT.sub("", heading) + end_of_line + lines
        if clean != raw:
            yield start, end, clean


def _comments(text: str, roots: Sequence[Node]) -> Iterator[tuple[int, int, str]]:
    """Everything that is neither key nor value and begins with #, with what becomes of it."""
    told = [scalar for root in roots for _, scalar in _scalars(root)] + [key for root in roots for key in _keys(root)]
    at = len(_CLOUD_CONFIG) if text.startswith(_CLOUD_CONFIG) else 0
    for start, end in [*sorted({(scalar.start, scalar.end) for scalar in told}), (len(text), len(text))]:
        yield from ((at + hit.start(), at + hit.end(), "") for hit in _COMMENT.finditer(text[at:start]))
        if text[start : start + 1] in ("|", ">"):
            # The line that a text of several lines begins with may end in a comment.
            heading = text[start:end].split("\n", 1)[0]
            yield from ((start + hit.start(), start + hit.end(), "") for hit in _COMMENT.finditer(heading))
        at = max(at, end)


def _is_secret(key: str, scalar: Scalar) -> bool:
    if not scalar.text or is_null(scalar):
        return False
    text = scalar.text
    by_look = _PRIVATE_KEY.search(text) or _URL.search(text) or _KUBERNETES_SECRET.search(text)
    return by_look is not None or is_secret_name(key)


def _redacted_lines(text: str, known: KnownSecrets, label: Label) -> str:
    """A text of another kind: by its lines, as far as they look like a key and a value."""
    if _PRIVATE_KEY.search(text):
        return label(text)

    def put(line: re.Match[str]) -> str:
        return line[1] + label(line[3]) if is_secret_name(line[2]) or known.is_in(line[2], line[3]) else line[0]

    def whole(line: str) -> str:
        return label(line) if ("", line.strip()) in known.pairs else line

    clean = _LINE.sub(put, "\n".join(whole(line) for line in text.split("\n")))
    for value in sorted(known.values, key=len, reverse=True):
        clean = clean.replace(value, label(value))
    return clean


def _scalars(root: Node) -> Iterator[tuple[str, Scalar]]:
    """Every value with the key that it stands under; a list's members stand under the list's key."""
    todo: list[tuple[str, Node]] = [("", root)]
    while todo:
        key, node = todo.pop()
        match node:
            case Scalar():
                yield key, node
            case Items():
                todo += [(key, inner) for inner in reversed(node.nodes)]
            case Pairs():
                todo += [(name.text, inner) for name, inner in reversed(node.nodes)]


def _keys(root: Node) -> Iterator[Scalar]:
    todo = [root]
    while todo:
        match todo.pop():
            case Items(nodes):
                todo += nodes
            case Pairs(pairs):
                yield from (key for key, _ in pairs)
                todo += (inner for _, inner in pairs)
            case Scalar():
                pass
