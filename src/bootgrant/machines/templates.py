"""Templates: files ending in ``.j2``, rendered by Jinja2's sandbox with nothing of the host in reach.

A template sees ``name``, ``labels``, ``variables`` and ``machine`` (the approved uuid, serial, mac, hostname), and
nothing else; what is not defined is an error. Its steps, its texts and what it writes are counted, so that one that
loops is refused with its line. What a machine says of itself is let in only as a plain word.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, TypeVar

from jinja2 import StrictUndefined, TemplateError, nodes, pass_context, pass_eval_context
from jinja2.exceptions import SecurityError
from jinja2.filters import do_tojson
from jinja2.meta import find_undeclared_variables
from jinja2.runtime import Context, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from bootgrant.wire.identity import MachineIdentity
from bootgrant.wire.limits import CONFIG

STEPS: Final = 100_000
"""Rounds of loops, calls, values that are written or put together, and each WEIGHT characters of them."""
WEIGHT: Final = 256
VALUES: Final = 2_000_000
"""Values in the lists and mappings that are made, compared and given to filters in one rendering."""
TEXT: Final = 1 << 20
"""Characters of one text inside a template."""
SOURCE: Final = 1 << 20
"""Bytes of a template."""

_T = TypeVar("_T")
_FILTERS: Final = (
    "abs", "bool", "count", "d", "default", "dictsort", "first", "float", "groupby", "int", "items", "last", "length",
    "list", "lower", "map", "max", "min", "reject", "rejectattr", "reverse", "round", "select", "selectattr", "sort",
    "string", "sum", "title", "tojson", "trim", "unique", "upper",
)  # fmt: skip
_TEXT_METHODS: Final = frozenset(
    {
        "capitalize", "casefold", "count", "endswith", "find", "index", "isalnum", "isalpha", "isascii", "isdecimal",
        "isdigit", "islower", "isnumeric", "isspace", "isupper", "lower", "lstrip", "partition", "removeprefix",
        "removesuffix", "rfind", "rindex", "rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith",
        "strip", "swapcase", "title", "upper",
    }
)  # fmt: skip
_NAMES: Final = ("name", "labels", "variables", "machine")
_PLAIN_WORD = re.compile(r"[A-Za-z0-9._:/-]+")
_UNTOLD = re.compile(r"'(?:\w+ object|dict object|bootgrant[\w.]* object)' has no attribute '(\w+)'")


class TemplateRefused(Exception):
    """A template that cannot be rendered. ``line`` counts from 1; the message says what to do."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


class _TooMuch(Exception):
    """A bound was passed."""


@dataclass(slots=True)
class _Budget:
    left: int = STEPS
    values: int = VALUES

    def take(self, steps: int = 1) -> None:
        self.left -= steps
        if self.left < 0:
            raise _TooMuch(f"takes more than {STEPS:,} steps: does it loop?")

    def weigh(self, values: int) -> None:
        self.values -= values
        if self.values < 0:
            raise _TooMuch("makes or compares lists or mappings that are too large: does it put them into themselves?")


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
    environment = _Environment()
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
            for piece in template.generate(**context, **{_BUDGET: _Budget()}):
                pieces.append(piece)
                size += len(piece)
                if size > CONFIG:
                    raise _TooMuch(f"writes more than {CONFIG >> 20} MiB")
        return "".join(pieces)

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


_BUDGET: Final = "_bootgrant_budget"


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
            raise _TooMuch(f"machine.{name} is wanted, and this machine does not say its {name}")
        if not _PLAIN_WORD.fullmatch(value):
            raise _TooMuch(f"machine.{name} is {value[:40]!r}: only letters, digits and . _ : / - go into a template")
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
        case _TooMuch():
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


class _Counting(NodeTransformer):
    """Every loop counts its rounds, every joined text its length, and every list and mapping what is in it."""

    def visit_TemplateData(self, node: nodes.TemplateData) -> nodes.Node:  # noqa: N802
        # As a value it is counted each time that a loop writes it; short ones cost no more than their round does.
        return node if len(node.data) <= WEIGHT else nodes.Const(node.data, lineno=node.lineno)

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if node.node is not None:
            node.node = _weighed_node(node.node)
        return node

    def visit_Test(self, node: nodes.Test) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if node.name not in ("defined", "undefined"):
            node.node = _weighed_node(node.node)
            node.args = [_weighed_node(argument) for argument in node.args]
        return node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.expr = _weighed_node(node.expr)
        for operand in node.ops:
            operand.expr = _weighed_node(operand.expr)
        return node

    def visit_List(self, node: nodes.List) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _weighed_node(node)

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _weighed_node(node)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _weighed_node(node) if node.ctx == "load" else node

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802  (Jinja2 calls it by the node's name)
        self.generic_visit(node)
        node.iter = nodes.Filter(node.iter, "counted", [], [], None, None, lineno=node.lineno)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return nodes.Filter(
            nodes.List(node.nodes, lineno=node.lineno), "joined", [], [], None, None, lineno=node.lineno
        )


def _weighed_node(node: nodes.Expr) -> nodes.Expr:
    return nodes.Filter(node, "weighed", [], [], None, None, lineno=node.lineno)


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja2's sandbox, and less of it: named filters, few methods of texts, everything counted."""

    intercepted_binops = frozenset({"*", "**", "%", "+", "//"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False, finalize=_written)
        self.globals = {"range": _range}
        known = self.filters
        self.filters = {name: known[name] for name in _FILTERS if name in known}
        self.filters |= {
            "counted": _counted, "joined": _joined, "join": _join, "indent": _indent, "replace": _replace,
            "b64encode": _b64encode, "weighed": _weighed, "sum": _sum, "string": _text, "tojson": _tojson,
        }  # fmt: skip

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for kind, told in _FORBIDDEN.items():
            if found := tree.find(kind):
                raise TemplateRefused(f"{told} is not for configurations", found.lineno)
        counted: nodes.Template = _Counting().visit(tree)
        return counted

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if isinstance(obj, str):
            return attr in _TEXT_METHODS
        return super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> None:
        """str.format can make a text of any size out of nothing, so that it is a method like others, and not named."""

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        _budget(context).take()
        return super().call(context, obj, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        numbers = isinstance(left, (int, float)) and isinstance(right, (int, float))
        if operator == "+" and not numbers:
            return _weighed(context, _bounded(super().call_binop(context, operator, left, right)))
        if not numbers or abs(left) > 1 << 64 or abs(right) > 1 << 64 or operator == "**":
            raise _TooMuch(f"the operator {operator} takes numbers of a sensible size only")
        return super().call_binop(context, operator, left, right)


_FORBIDDEN: Final[dict[type[nodes.Node], str]] = {
    nodes.Include: "include", nodes.Import: "import", nodes.FromImport: "import", nodes.Extends: "extends",
}  # fmt: skip


def _budget(context: Context) -> _Budget:
    budget = context.get(_BUDGET)
    return budget if isinstance(budget, _Budget) else _Budget()


def _range(*bounds: int) -> range:
    rounds = range(*bounds)
    if len(rounds) > STEPS:
        raise _TooMuch(f"range() over more than {STEPS:,} numbers")
    return rounds


@pass_context
def _counted(context: Context, values: Iterable[Any]) -> Iterator[Any]:
    budget = _budget(context)
    for value in values:
        budget.take()
        yield value


@pass_context
def _weighed(context: Context, value: Any) -> Any:
    """The value; all that is in it is counted, as often as it is in it."""
    budget = _budget(context)
    if isinstance(value, (str, list, tuple, dict, range)):
        _weigh(value, budget)
        return value
    return _weighed_one_by_one(value, budget) if isinstance(value, Iterator) else value


def _weighed_one_by_one(values: Iterator[Any], budget: _Budget) -> Iterator[Any]:
    for value in values:
        budget.weigh(1)
        _weigh(value, budget)
        yield value


def _weigh(whole: Any, budget: _Budget) -> None:
    todo = [whole]
    while todo:
        value = todo.pop()
        if not isinstance(value, (str, range, list, tuple, dict)):
            continue
        if isinstance(value, str):
            budget.take(len(value) // WEIGHT)
            continue
        # Counted before it is gone through: what is still to do never grows larger than what may be.
        budget.weigh(1 + len(value))
        if isinstance(value, dict):
            todo += [*value, *value.values()]
        elif not isinstance(value, range):
            todo += value


@pass_context
def _written(context: Context, value: Any) -> str:
    """What ``{{ … }}`` writes."""
    text = _text(value)
    _budget(context).take(1 + len(text) // WEIGHT)
    return text


def _text(value: Any) -> str:
    """Texts and numbers as a text. Lists and mappings would be written as Python writes them, which nobody wants."""
    _defined(value)
    if value is None:
        raise _TooMuch("writes a value that is null: give it another one, or `default('…', true)`")
    if not isinstance(value, (str, int, float)):
        raise _TooMuch("a list or a mapping is to be written as a text: use `tojson`, or `join` for a list of texts")
    return str(_bounded(value))


def _sum(values: Iterable[Any], attribute: str | int | None = None, start: float = 0) -> float:
    """The sum of numbers, or of one attribute of mappings."""
    total = start
    for value in values:
        number = value if attribute is None else value[attribute]
        _defined(number)
        if not isinstance(number, (int, float)) or not isinstance(total, (int, float)):
            raise _TooMuch("sum takes numbers only: use + or join")
        total += number
    return total


@pass_eval_context
def _tojson(context: nodes.EvalContext, value: Any, indent: int | None = None) -> str:
    if indent is not None and not 0 <= indent <= 16:
        raise _TooMuch("tojson takes an indent of 0 to 16 spaces")
    _weigh(value, _Budget(values=STEPS))
    return _bounded(str(do_tojson(context, value, indent)))


def _joined(parts: Sequence[Any]) -> str:
    return _join(parts)


def _join(values: Iterable[Any], separator: str = "") -> str:
    pieces: list[str] = []
    size = 0
    for value in values:
        pieces.append(_text(value))
        size += len(pieces[-1]) + len(separator)
        if size > TEXT:
            raise _TooMuch(f"makes a text of more than {TEXT:,} characters")
    return separator.join(pieces)


def _indent(text: str, width: int = 4, first: bool = False) -> str:
    """Lines moved to the right, the first one too when asked; empty lines stay empty."""
    if not 0 <= width <= 64:
        raise _TooMuch("indent takes 0 to 64 spaces")
    lines = _text(text).split("\n")
    moved = [" " * width + line if line and (number or first) else line for number, line in enumerate(lines)]
    return _bounded("\n".join(moved))


def _replace(text: str, old: str, new: str) -> str:
    text = _text(text)
    if len(text) + text.count(old) * len(new) > TEXT:
        raise _TooMuch(f"makes a text of more than {TEXT:,} characters")
    return text.replace(old, new)


def _b64encode(text: str) -> str:
    return base64.b64encode(_text(text).encode()).decode("ascii")


def _defined(value: object) -> None:
    if isinstance(value, Undefined):
        str(value)


def _bounded(value: _T) -> _T:
    if isinstance(value, (str, list, tuple)) and len(value) > TEXT:
        raise _TooMuch(f"makes a text of more than {TEXT:,} characters")
    return value
