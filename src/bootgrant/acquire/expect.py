"""Checks that a configuration is of the expected kind before it is delivered.

An initramfs often lacks PyYAML: then YAML is checked as far as that is possible without a parser (text, no tabs for
indentation, the marks of its kind).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Final

from bootgrant.acquire.errors import BadConfig
from bootgrant.acquire.options import Expect

_MAX_PURE_YAML: Final = 1 << 20
"""Bytes of YAML to parse without the C library; more would take minutes on a small machine."""
_MAX_DEPTH: Final = 256
"""Nested collections; the parser's time grows with the square of the depth."""
_KINDS: Final = {
    Expect.TALOS: "a Talos machine configuration",
    Expect.YAML: "YAML",
    Expect.JSON: "JSON",
    Expect.CLOUD_CONFIG: "a cloud-config",
    Expect.IGNITION: "an Ignition configuration",
    Expect.USER_DATA: "user-data for cloud-init",
}
_TALOS_MARK: Final = re.compile(r"^(?:version\s*:\s*[\"']?v1alpha1\b|apiVersion\s*:\s*\S)", re.MULTILINE)
_CLOUD_MARK: Final = re.compile(r"\A(?:##\s*template:\s*jinja[^\n]*\n)?#cloud-config[ \t]*(?:\r?\n|\Z)")
_CLOUD_MARK_WITH_BLANKS: Final = re.compile(r"\A\s*#[ \t]+cloud-config\b|\A\s+#cloud-config\b", re.IGNORECASE)
_USER_DATA: Final = re.compile(
    r"\A(?:#!|#include|#cloud-boothook|#part-handler|#cloud-config-archive|#cloud-config-jsonp|#upstart-job"
    r"|Content-Type: *(?:multipart|text)/|MIME-Version:)",
    re.IGNORECASE,
)
"""What user-data may begin with besides ``#cloud-config`` (cloudinit/handlers, INCLUSION_TYPES_MAP; MIME)."""
_HTML: Final = re.compile(r"\A\s*<(?:!doctype html|html\b)", re.IGNORECASE)
_TALOS_KEYS: Final = re.compile(r"^(?:machine|cluster)\s*:|^apiVersion\s*:\s*[\"']?v1alpha1\b", re.MULTILINE)
_TAB: Final = re.compile(r"^ *\t+ *\S", re.MULTILINE)


def check_config(config: bytes, expect: Expect) -> None:
    """Raise BadConfig unless ``config`` is of the kind ``expect``; the error names the line if it is known."""
    if not config.strip():
        raise BadConfig("the configuration is empty", "put this machine's configuration on the server")
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
        case Expect.USER_DATA:
            _user_data(text)


def _bad(expect: Expect, why: str) -> BadConfig:
    what = f"the content received is not {_KINDS[expect]} ({why})"
    return BadConfig(what, "correct it on the server, or correct the URL in talos.config")


def _text(config: bytes, expect: Expect) -> str:
    try:
        text = config.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _bad(expect, f"byte {error.start} is not UTF-8") from None
    if "\0" in text:
        raise _bad(expect, "it contains a NUL character")
    return text


def _json(text: str, expect: Expect) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise _bad(expect, f"line {error.lineno}: {error.msg}") from None
    except (ValueError, RecursionError):
        raise _bad(expect, "a number is too long, or it is nested too deeply") from None


def _ignition(text: str) -> None:
    config = _json(text, Expect.IGNITION)
    section = config.get("ignition") if isinstance(config, dict) else None
    version = section.get("version") if isinstance(section, dict) else None
    if not isinstance(version, str) or not version:
        raise _bad(Expect.IGNITION, "it has no ignition.version")


def _talos(text: str) -> None:
    """Every document must be one that a node accepts: ``version: v1alpha1``, or ``apiVersion`` with ``kind``."""
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


def _user_data(text: str) -> None:
    """Refuse what cloud-init reports as "Unhandled non-multipart (text/x-not-multipart) userdata", and ignores."""
    if _CLOUD_MARK.match(text):
        _cloud_config(text)
        return
    if _USER_DATA.match(text):
        return
    if _CLOUD_MARK_WITH_BLANKS.match(text):
        why = "cloud-init ignores it: write #cloud-config as the first line, without blanks"
    elif _HTML.match(text):
        why = "it is a web page (HTML), perhaps a login page"
    elif _TALOS_KEYS.search(text):
        why = "it is a Talos configuration, which cloud-init ignores: Talos gets it from its own talos.config parameter"
    else:
        why = "cloud-init ignores it: the first line must be #cloud-config, #!, #include or a MIME header"
    raise _bad(Expect.USER_DATA, why)


Document = dict[str, str]


def _documents(text: str, expect: Expect) -> list[Document | None] | None:
    """The top level of each document, None for one that is not a mapping; None altogether without a usable parser."""
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
        raise _bad(expect, "it is nested too deeply") from None


def _roughly_yaml(text: str, expect: Expect) -> None:
    if found := _TAB.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise _bad(expect, f"line {line}: a tab in the indentation")


def _top_level(yaml: Any, events: Iterable[Any]) -> list[Document | None]:
    """The top-level scalars of each document, from parser events: the rest takes no memory, no alias is expanded."""
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
