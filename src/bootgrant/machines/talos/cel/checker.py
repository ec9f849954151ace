"""The type checker of CEL, as cel-go has it (``checker/checker.go``): the type of an expression, or why it has none."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from bootgrant.machines.talos.cel.environments import Environment, Overload
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
from bootgrant.machines.talos.cel.types import (
    BOOL,
    DYN,
    Substitution,
    Type,
    instance,
    list_of,
    map_of,
    most_general,
    optional_of,
    type_named,
)

_NUMBERS: Final = frozenset({"int", "uint", "double"})
_OPERATORS: Final = frozenset("!=%&*+-/<>|")


def check(node: Node, source: str, environment: Environment) -> Type:
    """Return the type of an expression. Raises CelError."""
    checker = _Checker(source, environment)
    return checker.known.apply(run(checker.check(node)), unknown_is_dynamic=True)


class _Checker:
    def __init__(self, source: str, environment: Environment) -> None:
        self._source = source
        self._environment = environment
        self._locals: list[dict[str, Type]] = []
        # cel-go loses the list of disabled overloads with the first macro: from then on 1 < 2u is fine.
        self._mixed_allowed = False
        self.known = Substitution()

    def check(self, node: Node) -> Step[Type]:
        match node:
            case Literal():
                return type_named(node.type_name)
            case Name():
                return self._name(node)
            case Select():
                step = self._select(node)
            case Call():
                step = self._call(node)
            case Macro():
                step = self._optional_macro(node) if node.name.startswith("opt") else self._macro(node)
            case ListLiteral():
                step = self._list(node)
            case MapLiteral():
                step = self._map(node)
            case MessageLiteral():
                step = self._message(node)
            case _:
                raise TypeError(f"not a node of an expression: {type(node).__name__}")
        found: Type = yield step
        return found

    def _check_all(self, nodes: Sequence[Node]) -> Step[list[Type]]:
        types = []
        for node in nodes:
            found: Type = yield self.check(node)
            types.append(found)
        return types

    def _error(self, reason: str, at: int) -> CelError:
        return CelError(reason, self._source, at)

    # Names

    def _name(self, node: Name) -> Type:
        found = self._local(node.name)
        if found is None:
            found = self._environment.names.get(node.name.removeprefix("."))
        if found is None:
            raise self._error(f"there is no {node.name!r} here{self._similar(node.name)}", node.at)
        return found

    def _local(self, name: str) -> Type | None:
        if name.startswith("."):
            if self._environment.dot_skips_locals:
                return None
            name = name[1:]
        return next((scope[name] for scope in reversed(self._locals) if name in scope), None)

    def _similar(self, name: str) -> str:
        locals_ = [known for scope in self._locals for known in scope]
        return _suggestion(name, [*locals_, *self._environment.names])

    def _qualified(self, node: Select) -> Type | None:
        """Return the type of ``a.b.c`` if that is a constant or a type, not fields of ``a``."""
        name = qualified_name(node)
        if name is None or (not name.startswith(".") and self._local(name.partition(".")[0]) is not None):
            return None
        return self._environment.names.get(name.removeprefix("."))

    # Fields

    def _select(self, node: Select) -> Step[Type]:
        found = self._qualified(node) if node.access is Access.VALUE else None
        if found is not None:
            return found
        operand: Type = yield self.check(node.operand)
        operand = self.known.apply(operand)
        is_optional = operand.kind == "optional"
        target = operand.parameters[0] if is_optional else operand
        result = self._field(target, node)
        if is_optional or node.access is Access.OPTIONAL:
            result = optional_of(result)
        return BOOL if node.access is Access.PRESENCE else self.known.apply(result)

    def _field(self, target: Type, node: Select) -> Type:
        match target.kind:
            case "map":
                return target.parameters[1]
            case "message":
                return self._field_of(target.name, node.field, node.at)
            case "variable":
                self.known.assignable([DYN], [target])
                return DYN
            case "dyn" | "any":
                return DYN
        raise self._error(f"{_shown(target)} has no fields", node.at)

    def _field_of(self, message: str, field: str, at: int) -> Type:
        fields = self._environment.messages.get(message, {})
        if field not in fields:
            name = message.rpartition(".")[2]
            raise self._error(f"{name} has no field {field!r}{_suggestion(field, list(fields))}", at)
        return fields[field]

    # Calls

    def _call(self, node: Call) -> Step[Type]:
        arguments: list[Type] = yield self._check_all(node.arguments)
        if node.function in {AND, OR}:
            for argument, type_ in zip(node.arguments, arguments, strict=True):
                self._expect(BOOL, type_, argument)
            return BOOL
        if node.target is None:
            return self._resolve(node.function, arguments, node.at)
        prefix = qualified_name(node.target)
        if prefix is not None and f"{prefix}.{node.function}".removeprefix(".") in self._environment.functions:
            return self._resolve(f"{prefix}.{node.function}", arguments, node.at)
        target: Type = yield self.check(node.target)
        return self._resolve(node.function, [target, *arguments], node.at, is_method=True)

    def _expect(self, wanted: Type, found: Type, node: Node) -> None:
        if not self.known.assignable([found], [wanted]):
            raise self._error(f"expected {wanted}, found {_shown(self.known.apply(found))}", node.at)

    def _resolve(self, function: str, arguments: Sequence[Type], at: int, *, is_method: bool = False) -> Type:
        """Return the type of a call: that of all signatures that fit, or dyn if they differ."""
        name = function.removeprefix(".")
        overloads = self._environment.functions.get(name)
        if overloads is None:
            raise self._error(
                f"there is no function {name!r}{_suggestion(name, list(self._environment.functions))}", at
            )
        result: Type | None = None
        for overload in overloads:
            if overload.is_method != is_method or (overload.is_mixed and not self._mixed_allowed):
                continue
            found = self._fits(overload, arguments)
            if found is None:
                continue
            if result is None:
                result = found
            elif not result.is_dynamic and found != result:
                result = DYN
        if result is None:
            types = [self.known.apply(argument, unknown_is_dynamic=True) for argument in arguments]
            raise self._error(_no_overload(name, types, is_method=is_method), at)
        return result

    def _fits(self, overload: Overload, arguments: Sequence[Type]) -> Type | None:
        if len(arguments) != len(overload.arguments):
            return None
        fresh = {name: self.known.fresh() for name in overload.variables}
        if not self.known.assignable(arguments, instance(overload.arguments, fresh)):
            return None
        return self.known.apply(instance([overload.result], fresh)[0])

    # Literals

    def _list(self, node: ListLiteral) -> Step[Type]:
        element: Type | None = None
        for entry in node.entries:
            found: Type = yield self.check(entry.value)
            element = self._joined(element, self._given(entry, found))
        return list_of(element or self.known.fresh())

    def _map(self, node: MapLiteral) -> Step[Type]:
        key: Type | None = None
        value: Type | None = None
        for entry in node.entries:
            if isinstance(entry.key, Node):
                found_key: Type = yield self.check(entry.key)
                key = self._joined(key, found_key)
            found: Type = yield self.check(entry.value)
            value = self._joined(value, self._given(entry, found))
        return map_of(key or self.known.fresh(), value or self.known.fresh())

    def _joined(self, before: Type | None, found: Type) -> Type:
        if before is None:
            return found
        return most_general(before, found) if self.known.assignable([before], [found]) else DYN

    def _given(self, entry: Entry, found: Type) -> Type:
        """Return the type of the value of an entry; with a ``?`` the value must be optional."""
        if not entry.is_optional or found.is_dynamic:
            return found
        if found.kind != "optional":
            raise self._error(f"expected an optional after '?', found {_shown(found)}", entry.value.at)
        return found.parameters[0]

    def _message(self, node: MessageLiteral) -> Step[Type]:
        name = node.name.removeprefix(".")
        made = self._environment.names.get(name)
        if name not in self._environment.messages or made is None:
            raise self._error(f"there is no message {name!r}", node.at)
        for entry in node.entries:
            found: Type = yield self.check(entry.value)
            wanted = self._field_of(name, str(entry.key), entry.value.at)
            given = self._given(entry, found)
            if not self.known.assignable([wanted], [given]):
                raise self._error(f"expected {_shown(wanted)} for {entry.key!r}, found {_shown(given)}", entry.value.at)
        return made.parameters[0]

    # Macros: as the comprehensions that they are expanded to

    def _macro(self, node: Macro) -> Step[Type]:
        target: Type = yield self.check(node.target)
        element = self._element(self.known.apply(target), node.target)
        collected = list_of(self.known.fresh()) if node.name in {"map", "filter"} else BOOL
        self._locals.append({node.variable.name: element})
        self._mixed_allowed = True
        types: list[Type] = yield self._check_all(node.bodies)
        if node.name == "filter":
            self._collect(node, collected, types, self._name(node.variable))
        elif node.name == "map":
            self._collect(node, collected, types[:-1], types[-1])
        else:
            self._expect(BOOL, types[0], node.bodies[0])
        self._locals.pop()
        return self.known.apply(collected)

    def _collect(self, node: Macro, collected: Type, conditions: Sequence[Type], element: Type) -> None:
        """Check ``condition ? collected + [element] : collected``."""
        step = self._resolve("_+_", [collected, list_of(element)], node.at)
        for condition in conditions:
            step = self._resolve(CONDITIONAL, [condition, step, collected], node.at)
        if not self.known.assignable([collected], [step]):
            raise self._error(f"expected {collected}, found {_shown(step)}", node.at)

    def _element(self, target: Type, node: Node) -> Type:
        match target.kind:
            case "list" | "map":
                return target.parameters[0]
            case "dyn" | "variable":
                self.known.assignable([DYN], [target])
                return DYN
        raise self._error(f"expected a list or a map, found {_shown(target)}", node.at)

    def _optional_macro(self, node: Macro) -> Step[Type]:
        target: Type = yield self.check(node.target)
        has_value = self._resolve("hasValue", [target], node.target.at, is_method=True)
        value = self._resolve("value", [target], node.target.at, is_method=True)
        self._locals.append({node.variable.name: value})
        self._mixed_allowed = True
        body: Type = yield self.check(node.bodies[0])
        self._locals.pop()
        result = self.known.apply(body)
        if node.name == "optMap":
            result = self._resolve("optional.of", [result], node.at)
        nothing = self._resolve("optional.none", [], node.at)
        return self._resolve(CONDITIONAL, [has_value, result, nothing], node.at)


def _shown(type_: Type) -> str:
    return type_.name.rpartition(".")[2] if type_.kind == "message" else str(type_)


def _suggestion(name: str, known: Sequence[str]) -> str:
    similar = get_close_matches(name, known, 1) if len(name) < 80 else []
    return f"; did you mean {similar[0]!r}?" if similar else ""


def _no_overload(function: str, types: Sequence[Type], *, is_method: bool) -> str:
    operator = function.strip("_").removeprefix("@")
    given = " and ".join(map(_shown, types))
    if function.startswith("@") or not _OPERATORS.isdisjoint(operator) or function in {CONDITIONAL, "_[_]", "_[?_]"}:
        kinds = {type_.kind for type_ in types}
        hint = ": write 5u for a uint, 5.0 for a double" if _is_mixture(kinds) else ""
        return f"{_OPERATOR_NAMES.get(operator, repr(operator))} does not go with {given}{hint}"
    if is_method:
        arguments = ", ".join(map(_shown, types[1:]))
        return f"{_shown(types[0])} has no function {function}({arguments})"
    return f"{function}() does not take {given or 'no arguments'}"


def _is_mixture(kinds: set[str]) -> bool:
    return len(kinds) > 1 and kinds <= _NUMBERS


_OPERATOR_NAMES: Final = {"?_:": "the choice with '?'", "[_]": "an index", "[?_]": "an index"}
