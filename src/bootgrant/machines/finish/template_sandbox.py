"""Jinja2's sandbox, restricted further: a list of filters, a list of methods for each type, a budget for everything.

A template that loops for too long, or makes a text or list that is too large, raises NotAllowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from jinja2 import StrictUndefined, nodes, pass_context
from jinja2.lexer import Token, TokenStream
from jinja2.runtime import Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from bootgrant.machines.finish.template_budget import (
    LARGEST_NUMBER,
    WEIGHT,
    NotAllowed,
    budget,
    charge,
    check_size,
    counted,
    weigh,
    weighed,
)
from bootgrant.machines.finish.template_filters import (
    FILTERS,
    as_text,
    bounded_range,
    charged,
    check_stripped,
    weighing,
)

TOKENS: Final = 50_000
"""Words, numbers and signs in one template."""
_FILTERS: Final = (
    "abs", "count", "d", "default", "dictsort", "first", "float", "groupby", "items", "last", "length",
    "list", "lower", "map", "max", "min", "reject", "rejectattr", "reverse", "select", "selectattr", "sort", "title",
    "unique", "upper",
)  # fmt: skip
_TEXT_METHODS: Final = frozenset(
    {
        "capitalize", "casefold", "count", "endswith", "find", "index", "isalnum", "isalpha", "isascii", "isdecimal",
        "isdigit", "islower", "isnumeric", "isspace", "isupper", "lower", "lstrip", "partition", "removeprefix",
        "removesuffix", "rfind", "rindex", "rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith",
        "strip", "swapcase", "title", "upper",
    }
)  # fmt: skip

_METHODS: Final[Mapping[type, frozenset[str]]] = {
    str: _TEXT_METHODS,
    dict: frozenset({"get", "items", "keys", "values"}),
    LoopContext: frozenset(
        {
            "changed", "cycle", "depth", "depth0", "first", "index", "index0", "last", "length", "nextitem",
            "previtem", "revindex", "revindex0",
        }
    ),
}  # fmt: skip
"""What a template may use of each type; nothing of any other type."""
_STRIPPING: Final = frozenset({"lstrip", "rstrip", "strip"})


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

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if not isinstance(node.arg, nodes.Slice):
            return node
        bounds = [bound or nodes.Const(None) for bound in (node.arg.start, node.arg.stop, node.arg.step)]
        return nodes.Filter(node.node, "sliced", bounds, [], None, None, lineno=node.lineno)

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
        self.globals = {"range": bounded_range}
        known: Mapping[str, Any] = self.filters
        filters = {**{name: known[name] for name in _FILTERS}, **FILTERS, "joined": FILTERS["join"]}
        self.filters = {name: charged(function) for name, function in filters.items()}
        self.filters |= {"counted": counted, "weighed": weighed}
        tests: Mapping[str, Any] = self.tests
        self.tests = {name: weighing(test) for name, test in tests.items()}

    def _tokenize(
        self, source: str, name: str | None, filename: str | None = None, state: str | None = None
    ) -> TokenStream:
        return TokenStream(_few(super()._tokenize(source, name, filename, state)), name, filename)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for kind, statement in _FORBIDDEN.items():
            if found := tree.find(kind):
                raise NotAllowed(f"{statement} is not allowed in templates", found.lineno)
        for constant in tree.find_all(nodes.Const):
            if isinstance(constant.value, int) and constant.value > LARGEST_NUMBER:
                raise NotAllowed("this number is too large", constant.lineno)
        counted: nodes.Template = _Counting().visit(tree)
        return counted

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return any(attr in names for kind, names in _METHODS.items() if isinstance(obj, kind))

    def wrap_str_format(self, value: Any) -> None:
        """Return None, so that str.format, which makes texts of any size, is a forbidden method like others."""

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        budget().take()
        if isinstance(obj, Macro):
            return super().call(context, obj, *args, **kwargs)
        if isinstance(obj, LoopContext):
            # The same loop over other values.
            return super().call(context, obj, *map(counted, args), **kwargs)
        owner = getattr(obj, "__self__", None)
        for value in (owner if isinstance(owner, str) else "", *args, *kwargs.values()):
            weigh(value, budget())
        if isinstance(owner, str) and obj.__name__ in _STRIPPING and args:
            check_stripped(args[0])
        made = super().call(context, obj, *args, **kwargs)
        return charge(list(made) if isinstance(owner, dict) and not isinstance(made, _PLAIN) else made)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        numbers = isinstance(left, (int, float)) and isinstance(right, (int, float))
        if operator == "+" and not numbers:
            check_size(left, right)
            return weighed(super().call_binop(context, operator, left, right))
        if not numbers or abs(left) > LARGEST_NUMBER or abs(right) > LARGEST_NUMBER or operator == "**":
            raise NotAllowed(f"the operator {operator} works only with numbers of a sensible size")
        return super().call_binop(context, operator, left, right)


_FORBIDDEN: Final[dict[type[nodes.Node], str]] = {
    nodes.Include: "include", nodes.Import: "import", nodes.FromImport: "import", nodes.Extends: "extends",
}  # fmt: skip


_PLAIN: Final = (str, bool, int, float, list, tuple, dict, type(None))


def _few(tokens: Iterable[Token]) -> Iterator[Token]:
    for count, token in enumerate(tokens):
        if count > TOKENS:
            raise NotAllowed(f"has more than {TOKENS:,} words, numbers and signs: split it", token.lineno)
        yield token


@pass_context
def _written(_context: Context, value: Any) -> str:
    """Return what ``{{ … }}`` writes."""
    text = as_text(value)
    budget().take(1 + len(text) // WEIGHT)
    return text
