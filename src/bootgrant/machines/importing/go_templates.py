"""Go templates that only insert values, as Jinja2 templates. Anything that decides or calls a function is left out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_ACTION: Final = re.compile(r"\{\{(-?)\s*(.*?)\s*(-?)\}\}", re.DOTALL)
_FIELD: Final = re.compile(r"\.(?:Node\.)?Data\.([A-Za-z_]\w*)")
_COMMENT: Final = re.compile(r"/\*.*\*/", re.DOTALL)
_QUOTED: Final = re.compile(r"(\.[\w.]+)\s*\|\s*(?:quote|toJson)")
_NAMES: Final[Mapping[str, str]] = {
    ".Node.Host": "name",
    ".Node.Role": "labels.role",
    ".Node.IP": "variables.ip",
    ".ClusterName": "variables.cluster_name",
    ".ClusterEndpoint": "variables.cluster_endpoint",
    ".KubernetesVersion": "variables.kubernetes_version",
    ".TalosVersion": "variables.talos_version",
    ".SchematicID": "variables.schematic_id",
}


class NotSimple(Exception):
    """A template with more than inserted values; the message is the action without its arguments."""


def to_jinja(text: str) -> str:
    """Return a template of TOPF as one of Jinja2. Raises NotSimple."""
    if "{%" in text or "{#" in text:
        raise NotSimple("{% or {#, which mean something else in Jinja2")
    return _ACTION.sub(_translated, text)


def _translated(action: re.Match[str]) -> str:
    before, inner, after = action.groups()
    if _COMMENT.fullmatch(inner):
        return f"{{#{before} {inner[2:-2].strip()} {after}#}}"
    quoted = _QUOTED.fullmatch(inner)
    expression = _expression(quoted[1] if quoted else inner)
    return f"{{{{{before} {expression}{' | tojson' if quoted else ''} {after}}}}}"


def _expression(inner: str) -> str:
    if inner in _NAMES:
        return _NAMES[inner]
    field = _FIELD.fullmatch(inner)
    if field:
        return f"variables.{field[1]}"
    raise NotSimple(f"{{{{ {inner.split(maxsplit=1)[0] if inner.split() else ''} … }}}}")
