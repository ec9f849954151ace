"""Compile and render templates: files that end in ``.j2``, in a sandbox without access to the host.

A template has ``name``, ``labels``, ``variables`` and ``machine`` (the approved uuid, serial, mac, hostname). An
undefined name is an error. Values that a machine reports may only be plain words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final

from jinja2 import TemplateError, nodes
from jinja2.exceptions import SecurityError
from jinja2.meta import find_undeclared_variables

from bootgrant.machines.finish.template_budget import NotAllowed, new_budget
from bootgrant.machines.finish.template_sandbox import Sandbox
from bootgrant.wire.identity import MachineIdentity
from bootgrant.wire.limits import CONFIG

SOURCE: Final = 1 << 20
"""The length of a template."""

_NAMES: Final = ("name", "labels", "variables", "machine")
_PLAIN_WORD = re.compile(r"[A-Za-z0-9._:/-]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_UNDEFINED = re.compile(r"'(?:\w+ object|dict object|bootgrant[\w.]* object)' has no attribute '(\w+)'")


class TemplateRefused(Exception):
    """A template that cannot be rendered. ``line`` counts from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled template. ``uses_machine``: its text may depend on the identity of the machine."""

    uses_machine: bool
    _variables: Mapping[str, bool] | None
    _render: Callable[[Mapping[str, object]], str]

    def render(
        self, name: str, labels: Mapping[str, str], variables: Mapping[str, Any], machine: MachineIdentity
    ) -> str:
        """Return the text for an entry and a machine. Raises TemplateRefused."""
        context = {"name": name, "labels": dict(labels), "variables": dict(variables), "machine": _Machine(machine)}
        return self._render(context)

    def may_change(self, variable: str) -> bool:
        """Whether a value may be changed before it is written: it is used other than as ``{{ variables.x }}``."""
        return self._variables is None or not self._variables.get(variable, True)

    def names(self, variable: str) -> bool:
        """Whether a value may be in the text."""
        return self._variables is None or variable in self._variables


def compile_template(source: str) -> Template:
    """Compile a template. Raises TemplateRefused for a syntax error, or something that templates may not do."""
    if len(source) > SOURCE:
        raise TemplateRefused(f"longer than {SOURCE >> 20} MiB: split it", 1)
    environment = Sandbox()
    with _refusals():
        tree = environment.parse(source)
        used = find_undeclared_variables(tree)
        variables = _variables_of(tree)
        template = environment.from_string(tree)
    if unknown := sorted(used - {*_NAMES, "range"}):
        line = source.count("\n", 0, max(0, source.find(unknown[0]))) + 1
        raise TemplateRefused(f"{unknown[0]!r} is not defined: use {', '.join(_NAMES)}", line)

    def render(context: Mapping[str, object]) -> str:
        pieces: list[str] = []
        size = 0
        with _refusals(), new_budget():
            for piece in template.generate(**context):
                pieces.append(piece)
                size += len(piece)
                if size > CONFIG:
                    raise NotAllowed(f"writes more than {CONFIG >> 20} MiB")
        text = "".join(pieces)
        if _SURROGATE.search(text):
            line = source.count("\n", 0, max(0, source.find("\\ud"))) + 1
            raise TemplateRefused("writes half of a surrogate pair (\\ud800 to \\udfff): write the character", line)
        return text

    return Template("machine" in used, variables, render)


_KEPT: Final = (nodes.AssignBlock, nodes.Macro, nodes.CallBlock, nodes.FilterBlock)
"""Text written inside these may be used again, and changed."""


def _variables_of(tree: nodes.Template) -> dict[str, bool] | None:
    """Return the variables that a template uses and whether each is written unchanged; None if it may use any."""
    mentioned = sum(_is_variables(name) for name in tree.find_all(nodes.Name))
    reached: list[nodes.Getattr | nodes.Getitem] = [
        *(node for node in tree.find_all(nodes.Getattr) if _is_variables(node.node)),
        *(node for node in tree.find_all(nodes.Getitem) if _is_variables(node.node)),
    ]
    written = {id(node) for output in tree.find_all(nodes.Output) for node in output.nodes}
    is_kept = next(iter(tree.find_all(_KEPT)), None) is not None
    found: dict[str, bool] = {}
    for node in reached:
        name = _variable(node)
        if name is None:
            return None
        found[name] = found.get(name, True) and id(node) in written and not is_kept
    return found if len(reached) == mentioned else None


def _is_variables(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Name) and node.name == "variables"


def _variable(node: nodes.Getattr | nodes.Getitem) -> str | None:
    if isinstance(node, nodes.Getattr):
        return None if hasattr(dict, node.attr) else node.attr
    return node.arg.value if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str) else None


class _Machine:
    """The machine in a template. The machine chose these texts, so only plain words are allowed."""

    def __init__(self, identity: MachineIdentity) -> None:
        self._identity = identity

    def __getitem__(self, name: str) -> str:
        # Jinja tries an attribute, then an item. With items only, nothing else of the object is accessible.
        if name not in MachineIdentity.NAMES:
            raise KeyError(name)
        value = str(getattr(self._identity, name))
        if not value:
            raise NotAllowed(f"machine.{name} is used, but this machine reports no {name}")
        if not _PLAIN_WORD.fullmatch(value):
            message = f"machine.{name} is {value[:40]!r}: only letters, digits and . _ : / - are allowed in a template"
            raise NotAllowed(message)
        return value


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn any exception into TemplateRefused, with the template's line."""
    try:
        yield
    except TemplateRefused:
        raise
    except Exception as error:  # noqa: BLE001  (a template can raise anything, and its author has to fix it)
        line = getattr(error, "lineno", None) or _line(error.__traceback__)
        raise TemplateRefused(_message(error), line) from None


def _message(error: Exception) -> str:
    match error:
        case NotAllowed():
            return str(error)
        case SecurityError():
            return f"does something that templates may not do: {error}"
        case TemplateError():
            text = " ".join(str(error.message or "cannot be read").split())
            return _UNDEFINED.sub(r"\1 is not defined", text)
        case RecursionError():
            return "calls itself too deeply"
        case MemoryError():
            return "needs too much memory"
        case _:
            # Python's message may repeat a value, which may be secret.
            return f"cannot be rendered ({type(error).__name__}): check the types of the values it uses"


def _line(trace: TracebackType | None) -> int:
    """Return the line of the innermost frame of the template; Jinja maps frames to lines of the source."""
    line = 1
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
