"""The JSON Schema of a Talos version, as a further check of finished configurations (``schema_file``).

Imported only where a site has such a file: the library takes long to import.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError

from bootgrant.machines.finish.validation import Fault
from bootgrant.machines.yaml.scalars import CoreValue

_YES_OR_NO: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false"})


class BadSchema(Exception):
    """A schema file that cannot be used; the message says why."""


class TalosSchema:
    """The JSON Schema of a Talos version, with a definition for each kind of document."""

    def __init__(self, content: bytes) -> None:
        """Raises BadSchema."""
        self.content = content
        try:
            root = json.loads(content)
            Draft202012Validator.check_schema(root)
        except (ValueError, RecursionError) as error:
            raise BadSchema(f"not JSON: {error}") from None
        except SchemaError as error:
            raise BadSchema(f"not a JSON Schema: {error.message[:200]}") from None
        self._by_kind = {kind: _validator(root, name) for name, kind in _kinds(root)}
        if not self._by_kind:
            raise BadSchema("it describes no Talos document: use config.schema.json of your Talos version")

    def faults(self, kind: tuple[str, str], document: CoreValue, line: int) -> Iterator[Fault]:
        """Yield the faults of a document of this (apiVersion, kind); the legacy document has ("", "").

        What the schema refuses although Talos takes it is not fatal: deprecated keys, nulls, any ``version``.
        """
        validator = self._by_kind.get(kind)
        if validator is None:
            yield Fault(f"the kind {kind[1]} ({kind[0]}) is not in the schema of this Talos version", line)
            return
        for error in validator.iter_errors(document):
            if not _is_taken_by_talos(error):
                is_unknown = error.validator == "additionalProperties"
                yield Fault(_message(error), line, is_fatal=not _is_taken_but_odd(error), is_note=is_unknown)


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
    """Whether Talos accepts it: it reads a number as the text it is written as, and the booleans of YAML 1.1.

    ``persist`` is not in the schema, but ``talosctl gen config`` writes it.
    """
    if error.validator == "additionalProperties" and not error.absolute_path:
        return _strange(error) == ["persist"]
    if error.validator != "type":
        return False
    if error.validator_value == "string":
        return isinstance(error.instance, (int, float))
    return error.validator_value == "boolean" and str(error.instance).lower() in _YES_OR_NO


def _is_taken_but_odd(error: ValidationError) -> bool:
    """Whether Talos accepts it, but a person should look at it."""
    if error.validator == "additionalProperties" or list(error.absolute_path) == ["version"]:
        return True
    return error.validator == "type" and error.instance is None


def _strange(error: ValidationError) -> list[str]:
    """Return the keys that a schema does not have."""
    known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
    return sorted(set(error.instance) - set(known)) if isinstance(error.instance, dict) else []


def _message(error: ValidationError) -> str:
    path = ".".join(str(step) for step in error.absolute_path) or "the document"
    match error.validator:
        case "additionalProperties":
            strange = ", ".join(_strange(error))
            return f"{path}: {strange} is not in the schema of this Talos version: deprecated or unknown"
        case "required":
            return f"{path}: needs {json.dumps(error.validator_value)[:160]}"
        case "type" | "enum" | "pattern" | "const" | "format" | "minimum" | "maximum":
            return f"{path}: must be ({error.validator}) {json.dumps(error.validator_value)[:160]}"
        case _:
            return f"{path}: does not match the schema ({error.validator})"
