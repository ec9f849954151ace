"""Templates: files ending in ``.j2``, rendered with nothing of the host in reach (template_sandbox.py).

A template sees ``name``, ``labels``, ``variables`` and ``machine`` (the approved uuid, serial, mac, hostname), and
nothing else; what is not defined is an error. What a machine says of itself is let in only as a plain word.
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

from bootgrant.machines.finish.template_sandbox import BUDGET, Budget, ForbiddenStatement, Sandbox, TooMuch
from bootgrant.wire.identity import MachineIdentity
from bootgrant.wire.limits import CONFIG

SOURCE: Final = 1 << 20
"""Bytes of a template."""

_NAMES: Final = ("name", "labels", "variables", "machine")
_PLAIN_WORD = re.compile(r"[A-Za-z0-9._:/-]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_UNTOLD = re.compile(r"'(?:\w+ object|dict object|bootgrant[\w.]* object)' has no attribute '(\w+)'")


class TemplateRefused(Exception):
    """A template that cannot be rendered. ``line`` counts from 1; the message says what to do."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled template. ``uses_machine``: what it writes may differ with the machine's identity."""

    uses_machine: bool
    _variables: Mapping[str, bool] | None
    _render: Callable[[Mapping[str, object]], str]

    def render(
        self, name: str, labels: Mapping[str, str], variables: Mapping[str, Any], machine: MachineIdentity
    ) -> str:
        """Raises TemplateRefused."""
        context = {"name": name, "labels": dict(labels), "variables": dict(variables), "machine": _Machine(machine)}
        return self._render(context)

    def may_change(self, variable: str) -> bool:
        """Whether a value may come out as another text, by a filter or in any other way than ``{{ variables.x }}``."""
        return self._variables is None or not self._variables.get(variable, True)

    def names(self, variable: str) -> bool:
        """Whether a value may be in what it writes."""
        return self._variables is None or variable in self._variables


def compile_template(source: str) -> Template:
    """Raises TemplateRefused for what is no template, or does what templates may not."""
    if len(source) > SOURCE:
        raise TemplateRefused(f"a template is at most {SOURCE >> 20} MiB", 1)
    environment = Sandbox()
    with _told():
        tree = environment.parse(source)
        used = find_undeclared_variables(tree)
        variables = _variables_of(tree)
        template = environment.from_string(tree)
    if strange := sorted(used - {*_NAMES, "range"}):
        line = source.count("\n", 0, max(0, source.find(strange[0]))) + 1
        raise TemplateRefused(f"{strange[0]!r} is not defined: a template has {', '.join(_NAMES)}", line)

    def render(context: Mapping[str, object]) -> str:
        pieces: list[str] = []
        size = 0
        with _told():
            for piece in template.generate(**context, **{BUDGET: Budget()}):
                pieces.append(piece)
                size += len(piece)
                if size > CONFIG:
                    raise TooMuch(f"writes more than {CONFIG >> 20} MiB")
        text = "".join(pieces)
        if _SURROGATE.search(text):
            line = source.count("\n", 0, max(0, source.find("\\ud"))) + 1
            raise TemplateRefused("writes half of a surrogate pair (\\ud800 to \\udfff): write the character", line)
        return text

    return Template("machine" in used, variables, render)


_KEPT: Final = (nodes.AssignBlock, nodes.Macro, nodes.CallBlock, nodes.FilterBlock)
"""What is written inside of these may be used again, and changed then."""


def _variables_of(tree: nodes.Template) -> dict[str, bool] | None:
    """The site's variables in a template, and whether they are only written as they are; None: it may be any."""
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
    """What a template may know of the machine. Whoever asks wrote these texts: only plain words pass."""

    def __init__(self, identity: MachineIdentity) -> None:
        self._identity = identity

    def __getitem__(self, name: str) -> str:
        # Jinja asks for an attribute and then for an item; as items alone, nothing else of the object is in reach.
        if name not in MachineIdentity.NAMES:
            raise KeyError(name)
        value = str(getattr(self._identity, name))
        if not value:
            raise TooMuch(f"machine.{name} is wanted, and this machine does not say its {name}")
        if not _PLAIN_WORD.fullmatch(value):
            raise TooMuch(f"machine.{name} is {value[:40]!r}: only letters, digits and . _ : / - go into a template")
        return value


@contextmanager
def _told() -> Iterator[None]:
    """Whatever goes wrong with a template becomes TemplateRefused, with the template's line."""
    try:
        yield
    except TemplateRefused:
        raise
    except Exception as error:  # noqa: BLE001  (a template can raise anything, and all of it is its author's to mend)
        line = getattr(error, "lineno", None) or _line(error.__traceback__)
        raise TemplateRefused(_message(error), line) from None


def _message(error: Exception) -> str:
    match error:
        case TooMuch() | ForbiddenStatement():
            return str(error)
        case SecurityError():
            return f"does what a template may not: {error}"
        case TemplateError():
            text = " ".join(str(error.message or "cannot be read").split())
            return _UNTOLD.sub(r"\1 is not defined", text)
        case RecursionError():
            return "calls itself too deeply"
        case MemoryError():
            return "needs too much memory"
        case _:
            # What Python says about it may repeat a value, and that may be secret.
            return f"cannot be rendered ({type(error).__name__}): is every value of the kind that it is used as?"


def _line(trace: TracebackType | None) -> int:
    """The line of the innermost frame that is the template's (Jinja rewrites them to the source's lines)."""
    line = 1
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
