"""The parser of CEL, with the macros, reserved words and limits of cel-go (``parser/parser.go``, ``macro.go``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final, NoReturn

from bootgrant.machines.talos.cel.errors import CelError
from bootgrant.machines.talos.cel.syntax import (
    AND,
    CONDITIONAL,
    OR,
    Access,
    Call,
    Entry,
    ListLiteral,
    Literal,
    Macro,
    MapLiteral,
    MessageLiteral,
    Name,
    Node,
    Select,
    Step,
    qualified_name,
    run,
)
from bootgrant.machines.talos.cel.tokens import Kind, Token, tokens

DEEPEST: Final = 250
"""How often a rule of the grammar may be nested in itself; cel-go's ``maxRecursionDepth``."""

_RELATIONS: Final = frozenset({"<", "<=", ">=", ">", "==", "!=", "in"})
_CALCULATIONS: Final = {"*": 2, "/": 2, "%": 2, "+": 1, "-": 1}
_RESERVED: Final = frozenset(
    {
        "as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop",
        "package", "namespace", "null", "return", "true", "var", "void", "while",
    }
)  # fmt: skip
_LARGEST_INT: Final = 2**63
_LARGEST_UINT: Final = 2**64
_LONGEST_DIGITS: Final = 20
_WORDS: Final = {"true": "bool", "false": "bool", "null": "null_type"}


def parse(source: str, macros: frozenset[str], *, optional_syntax: bool, escaped_names: bool) -> Node:
    """Return the tree of an expression. Raises CelError.

    ``macros`` are keys as in cel-go: ``all:2:true`` for the method ``all`` with two arguments. ``optional_syntax``
    allows ``?``, ``escaped_names`` allows names in backticks.
    """
    return _Parser(source, macros, optional_syntax, escaped_names).parse()


class _Parser:
    def __init__(self, source: str, macros: frozenset[str], optional_syntax: bool, escaped_names: bool) -> None:
        self._source = source
        self._macros = macros
        self._optional_syntax = optional_syntax
        self._escaped_names = escaped_names
        self._tokens = tokens(source)
        self._token = next(self._tokens)
        self._nesting: Counter[str] = Counter()

    def parse(self) -> Node:
        node = run(self._expression())
        if self._token.kind is not Kind.END:
            self._unexpected()
        return node

    # Tokens

    def _next(self) -> Token:
        token = self._token
        if token.kind is not Kind.END:
            self._token = next(self._tokens)
        return token

    def _is(self, *symbols: str) -> bool:
        return self._token.kind is Kind.SYMBOL and self._token.text in symbols

    def _accept(self, symbol: str) -> bool:
        if not self._is(symbol):
            return False
        self._next()
        return True

    def _expect(self, symbol: str) -> Token:
        if not self._is(symbol):
            self._unexpected(f"{symbol!r}")
        return self._next()

    def _expect_name(self) -> Token:
        if self._token.kind is not Kind.NAME:
            self._unexpected("a name")
        return self._next()

    def _unexpected(self, wanted: str = "") -> NoReturn:
        token = self._token
        known = token.kind in {Kind.SYMBOL, Kind.NAME}
        shown = "the end" if token.kind is Kind.END else repr(token.text) if known else f"a {token.kind.value}"
        raise CelError(f"unexpected {shown}{f', expected {wanted}' if wanted else ''}", self._source, token.at)

    def _error(self, reason: str, at: int) -> CelError:
        return CelError(reason, self._source, at)

    # Limits

    def _enter(self, rule: str) -> None:
        self._nesting[rule] += 1
        if self._nesting[rule] > DEEPEST:
            raise self._error(f"the expression is nested more than {DEEPEST} times", self._token.at)

    def _leave(self, rule: str) -> None:
        self._nesting[rule] -= 1

    def _depth(self, *nodes: Node, adds: int = 1) -> int:
        depth = max((node.depth for node in nodes), default=0) + adds
        if depth > DEEPEST:
            raise self._error(f"the expression is nested more than {DEEPEST} times", self._token.at)
        return depth

    # Operators, the loosest first

    def _expression(self) -> Step[Node]:
        self._enter("expression")
        node: Node = yield self._chain("||", OR, self._conjunction)
        if self._is("?"):
            at = self._next().at
            chosen: Node = yield self._chain("||", OR, self._conjunction)
            self._expect(":")
            other: Node = yield self._expression()
            parts = (node, chosen, other)
            node = Call(at=at, depth=self._depth(*parts), function=CONDITIONAL, arguments=parts)
        self._leave("expression")
        return node

    def _conjunction(self) -> Step[Node]:
        return self._chain("&&", AND, self._relation)

    def _chain(self, symbol: str, function: str, part: Callable[[], Step[Node]]) -> Step[Node]:
        first: Node = yield part()
        if not self._is(symbol):
            return first
        at = self._token.at
        parts = [first]
        while self._accept(symbol):
            parts.append((yield part()))
        return Call(at=at, depth=self._depth(*parts, adds=0), function=function, arguments=tuple(parts))

    def _relation(self) -> Step[Node]:
        self._enter("relation")
        left: Node = yield self._calculation(1)
        while self._is(*_RELATIONS):
            operator = self._next()
            self._enter("relation")
            right: Node = yield self._calculation(1)
            self._leave("relation")
            left = self._binary(operator, left, right)
        self._leave("relation")
        return left

    def _calculation(self, precedence: int) -> Step[Node]:
        self._enter("calculation")
        left: Node = yield self._unary()
        while self._token.kind is Kind.SYMBOL and _CALCULATIONS.get(self._token.text, 0) >= precedence:
            operator = self._next()
            right: Node = yield self._calculation(_CALCULATIONS[operator.text] + 1)
            left = self._binary(operator, left, right)
        self._leave("calculation")
        return left

    def _binary(self, operator: Token, left: Node, right: Node) -> Node:
        function = "@in" if operator.text == "in" else f"_{operator.text}_"
        return Call(at=operator.at, depth=self._depth(left, right), function=function, arguments=(left, right))

    def _unary(self) -> Step[Node]:
        at = self._token.at
        symbol = "!" if self._is("!") else "-"
        count = 0
        while self._accept(symbol):
            count += 1
        # A minus in front of a number is its sign, but the number in --1 has none.
        is_signed = count == 1 and symbol == "-" and self._is_number()
        if symbol == "!" and self._accept("-"):
            is_signed = True
            if not self._is_number():
                self._unexpected("a number")
        node: Node = yield self._member("-" if is_signed else "")
        if count % 2 == 0 or (is_signed and symbol == "-"):
            return node
        return Call(at=at, depth=node.depth, function=f"{symbol}_", arguments=(node,))

    def _is_number(self) -> bool:
        return self._token.kind in {Kind.INT, Kind.DOUBLE}

    # Members: selections, calls of methods, indexes

    def _member(self, sign: str) -> Step[Node]:
        starts_with_name = self._token.kind is Kind.NAME or self._is(".")
        node: Node = yield self._primary(sign)
        while True:
            if self._is("."):
                node = yield self._after_dot(node)
            elif self._is("["):
                node = yield self._index(node)
            elif self._is("{") and starts_with_name and qualified_name(node) is not None:
                node = yield self._message(node)
            else:
                return node

    def _after_dot(self, operand: Node) -> Step[Node]:
        at = self._next().at
        access = Access.OPTIONAL if self._accept_optional() else Access.VALUE
        name = self._token
        field = self._field_name()
        if name.kind is Kind.NAME and access is Access.VALUE and self._is("("):
            arguments: tuple[Node, ...] = yield self._arguments()
            return self._method(name, operand, arguments)
        return Select(at=at, depth=self._depth(operand), operand=operand, field=field, access=access)

    def _index(self, operand: Node) -> Step[Node]:
        at = self._next().at
        function = "_[?_]" if self._accept_optional() else "_[_]"
        index: Node = yield self._expression()
        self._expect("]")
        return Call(at=at, depth=self._depth(operand, index), function=function, arguments=(operand, index))

    def _accept_optional(self) -> bool:
        if not self._is("?"):
            return False
        if not self._optional_syntax:
            raise self._error("'?' is not known in this kind of expression", self._token.at)
        self._next()
        return True

    def _arguments(self) -> Step[tuple[Node, ...]]:
        self._expect("(")
        arguments: list[Node] = []
        if not self._is(")"):
            arguments.append((yield self._expression()))
            while self._accept(","):
                arguments.append((yield self._expression()))
        self._expect(")")
        return tuple(arguments)

    def _method(self, name: Token, target: Node, arguments: tuple[Node, ...]) -> Node:
        depth = self._depth(target, *arguments)
        if f"{name.text}:{len(arguments)}:true" not in self._macros:
            return Call(at=name.at, depth=depth, function=name.text, arguments=arguments, target=target)
        variable, *bodies = arguments
        if not isinstance(variable, Name):
            raise self._error(f"the first argument of {name.text}() must be a name", variable.at)
        if variable.name == "__result__" and not name.text.startswith("opt"):
            raise self._error("'__result__' cannot be the name of a variable", variable.at)
        return Macro(at=name.at, depth=depth, name=name.text, target=target, variable=variable, bodies=tuple(bodies))

    # Primaries

    def _primary(self, sign: str) -> Step[Node]:
        token = self._token
        match token.kind, token.text:
            case ((Kind.INT | Kind.UINT | Kind.DOUBLE | Kind.STRING | Kind.BYTES), _):
                return self._literal(sign)
            case Kind.SYMBOL, ("true" | "false" | "null"):
                return Literal(at=self._next().at, type_name=_WORDS[token.text])
            case (Kind.NAME, _) | (Kind.SYMBOL, "."):
                step = self._name()
            case Kind.SYMBOL, "(":
                step = self._parenthesized()
            case Kind.SYMBOL, "[":
                step = self._list()
            case Kind.SYMBOL, "{":
                step = self._map()
            case _:
                self._unexpected()
        node: Node = yield step
        return node

    def _parenthesized(self) -> Step[Node]:
        self._next()
        node: Node = yield self._expression()
        self._expect(")")
        return node

    def _literal(self, sign: str) -> Node:
        token = self._next()
        if token.kind is Kind.DOUBLE and abs(float(token.text)) == float("inf"):
            raise self._error("the number is too large for a double", token.at)
        if token.kind in {Kind.INT, Kind.UINT}:
            value = _whole_number(token.text)
            highest = _LARGEST_UINT - 1 if token.kind is Kind.UINT else _LARGEST_INT - (sign != "-")
            if value is None or value > highest:
                raise self._error(
                    f"the number is too large for {'a uint' if token.kind is Kind.UINT else 'an int'}", token.at
                )
        return Literal(at=token.at, type_name=token.kind.value)

    def _name(self) -> Step[Node]:
        at = self._token.at
        dot = "." if self._accept(".") else ""
        name = self._expect_name()
        if name.text in _RESERVED:
            raise self._error(f"{name.text!r} is a reserved word", name.at)
        if not self._is("("):
            return Name(at=at, name=dot + name.text)
        arguments: tuple[Node, ...] = yield self._arguments()
        if dot + name.text == "has" and len(arguments) == 1 and "has:1:false" in self._macros:
            return self._presence(arguments[0])
        depth = self._depth(*arguments, adds=0)
        return Call(at=at, depth=depth, function=dot + name.text, arguments=arguments)

    def _presence(self, selected: Node) -> Node:
        if not isinstance(selected, Select) or selected.access is Access.OPTIONAL:
            raise self._error("has() takes a field, such as has(a.b)", selected.at)
        return Select(
            at=selected.at,
            depth=selected.depth,
            operand=selected.operand,
            field=selected.field,
            access=Access.PRESENCE,
        )

    # Literals of lists, maps and messages

    def _list(self) -> Step[Node]:
        at = self._next().at
        entries: tuple[Entry, ...] = yield self._entries("]", self._element)
        return ListLiteral(at=at, depth=self._entry_depth(entries), entries=entries)

    def _map(self) -> Step[Node]:
        at = self._next().at
        entries: tuple[Entry, ...] = yield self._entries("}", self._pair)
        return MapLiteral(at=at, depth=self._entry_depth(entries), entries=entries)

    def _message(self, named: Node) -> Step[Node]:
        self._next()
        entries: tuple[Entry, ...] = yield self._entries("}", self._field)
        name = qualified_name(named) or ""
        return MessageLiteral(at=named.at, depth=self._entry_depth(entries), name=name, entries=entries)

    def _entries(self, closing: str, part: Callable[[], Step[Entry]]) -> Step[tuple[Entry, ...]]:
        """Parse entries with commas in between; there may be one more comma at the end, also without entries."""
        entries: list[Entry] = []
        while not self._is(closing, ","):
            entries.append((yield part()))
            if not self._accept(","):
                break
        else:
            if not entries:
                self._accept(",")
        self._expect(closing)
        return tuple(entries)

    def _element(self) -> Step[Entry]:
        is_optional = self._accept_optional()
        value: Node = yield self._expression()
        return Entry(None, value, is_optional)

    def _pair(self) -> Step[Entry]:
        is_optional = self._accept_optional()
        key: Node = yield self._expression()
        self._expect(":")
        value: Node = yield self._expression()
        return Entry(key, value, is_optional)

    def _field(self) -> Step[Entry]:
        is_optional = self._accept_optional()
        name = self._field_name()
        self._expect(":")
        value: Node = yield self._expression()
        return Entry(name, value, is_optional)

    def _field_name(self) -> str:
        if self._token.kind is not Kind.ESCAPED_NAME:
            return self._expect_name().text
        if not self._escaped_names:
            raise self._error("this version of Talos knows no names in backticks", self._token.at)
        return self._next().text[1:-1]

    def _entry_depth(self, entries: tuple[Entry, ...]) -> int:
        keys = (entry.key for entry in entries if isinstance(entry.key, Node))
        return self._depth(*keys, *(entry.value for entry in entries), adds=0)


def _whole_number(text: str) -> int | None:
    """Return the number of ``12``, ``0x1F`` or ``7u``; None for more digits than any number type takes."""
    is_hexadecimal = text.startswith("0x")
    digits = text.removeprefix("0x").rstrip("uU").lstrip("0") or "0"
    return int(digits, 16 if is_hexadecimal else 10) if len(digits) <= _LONGEST_DIGITS else None
