"""Jinja2's sandbox, restricted further: a list of filters, few methods of texts, and a budget for everything.

A template that loops for too long, or makes a text or list that is too large, raises NotAllowed.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from jinja2 import StrictUndefined, nodes, pass_context, pass_eval_context
from jinja2.filters import do_tojson
from jinja2.runtime import Context, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

STEPS: Final = 100_000
"""Rounds of loops, calls, values written or joined, and every WEIGHT characters of these."""
WEIGHT: Final = 256
VALUES: Final = 2_000_000
"""Values in lists and mappings that one rendering makes, compares or passes to filters."""
TEXT: Final = 1 << 20
"""Characters of one text in a template."""
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

BUDGET: Final = "_bootgrant_budget"
"""The name of the Budget in a template's context."""


class NotAllowed(Exception):
    """A template exceeded a limit or does something that is not allowed, at ``lineno`` if it is known."""

    def __init__(self, message: str, lineno: int | None = None) -> None:
        super().__init__(message)
        self.lineno = lineno


@dataclass(slots=True)
class Budget:
    """What one rendering may still use."""

    left: int = STEPS
    values: int = VALUES

    def take(self, steps: int = 1) -> None:
        self.left -= steps
        if self.left < 0:
            raise NotAllowed(f"takes more than {STEPS:,} steps: does it loop?")

    def weigh(self, values: int) -> None:
        self.values -= values
        if self.values < 0:
            raise NotAllowed("makes or compares lists or mappings that are too large: does it add them to themselves?")


class _Counting(NodeTransformer):
    """Makes a template count the rounds of loops, the length of texts, and the values in lists and mappings."""

    def visit_TemplateData(self, node: nodes.TemplateData) -> nodes.Node:  # noqa: N802
        # A constant is counted each time a loop writes it. Short texts cost no more than the round itself.
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

    def visit_List(self, node: nodes.List | nodes.Dict) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _weighed_node(node)

    visit_Dict = visit_List  # noqa: N815

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _weighed_node(node) if node.ctx == "load" else node

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802  (Jinja2 calls methods by the name of the node)
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


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment that templates are compiled in."""

    intercepted_binops = frozenset({"*", "**", "%", "+", "//"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False, finalize=_written)
        self.globals = {"range": _range}
        known = self.filters
        self.filters = {name: known[name] for name in _FILTERS if name in known}
        self.filters |= {
            "counted": _counted, "joined": _join, "join": _join, "indent": _indent, "replace": _replace,
            "b64encode": _b64encode, "weighed": _weighed, "sum": _sum, "string": _text, "tojson": _tojson,
        }  # fmt: skip

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for kind, statement in _FORBIDDEN.items():
            if found := tree.find(kind):
                raise NotAllowed(f"{statement} is not allowed in templates", found.lineno)
        counted: nodes.Template = _Counting().visit(tree)
        return counted

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if isinstance(obj, str):
            return attr in _TEXT_METHODS
        return super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> None:
        """Return None, so that str.format, which makes texts of any size, is a forbidden method like others."""

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        _budget(context).take()
        return super().call(context, obj, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        numbers = isinstance(left, (int, float)) and isinstance(right, (int, float))
        if operator == "+" and not numbers:
            return _weighed(context, _bounded(super().call_binop(context, operator, left, right)))
        if not numbers or abs(left) > 1 << 64 or abs(right) > 1 << 64 or operator == "**":
            raise NotAllowed(f"the operator {operator} works only with numbers of a sensible size")
        return super().call_binop(context, operator, left, right)


_FORBIDDEN: Final[dict[type[nodes.Node], str]] = {
    nodes.Include: "include", nodes.Import: "import", nodes.FromImport: "import", nodes.Extends: "extends",
}  # fmt: skip


def _budget(context: Context) -> Budget:
    budget = context.get(BUDGET)
    return budget if isinstance(budget, Budget) else Budget()


def _range(*bounds: int) -> range:
    rounds = range(*bounds)
    if len(rounds) > STEPS:
        raise NotAllowed(f"range() over more than {STEPS:,} numbers")
    return rounds


@pass_context
def _counted(context: Context, values: Iterable[Any]) -> Iterator[Any]:
    budget = _budget(context)
    for value in values:
        budget.take()
        yield value


@pass_context
def _weighed(context: Context, value: Any) -> Any:
    """Return a value after counting everything in it, as often as it occurs."""
    budget = _budget(context)
    if isinstance(value, (str, list, tuple, dict, range)):
        _weigh(value, budget)
        return value
    return _weighed_one_by_one(value, budget) if isinstance(value, Iterator) else value


def _weighed_one_by_one(values: Iterator[Any], budget: Budget) -> Iterator[Any]:
    for value in values:
        budget.weigh(1)
        _weigh(value, budget)
        yield value


def _weigh(whole: Any, budget: Budget) -> None:
    todo = [whole]
    while todo:
        value = todo.pop()
        if not isinstance(value, (str, range, list, tuple, dict)):
            continue
        if isinstance(value, str):
            budget.take(len(value) // WEIGHT)
            continue
        # Counted before its values are added, so the list of values still to count stays within the budget.
        budget.weigh(1 + len(value))
        if isinstance(value, dict):
            todo += [*value, *value.values()]
        elif not isinstance(value, range):
            todo += value


@pass_context
def _written(context: Context, value: Any) -> str:
    """Return what ``{{ … }}`` writes."""
    text = _text(value)
    _budget(context).take(1 + len(text) // WEIGHT)
    return text


def _text(value: Any) -> str:
    """Return a text or number as text. Raises NotAllowed for lists and mappings, which Python would write as Python."""
    _defined(value)
    if value is None:
        raise NotAllowed("writes a value that is null: set it, or use `default('…', true)`")
    if not isinstance(value, (str, int, float)):
        raise NotAllowed("writes a list or a mapping as text: use `tojson`, or `join` for a list of texts")
    return str(_bounded(value))


def _sum(values: Iterable[Any], attribute: str | int | None = None, start: float = 0) -> float:
    """Return the sum of numbers, or of an attribute of mappings."""
    total = start
    for value in values:
        number = value if attribute is None else value[attribute]
        _defined(number)
        if not isinstance(number, (int, float)) or not isinstance(total, (int, float)):
            raise NotAllowed("sum adds only numbers: use + or join")
        total += number
    return total


@pass_eval_context
def _tojson(context: nodes.EvalContext, value: Any, indent: int | None = None) -> str:
    if indent is not None and not 0 <= indent <= 16:
        raise NotAllowed("tojson needs an indent of 0 to 16 spaces")
    _weigh(value, Budget(values=STEPS))
    return _bounded(str(do_tojson(context, value, indent)))


def _join(values: Iterable[Any], separator: str = "") -> str:
    pieces: list[str] = []
    size = 0
    for value in values:
        pieces.append(_text(value))
        size += len(pieces[-1]) + len(separator)
        if size > TEXT:
            raise NotAllowed(f"makes a text of more than {TEXT:,} characters")
    return separator.join(pieces)


def _indent(text: str, width: int = 4, first: bool = False) -> str:
    """Indent the lines of a text, the first one only if ``first``. Empty lines stay empty."""
    if not 0 <= width <= 64:
        raise NotAllowed("indent needs 0 to 64 spaces")
    lines = _text(text).split("\n")
    moved = [" " * width + line if line and (number or first) else line for number, line in enumerate(lines)]
    return _bounded("\n".join(moved))


def _replace(text: str, old: str, new: str) -> str:
    text = _text(text)
    if len(text) + text.count(old) * len(new) > TEXT:
        raise NotAllowed(f"makes a text of more than {TEXT:,} characters")
    return text.replace(old, new)


def _b64encode(text: str) -> str:
    return base64.b64encode(_text(text).encode()).decode("ascii")


def _defined(value: object) -> None:
    if isinstance(value, Undefined):
        str(value)


def _bounded(value: _T) -> _T:
    if isinstance(value, (str, list, tuple)) and len(value) > TEXT:
        raise NotAllowed(f"makes a text of more than {TEXT:,} characters")
    return value
