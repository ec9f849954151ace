"""Secrets in clear text in the files of a site, for `bootgrant check`.

They are looked for where a configuration has secrets (by the class of the field, or by its name), and where a site
writes freely: environment, contents of files, arguments, headers. A reference to a vault is a placeholder, not a
secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, takewhile
from typing import Final, NamedTuple

from bootgrant.machines.finish.hiding import classes_of
from bootgrant.machines.finish.redaction import LINE, scalars_in
from bootgrant.machines.finish.secret_looks import (
    KUBERNETES_SECRET,
    is_random,
    is_reference,
    is_secret_name,
    is_secret_variable,
    looks_secret,
)
from bootgrant.machines.site.files import LayerFile
from bootgrant.machines.site.findings import Finding, warning
from bootgrant.machines.site.model import Schema
from bootgrant.machines.talos.documents import is_talos
from bootgrant.machines.talos.field_classes import FieldClass, placed_in
from bootgrant.machines.talos.tables import NEWEST, TalosTables, talos_tables
from bootgrant.machines.yaml.reading import ParsedYaml, ScalarNode, SequenceNode, is_null, parse_yaml

_MOST_IN_A_FILE: Final = 5
_WEAK_NAMES: Final = frozenset({"key", "auth", "hash", "pat", "authorization", "secretkey"})
"""Names that also have harmless values: the key of a taint, the hash of a download."""
_SECRET_CLASSES: Final = frozenset({FieldClass.SECRET, FieldClass.OWN, FieldClass.PRECIOUS})
_FREE_YAML: Final = frozenset({FieldClass.YAML, FieldClass.PRECIOUS})
_NAMED_CLASSES: Final = frozenset({FieldClass.ASSIGNMENTS, FieldClass.ARGUMENTS})
_NOT_A_SECRET: Final = re.compile(
    r"(?is)[\"']?(?:true|false|yes|no|on|off|null|none|~|/[\w./@-]*|\d{1,3}|\[\]|\{\}|[`$(|>&*].*|(?-i:[a-z0-9.-]+-secrets?))?[\"']?,?"
)
_PUBLIC_BLOCK: Final = re.compile(
    r"(?s)-----BEGIN (?![A-Z0-9 ]*PRIVATE)[A-Z0-9 ]+-----(?:.*?(-----END [A-Z0-9 ]+-----)|.*)"
)
"""A block of PEM that anyone may read. One without an end is the rest of the text, so that no text is read twice."""
_PUBLIC: Final = re.compile(r"(?i)public|ssh-|ecdsa-|AAAA[BCE]3N|sha(?:256|384|512)[-:]|\bh1:|certificate|\bLS0tLS1C")
_WORDS: Final = re.compile(
    r"(?m)\blogin\s+\S+\s+password\s+\S+"
    r"|^[ \t]*MONITOR\s+\S[^\s@]*@\S+\s+\d+\s+\S+\s+\S+\s+(?:master|slave|primary|secondary)\b"
)
"""Passwords without a name next to them: .netrc, and the UPS monitor of NUT."""

_DATA: Final = re.compile(r"[ \t]*[\"']?(?:data|stringData)[\"']?:")


class _Value(NamedTuple):
    key: str
    scalar: ScalarNode
    holds: FieldClass


def clear_text_secrets(files: Mapping[str, bytes]) -> list[Finding]:
    """Return a warning for each secret in a file that is not encrypted."""
    tables = talos_tables(NEWEST)
    found = []
    for path, content in files.items():
        if LayerFile(path).is_encrypted or b"ENC[" in content:
            continue
        secrets = list(dict.fromkeys(_secrets_in(parse_yaml(content), tables)))
        for name, line in secrets[:_MOST_IN_A_FILE]:
            message = (
                f"{name or 'a value'} is a secret in clear text: encrypt the file (age, SOPS), or get the value from a "
                "program (exec)"
            )
            found.append(warning("secret-in-clear", message, path, line))
        if len(secrets) > _MOST_IN_A_FILE:
            message = f"{len(secrets) - _MOST_IN_A_FILE} more secrets in clear text from this line on"
            found.append(warning("secret-in-clear", message, path, secrets[_MOST_IN_A_FILE][1]))
    return found


def _secrets_in(parsed: ParsedYaml, tables: TalosTables) -> Iterator[tuple[str, int]]:
    """Yield the name and the line of each secret in a file; values from templates do not count."""
    if parsed.error is not None or all(isinstance(root, ScalarNode) for root in parsed.documents):
        # A script may happen to be valid YAML: one long text.
        yield from _in_text(parsed.text, 1, "")
        return
    for value in _values(parsed, tables):
        if value.scalar.text and not (value.scalar.plain and is_null(value.scalar)):
            yield from _in_value(value, parsed.text)


def _values(parsed: ParsedYaml, tables: TalosTables) -> Iterator[_Value]:
    if is_talos(parsed) or any(isinstance(root, SequenceNode) for root in parsed.documents):
        placed = (each for each in placed_in(parsed.documents, tables) if not each.is_key)
        yield from (_Value(each.key, each.scalar, each.holds) for each in placed)
        return
    classes = classes_of(parsed, Schema.YAML, tables)
    for root in parsed.documents:
        for key, scalar in scalars_in(root):
            yield _Value(key, scalar, classes.get(scalar.start, FieldClass.SHOWN))


def _in_value(value: _Value, source: str) -> Iterator[tuple[str, int]]:
    key, scalar, holds = value
    text, line = scalar.text, scalar.line
    is_block = source.startswith(("|", ">"), scalar.start)
    if is_reference(text) or ("{{" in text and not is_block) or (scalar.tag or "").startswith("!"):
        return
    if holds in _SECRET_CLASSES and is_secret_name(key):
        if not _NOT_A_SECRET.fullmatch(text):
            yield key, line
    elif holds in _NAMED_CLASSES:
        name, _, assigned = text.partition("=")
        if _is_assigned(name.lstrip("-"), assigned) or looks_secret(text) or _looks_random(assigned):
            yield name.lstrip("-") if assigned else key, line
    elif _is_assigned(key, text):
        yield key, line
    elif is_block or holds is FieldClass.TEXT:
        found = _in_text(text, line + 1, key)
        yield from found if is_block else ((name, line) for name, _ in found)
    elif looks_secret(text) or (holds in _FREE_YAML and _looks_random(text)):
        yield key, line


def _in_text(text: str, first: int, key: str) -> Iterator[tuple[str, int]]:
    """Yield what is in the lines of a text that is not YAML, such as the content of a file."""
    if "PRIVATE KEY" in text and looks_secret(text):
        yield key, first
        return
    text = _PUBLIC_BLOCK.sub(lambda block: "\n" * block[0].count("\n") if block[1] else block[0], text)
    has_more = looks_secret(text) or _WORDS.search(text) is not None or (bool(key) and is_random(text))
    lines = text.split("\n")
    for number, line in enumerate(lines, first):
        named = LINE.match(line)
        if named and named[3].startswith("//"):
            named = None
        if "{{" in line:
            continue
        if named and _is_assigned(named[2], named[3]):
            yield named[2], number
        elif KUBERNETES_SECRET.match(line):
            if _has_data(lines, number - first):
                yield "a Kubernetes Secret", number
        elif has_more and not (named and is_reference(named[3])) and _has_secret(line, key):
            yield named[2] if named else key, number


def _has_data(lines: Sequence[str], at: int) -> bool:
    """Whether the manifest that this line is in has data: a Secret without any hides nothing."""
    before = takewhile(_is_same_manifest, reversed(lines[:at]))
    after = takewhile(_is_same_manifest, lines[at:])
    return any(_DATA.match(line) for line in chain(before, after))


def _is_same_manifest(line: str) -> bool:
    return not line.startswith("---")


def _has_secret(line: str, key: str) -> bool:
    return looks_secret(line) or _WORDS.search(line) is not None or (bool(key) and _looks_random(line))


def _is_assigned(name: str, value: str) -> bool:
    """Whether a name is one of a secret, and the value is one."""
    if not is_secret_variable(name) or is_reference(value) or _NOT_A_SECRET.fullmatch(value):
        return False
    if re.sub(r"[^a-z0-9]", "", name.lower()) in _WEAK_NAMES:
        return looks_secret(value) or _looks_random(value)
    return True


def _looks_random(text: str) -> bool:
    return _PUBLIC.search(text) is None and is_random(text)
