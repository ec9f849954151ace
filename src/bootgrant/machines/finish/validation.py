"""Whether a finished configuration may be served: what Talos refuses at once, found before a machine waits for it.

A schema of the site's Talos version (``schema_file``) looks deeper. Nothing here repeats a value of the configuration,
because it may be secret.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError

from bootgrant.machines.site.model import Schema
from bootgrant.machines.talos.composing import machine_type
from bootgrant.machines.talos.documents import check_conflicts, read_configuration
from bootgrant.machines.talos.parts import ComposeError, Part
from bootgrant.machines.talos.tables import LEGACY, NEWEST, talos_tables
from bootgrant.machines.yaml.marked import MarkedError, Node, Pairs, Scalar, Value, documents, value
from bootgrant.wire.limits import CONFIG

_LEGACY: Final = ("machine", "cluster", "debug", "persist")
_MACHINE_TYPES: Final = {"controlplane": "controlplane", "init": "controlplane", "worker": "worker"}
_YES_OR_NO: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false"})
_MOST_FAULTS: Final = 20


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong; ``line`` counts from 1 in the finished configuration.

    ``is_fatal`` is false for what a person should look at and a machine would take.
    """

    message: str
    line: int
    is_fatal: bool = True


class BadSchema(Exception):
    """A schema file that cannot be used; the text says why."""


class TalosSchema:
    """The JSON Schema of a Talos version: one definition for each kind of document."""

    def __init__(self, content: bytes) -> None:
        """Raises BadSchema."""
        try:
            root = json.loads(content)
            Draft202012Validator.check_schema(root)
        except (ValueError, RecursionError) as error:
            raise BadSchema(f"not JSON: {error}") from None
        except SchemaError as error:
            raise BadSchema(f"no JSON Schema: {error.message[:200]}") from None
        self._by_kind = {kind: _validator(root, name) for name, kind in _kinds(root)}
        if not self._by_kind:
            raise BadSchema("it describes no document of Talos: take config.schema.json of your Talos version")

    def faults(self, kind: tuple[str, str], document: Value, line: int) -> Iterator[Fault]:
        """What a document of this (apiVersion, kind) has against the schema; legacy configurations are ("", "").

        A key that the schema does not know is no reason to refuse: Talos leaves the deprecated ones out of its schema,
        and reads them.
        """
        validator = self._by_kind.get(kind)
        if validator is None:
            yield Fault(f"the kind {kind[1]} ({kind[0]}) is not in the schema of this Talos version", line)
            return
        for error in validator.iter_errors(document):
            if not _is_taken_by_talos(error):
                yield Fault(_told(error), line, error.validator != "additionalProperties")


def _kinds(root: object) -> Iterator[tuple[str, tuple[str, str]]]:
    definitions = root.get("$defs", {}) if isinstance(root, dict) else {}
    listed = root.get("oneOf", root.get("anyOf", [])) if isinstance(root, dict) else []
    for member in listed if isinstance(listed, list) else []:
        name = str(member.get("$ref", "")).removeprefix("#/$defs/") if isinstance(member, dict) else ""
        properties = definitions.get(name, {}).get("properties", {})
        if not properties:
            continue
        version, kind = (properties.get(key, {}).get("enum", [""])[0] for key in ("apiVersion", "kind"))
        yield name, (version, kind)


def _validator(root: Mapping[str, Any], name: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": root["$defs"]})


def _is_taken_by_talos(error: ValidationError) -> bool:
    """Talos reads a number as the text that it is written as, and any old spelling of yes and no."""
    if error.validator != "type":
        return False
    if error.validator_value == "string":
        return isinstance(error.instance, (int, float))
    return error.validator_value == "boolean" and str(error.instance).lower() in _YES_OR_NO


def _told(error: ValidationError) -> str:
    path = ".".join(str(step) for step in error.absolute_path) or "the document"
    match error.validator:
        case "additionalProperties":
            known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
            strange = sorted(set(error.instance) - set(known)) if isinstance(error.instance, dict) else []
            return f"{path}: {', '.join(strange)} is not in the schema of this Talos version: deprecated, or unknown"
        case "required":
            return f"{path}: needs {json.dumps(error.validator_value)[:160]}"
        case "type" | "enum" | "pattern" | "const" | "format" | "minimum" | "maximum":
            return f"{path}: must be ({error.validator}) {json.dumps(error.validator_value)[:160]}"
        case _:
            return f"{path}: is not as the schema wants it ({error.validator})"


@dataclass(frozen=True, slots=True)
class Rules:
    """What finished configurations of Talos are held to, beside having a ``machine.type``.

    ``tables``: to the types of this program's own tables (not when another composer knows other versions).
    ``program``: what another program says against it, empty for nothing (``talosctl validate``).
    """

    schema: TalosSchema | None = None
    tables: bool = True
    program: Callable[[bytes], str] | None = None


@dataclass(slots=True)
class Judgement:
    """``faults`` are why a configuration is not served, none when it may be.

    ``machine_type`` is Talos's, also where the configuration is said to be of another kind.
    """

    faults: list[Fault]
    machine_type: str = ""


def judged(config: bytes, schema: Schema, rules: Rules) -> Judgement:
    """A finished configuration, held to what it is."""
    if not config.strip():
        return Judgement([Fault("it is empty: the machine would go on without a configuration", 1)])
    if len(config) > CONFIG:
        return Judgement([Fault(f"it is larger than {CONFIG >> 20} MiB", 1)])
    match schema:
        case Schema.TEXT:
            return _no_talos(config, [])
        case Schema.JSON | Schema.IGNITION:
            return _no_talos(config, _json_faults(config))
        case Schema.TALOS:
            return _talos(config, rules)
        case Schema.YAML | Schema.CLOUD_CONFIG:
            return _no_talos(config, _yaml_faults(config))


def _no_talos(config: bytes, found: list[Fault]) -> Judgement:
    """What is said to be another kind of configuration: a control plane is one whatever its entry says."""
    kind = machine_type(config)
    if not kind:
        return Judgement(found)
    told = "it looks like a configuration of Talos, and is not checked as one: write schema: talos, or leave it away"
    return Judgement([*found, Fault(told, 1, is_fatal=False)], kind)


def _talos(config: bytes, rules: Rules) -> Judgement:
    """By the tables, then by the schema, then by another program, as far as the site has them."""
    found, kind = _by_tables(config) if rules.tables else _by_names(config, rules)
    if rules.tables and rules.schema is not None and not found:
        found, _ = _by_names(config, rules)
    if not found and rules.program is not None and (told := rules.program(config)):
        found = [Fault(told, 1)]
    return Judgement(found, _MACHINE_TYPES.get(kind, ""))


def _by_tables(config: bytes) -> tuple[list[Fault], str]:
    """What Talos's parser refuses: an unknown key or document, a wrong type, documents that exclude each other."""
    try:
        read = read_configuration(Part("", config), talos_tables(NEWEST))
        check_conflicts(read, "")
    except ComposeError as wrong:
        return [Fault(wrong.message, wrong.line or 1)], ""
    legacy = next((document for document in read if document.kind.name == LEGACY), None)
    if legacy is None:
        return [], ""
    machine = legacy.value.get("machine")
    kind = str(machine.get("type", "")) if isinstance(machine, dict) else ""
    return _type_faults(kind, legacy.line, has_machine=isinstance(machine, dict)), kind


def _by_names(config: bytes, rules: Rules) -> tuple[list[Fault], str]:
    """What can be seen without knowing the types, and what the schema says."""
    try:
        roots = documents(config, CONFIG)
    except MarkedError as broken:
        return [Fault(broken.message, broken.line)], ""
    kinds = [_text(machine, "type") for root in roots if isinstance(machine := _member(root, "machine"), Pairs)]
    return _documents_faults(roots, rules)[:_MOST_FAULTS], next(iter(kinds), "")


def _type_faults(kind: str, line: int, *, has_machine: bool) -> list[Fault]:
    if not has_machine:
        return [Fault("there is no machine: a configuration says machine.type (controlplane or worker)", line)]
    if kind not in _MACHINE_TYPES:
        found = f"it is {kind[:40]!r}" if kind else "it is missing"
        return [Fault(f"machine.type must be controlplane or worker; {found}", line)]
    return []


def _yaml_faults(config: bytes) -> list[Fault]:
    try:
        documents(config, CONFIG)
    except MarkedError as broken:
        return [Fault(broken.message, broken.line)]
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
        if not isinstance(root, Pairs):
            found.append(Fault("a document of Talos is a mapping", root.line))
            continue
        kind = _kind(root)
        if isinstance(kind, Fault):
            found.append(kind)
            continue
        key = (*kind, _text(root, "name"))
        if key in seen:
            what = " ".join(part for part in key if part) or "the document with machine and cluster"
            found.append(Fault(f"{what} stands twice, first on line {seen[key]}", root.line))
        seen[key] = root.line
        found += _document_faults(root, kind, rules)
    if not roots:
        found.append(Fault("it holds no document", 1))
    return found


def _kind(root: Pairs) -> tuple[str, str] | Fault:
    """(apiVersion, kind); ("", "") for the document with machine and cluster."""
    version, kind = _text(root, "apiVersion"), _text(root, "kind")
    if kind and version:
        return version, kind
    if kind:
        return Fault(f"the document of the kind {kind} has no apiVersion", root.line)
    if any(root.get(key) is not None for key in _LEGACY):
        return "", ""
    return Fault(
        "a document is known by its apiVersion and kind, or by machine and cluster; this has neither", root.line
    )


def _document_faults(root: Pairs, kind: tuple[str, str], rules: Rules) -> list[Fault]:
    found = []
    if kind == ("", ""):
        found += _machine_faults(root)
    if rules.schema is not None and not found:
        found += rules.schema.faults(kind, value(root), root.line)
    return found


def _machine_faults(root: Pairs) -> list[Fault]:
    machine = root.get("machine")
    kind = _text(machine, "type") if isinstance(machine, Pairs) else ""
    return _type_faults(kind, machine.line if machine else root.line, has_machine=isinstance(machine, Pairs))


def _member(root: Node, key: str) -> Node | None:
    return root.get(key) if isinstance(root, Pairs) else None


def _text(root: Pairs, key: str) -> str:
    node = root.get(key)
    return node.text if isinstance(node, Scalar) else ""
