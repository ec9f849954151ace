"""Whether what arrived is a configuration of the kind that was asked for; checked before it counts as delivered.

PyYAML does the reading where it is installed. In an initramfs it often is not: then a YAML kind is held to what can be
seen without it (text, no tabs for indentation, the marks of the kind), and the caller is told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final

from bootgrant.acquire.errors import BadConfig

_MAX_PURE_YAML: Final = 1 << 20
"""Bytes of YAML that the reader without a C library is given; more would take minutes on a small machine."""
_MAX_DEPTH: Final = 256
"""Collections within each other; the reader's time grows with the square of it."""
_TALOS_MARK: Final = re.compile(r"^(?:version\s*:\s*[\"']?v1alpha1\b|apiVersion\s*:\s*\S)", re.MULTILINE)
_CLOUD_MARK: Final = re.compile(r"\A(?:##\s*template:\s*jinja[^\n]*\n)?#cloud-config[ \t]*(?:\r?\n|\Z)")
_TAB: Final = re.compile(r"^ *\t+ *\S", re.MULTILINE)


class Expect(StrEnum):
    """The kinds of ``--expect``."""

    ANY = "any"
    TALOS = "talos"
    YAML = "yaml"
    JSON = "json"
    CLOUD_CONFIG = "cloud-config"
    IGNITION = "ignition"


def check_config(config: bytes, expect: Expect) -> None:
    """Raises BadConfig, with the place where it can be told, unless ``config`` is of the kind ``expect``."""
    if not config.strip():
        raise BadConfig("the configuration is empty", "put the machine's configuration on the server")
    if expect is Expect.ANY:
        return
    text = _text(config, expect)
    match expect:
        case Expect.JSON:
            _json(text, expect)
        case Expect.IGNITION:
            _ignition(text)
        case Expect.YAML:
            _documents(text, expect)
        case Expect.TALOS:
            _talos(text)
        case Expect.CLOUD_CONFIG:
            _cloud_config(text)


def _bad(expect: Expect, why: str) -> BadConfig:
    kinds = {
        Expect.TALOS: "a Talos machine configuration",
        Expect.YAML: "YAML",
        Expect.JSON: "JSON",
        Expect.CLOUD_CONFIG: "a cloud-config",
        Expect.IGNITION: "an Ignition configuration",
    }
    kind = kinds.get(expect, "a configuration")
    return BadConfig(f"what arrived is not {kind} ({why})", "correct it on the server, or the URL in talos.config")


def _text(config: bytes, expect: Expect) -> str:
    try:
        text = config.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _bad(expect, f"byte {error.start} is not UTF-8") from None
    if "\0" in text:
        raise _bad(expect, "it holds a NUL")
    return text


def _json(text: str, expect: Expect) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise _bad(expect, f"line {error.lineno}: {error.msg}") from None
    except (ValueError, RecursionError):
        raise _bad(expect, "a number or its depth is beyond reason") from None


def _ignition(text: str) -> None:
    config = _json(text, Expect.IGNITION)
    ignition = config.get("ignition") if isinstance(config, dict) else None
    if not isinstance(ignition, dict) or not isinstance(ignition.get("version"), str):
        raise _bad(Expect.IGNITION, "it has no ignition.version")


def _talos(text: str) -> None:
    """At least one document that a node takes: ``version: v1alpha1``, or ``apiVersion`` with ``kind``."""
    documents = _documents(text, Expect.TALOS)
    if documents is None:
        if _TALOS_MARK.search(text) is None:
            raise _bad(Expect.TALOS, "it has neither version: v1alpha1 nor an apiVersion")
        return
    for number, document in enumerate(documents, 1):
        if document is None:
            raise _bad(Expect.TALOS, f"document {number} is not a mapping")
        if document.get("version") != "v1alpha1" and not (document.get("apiVersion") and document.get("kind")):
            raise _bad(Expect.TALOS, f"document {number} has neither version: v1alpha1 nor apiVersion and kind")
    if not documents:
        raise _bad(Expect.TALOS, "it has no document")


def _cloud_config(text: str) -> None:
    if _CLOUD_MARK.match(text) is None:
        raise _bad(Expect.CLOUD_CONFIG, "its first line is not #cloud-config")
    if not text.startswith("##"):
        _documents(text, Expect.CLOUD_CONFIG)


Document = dict[str, str]


def _documents(text: str, expect: Expect) -> list[Document | None] | None:
    """The top level of each document as texts, None for one that is no mapping; None where nothing can read YAML."""
    try:
        import yaml
    except ImportError:
        _roughly_yaml(text, expect)
        return None
    loader = getattr(yaml, "CSafeLoader", None)
    if loader is None and len(text) > _MAX_PURE_YAML:
        _roughly_yaml(text, expect)
        return None
    try:
        return _top_level(yaml, yaml.parse(text, Loader=loader or yaml.SafeLoader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark is not None else ""
        raise _bad(expect, f"{where}{getattr(error, 'problem', None) or 'it does not parse'}") from None
    except (RecursionError, ValueError):
        raise _bad(expect, "it is nested beyond reason") from None


def _roughly_yaml(text: str, expect: Expect) -> None:
    if found := _TAB.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise _bad(expect, f"line {line}: a tab in the indentation")


def _top_level(yaml: Any, events: Iterable[Any]) -> list[Document | None]:
    """The scalars at the top of each document, read from parser events: no memory for the rest, no alias expanded."""
    documents: list[Document | None] = []
    depth, key = 0, None
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            documents.append(None)
            depth, key = 0, None
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.NodeEvent):
            if depth == 0 and isinstance(event, yaml.MappingStartEvent):
                documents[-1] = {}
            elif depth == 1 and documents[-1] is not None:
                value = event.value if isinstance(event, yaml.ScalarEvent) else ""
                if key is None:
                    key = value
                else:
                    documents[-1][key] = value or "?"
                    key = None
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > _MAX_DEPTH:
                    raise RecursionError
    return documents
