"""Validate finished configurations: find what Talos would reject before a machine gets it.

Talos's own rules are in talos.validation. A site may add a JSON Schema (``schema_file``) and ``talosctl validate``. No
message repeats a value of the configuration, because it may be secret.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from bootgrant.machines.finish.places import place_of
from bootgrant.machines.finish.precious import precious_fields
from bootgrant.machines.site.model import Schema
from bootgrant.machines.talos.documents import (
    MACHINE_TYPES,
    ComposeError,
    check_conflicts,
    documents_of,
    machine_type,
    read_configuration,
)
from bootgrant.machines.talos.tables import LEGACY, NEWEST, talos_tables
from bootgrant.machines.talos.validation.report import Objection
from bootgrant.machines.talos.validation.whole import validate
from bootgrant.machines.yaml.reading import MappingNode, Node, ParsedYaml, ScalarNode, YamlError, is_null, quoted
from bootgrant.machines.yaml.scalars import CoreValue, core_value
from bootgrant.wire.limits import CONFIG

_LEGACY_KEYS: Final = ("machine", "cluster", "debug", "persist")
_READ_AS_WORKER: Final = frozenset({"join", ""})
_NO_RULES: Final = 'what Talos refuses, because composer = "talosctl" leaves that to a talosctl that is not used here'
_CLIENT_ONLY: Final = "the versions of Kubernetes, at which only a machine looks, and not talosctl validate"
_VERBS: Final = ("must ", "may ", "needs ", "is ", "has ")
_MOST_FAULTS: Final = 20
TALOS: Final = "talos"
"""The rule of a fault that Talos's own checks find."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault in a finished configuration; ``line`` counts from 1.

    A fault that is not fatal is for a person to look at; a machine would accept the configuration. ``document`` is the
    label of the document that it is in, and ``path`` the value; both are empty if that is not known. ``rule`` says who
    warns: the site's ``schema``, or ``talos``. One with ``is_note`` needs nobody's attention.
    """

    message: str
    line: int
    is_fatal: bool = True
    document: str = ""
    path: str = ""
    rule: str = "schema"
    is_note: bool = False


class DocumentSchema(Protocol):
    """The JSON Schema of a Talos version (finish.talos_schema)."""

    @property
    def content(self) -> bytes: ...

    def faults(self, kind: tuple[str, str], document: CoreValue, line: int) -> Iterator[Fault]:
        """Yield the faults of a document of this (apiVersion, kind); the legacy document has ("", "")."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What finished Talos configurations are checked against.

    ``tables``: the types and the rules of the built-in tables (not if another composer knows other versions of Talos).
    ``program``: another program (``talosctl validate``), which returns its error or an empty text.
    """

    schema: DocumentSchema | None = None
    tables: bool = True
    program: Callable[[bytes], str] | None = None


@dataclass(slots=True)
class Judgement:
    """The result of a validation: faults, and Talos's machine type even if the entry has another schema.

    ``unchecked``: what only the machine can check, each in words.
    ``precious``: the fields with a private key or secret of a cluster.
    """

    faults: list[Fault]
    machine_type: str = ""
    unchecked: tuple[str, ...] = ()
    precious: tuple[str, ...] = ()


def judge(parsed: ParsedYaml, schema: Schema, rules: Rules, release: str = "") -> Judgement:
    """Validate a finished configuration, one of Talos by the rules of a release such as ``1.12``, and find what makes
    it precious.

    An empty release means that nobody said which one the machine runs: the newest is assumed.
    """
    judgement = _validated(parsed, schema, rules, release)
    judgement.precious = precious_fields(parsed, schema, talos_tables(release or NEWEST))
    return judgement


def _validated(parsed: ParsedYaml, schema: Schema, rules: Rules, release: str) -> Judgement:
    if not parsed.content.strip():
        return Judgement([Fault("it is empty: the machine would continue without a configuration", 1)])
    if len(parsed.content) > CONFIG:
        return Judgement([Fault(f"it is larger than {CONFIG >> 20} MiB", 1)])
    match schema:
        case Schema.TEXT:
            return _plain(parsed, [])
        case Schema.JSON | Schema.IGNITION:
            return _plain(parsed, _json_faults(parsed.content))
        case Schema.TALOS:
            return _talos(parsed, rules, release)
        case Schema.YAML | Schema.CLOUD_CONFIG:
            return _plain(parsed, [] if parsed.error is None else [_yaml_fault(parsed.error)])


def _plain(parsed: ParsedYaml, found: list[Fault]) -> Judgement:
    """Judge a configuration of another kind. It may still be a control plane of Talos."""
    kind = machine_type(parsed.documents)
    if not kind:
        return Judgement(found)
    message = "it looks like a Talos configuration but is not checked as one: write schema: talos, or remove schema"
    return Judgement([*found, Fault(message, 1, is_fatal=False)], kind)


def _talos(parsed: ParsedYaml, rules: Rules, release: str) -> Judgement:
    """Check against the tables, then the schema, then the other program, whichever of them the site uses.

    Talos takes more than its schema describes: what the tables accept is a warning if only the schema objects. The
    program has the last word: what it refuses is refused, and its reasons are added to those of the tables.
    """
    found, unchecked = _by_tables(parsed, release) if rules.tables else ([], ())
    if not rules.tables:
        unchecked = (_NO_RULES if rules.program is None else _CLIENT_ONLY,)
        found = _by_names(parsed, rules)
    elif rules.schema is not None and not _is_refused(found):
        # The tables have every key, so one that the schema lacks is deprecated: talosctl generates such keys, too.
        found += [replace(fault, is_fatal=False) for fault in _by_schema(parsed, rules.schema)]
    if rules.program is not None and parsed.error is None and (message := rules.program(parsed.content)):
        found.append(Fault(message, 1))
    return Judgement(found, machine_type(parsed.documents), unchecked)


def _is_refused(faults: Sequence[Fault]) -> bool:
    return any(fault.is_fatal for fault in faults)


def _by_tables(parsed: ParsedYaml, release: str) -> tuple[list[Fault], tuple[str, ...]]:
    """Find what Talos's parser and its validation reject; the second value is what could not be checked."""
    tables = talos_tables(release or NEWEST)
    try:
        read = read_configuration(documents_of(parsed, ""), tables, "")
        check_conflicts(read, "")
    except ComposeError as wrong:
        return [Fault(wrong.message, wrong.line or 1)], ()
    report = validate(read, tables, is_assumed=not release)
    roots = {root.line: root for root in parsed.documents}
    ordered = sorted(report.objections, key=lambda objection: not objection.is_fatal)
    return [_fault(objection, roots) for objection in ordered[:_MOST_FAULTS]], tuple(report.unchecked)


def _fault(objection: Objection, roots: Mapping[int, Node]) -> Fault:
    """Return a fault at the line of the value, or of its closest parent that exists."""
    document = objection.document
    if document is None:
        return Fault(objection.message, 1, objection.is_fatal, rule=TALOS)
    label = document.label
    line = place_of(roots[document.line], objection.path).line
    where = " ".join(word for word in ("" if label == LEGACY else label, objection.path) if word)
    separator = " " if objection.message.startswith(_VERBS) else ": "
    return Fault(f"{where}{separator}{objection.message}", line, objection.is_fatal, label, objection.path, TALOS)


def _by_schema(parsed: ParsedYaml, schema: DocumentSchema) -> list[Fault]:
    found: list[Fault] = []
    for root in parsed.documents:
        kind = _kind(root) if isinstance(root, MappingNode) else None
        if isinstance(root, MappingNode) and isinstance(kind, tuple):
            found += schema.faults(kind, core_value(root), root.line)
    return found[:_MOST_FAULTS]


def _by_names(parsed: ParsedYaml, rules: Rules) -> list[Fault]:
    """Check what does not depend on types, and check against the schema."""
    if parsed.error is not None:
        return [_yaml_fault(parsed.error)]
    return _documents_faults([root for root in parsed.documents if not is_null(root)], rules)[:_MOST_FAULTS]


def _yaml_fault(error: YamlError) -> Fault:
    return Fault(error.message, error.line or 1)


def _type_faults(kind: str, line: int, *, has_machine: bool) -> list[Fault]:
    if not has_machine:
        return [Fault("machine is missing: add machine.type (controlplane or worker)", line)]
    if kind in _READ_AS_WORKER:
        found = f"it is {kind!r}" if kind else "it is missing"
        return [Fault(f"machine.type must be controlplane or worker; {found}, so it is a worker", line, is_fatal=False)]
    if kind not in MACHINE_TYPES:
        return [Fault(f"machine.type must be controlplane or worker; it is {quoted(kind)}", line)]
    return []


def _json_faults(config: bytes) -> list[Fault]:
    try:
        json.loads(config)
    except RecursionError:
        return [Fault("nested too deeply", 1)]
    except json.JSONDecodeError as error:
        return [Fault(f"not JSON: {error.msg}", error.lineno)]
    except ValueError:
        return [Fault("not JSON: it is not UTF-8", 1)]
    return []


def _documents_faults(roots: Sequence[Node], rules: Rules) -> list[Fault]:
    found: list[Fault] = []
    seen: dict[tuple[str, str, str], int] = {}
    for root in roots:
        if not isinstance(root, MappingNode):
            found.append(Fault("a Talos document must be a mapping", root.line))
            continue
        kind = _kind(root)
        if isinstance(kind, Fault):
            found.append(kind)
            continue
        key = (*kind, _text(root, "name"))
        if key in seen:
            what = " ".join(part for part in key if part) or "the document with machine and cluster"
            found.append(Fault(f"{what} is repeated (first on line {seen[key]}): keep one of them", root.line))
        seen[key] = root.line
        found += _document_faults(root, kind, rules)
    if not roots:
        found.append(Fault("it has no documents", 1))
    return found


def _kind(root: MappingNode) -> tuple[str, str] | Fault:
    """Return (apiVersion, kind), or ("", "") for the document with machine and cluster."""
    version, kind = _text(root, "apiVersion"), _text(root, "kind")
    if kind and version:
        return version, kind
    if kind:
        return Fault(f"this {kind} has no apiVersion: add apiVersion: v1alpha1", root.line)
    if any(root.get(key) is not None for key in _LEGACY_KEYS):
        return "", ""
    return Fault("this document has no apiVersion and kind, and no machine or cluster: add them", root.line)


def _document_faults(root: MappingNode, kind: tuple[str, str], rules: Rules) -> list[Fault]:
    found = []
    if kind == ("", ""):
        found += _machine_faults(root)
    if rules.schema is not None and not _is_refused(found):
        # Without the tables, nobody knows whether an unknown key is deprecated or misspelled.
        objections = rules.schema.faults(kind, core_value(root), root.line)
        found += [replace(fault, is_note=False) for fault in objections]
    return found


def _machine_faults(root: MappingNode) -> list[Fault]:
    machine = root.get("machine")
    kind = _text(machine, "type") if isinstance(machine, MappingNode) else ""
    return _type_faults(kind, machine.line if machine else root.line, has_machine=isinstance(machine, MappingNode))


def _text(root: MappingNode, key: str) -> str:
    node = root.get(key)
    return node.text if isinstance(node, ScalarNode) else ""
