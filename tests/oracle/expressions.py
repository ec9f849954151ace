"""Make expressions in CEL from what an environment can name: most have the wanted type, some are broken."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from bootgrant.machines.talos.cel.environments import Environment

_LITERALS: Final = {
    "int": ["1", "-3", "0x10", "int('1')", "size('a')", "[1][0]", "--1"],
    "uint": ["1u", "GiB", "2u * KiB", "uint(1)", "0x1Fu"],
    "double": ["1.0", ".5", "1e3", "double(1)", "{1: 2.0}[1]", "-1.5"],
    "string": ["'a'", "r'\\d'", "'''x'y'''", "string(1)", "'\\u00e9'"],
    "bytes": ["b'a'", "bytes('x')", "b'\\xff'"],
    "bool": ["true", "false", "1 < 2", "'a' in ['a']", "has({'a': 1}.a)"],
    "list": ["[1, 2]", "[]", "['a']", "[1, 'a']", "[[]]", "[null, 1,]"],
    "map": ["{}", "{1: 2.0}", "{'a': 1}", "{1: 'x', 'b': 2}"],
    "duration": ["duration('1s')"],
    "timestamp": ["timestamp('2026-01-01T00:00:00Z')"],
    "dyn": ["dyn(1)", "[1, 'a'][0]", "null"],
    "optional": ["optional.of(1)", "optional.none()", "{1: 2}[?1]", "{'a': 1}.?a"],
}
_NUMBERS: Final = ("int", "uint", "double")
_BROKEN: Final = "0123456789abuxr'\"`\\()[]{}.,?:!=<>&|+-*/% \n#@;^_"


@dataclass
class Expressions:
    """Makes expressions for an environment."""

    environment: Environment
    choose: random.Random
    _variables: list[str] = field(default_factory=list)

    def expression(self, wanted: str) -> str:
        """Return an expression that mostly has the type."""
        made = self._of(wanted if self.choose.random() < 0.9 else self._any_type(), self.choose.randrange(1, 4))
        return self._broken(made) if self.choose.random() < 0.2 else made

    def _any_type(self) -> str:
        return self.choose.choice(list(_LITERALS))

    def _known(self, wanted: str) -> Iterator[str]:
        """Yield the names and fields that have the type."""
        for name, type_ in self.environment.names.items():
            if "." in name:
                continue
            if type_.kind == wanted:
                yield name
            for field_name, found in self.environment.messages.get(type_.name, {}).items():
                if found.kind == wanted:
                    yield f"{name}.{field_name}"

    def _of(self, wanted: str, depth: int) -> str:
        if depth == 0 or self.choose.random() < 0.25:
            return self.choose.choice([*_LITERALS[wanted], *self._known(wanted), *self._variables[-1:]])
        made = [self._general, self._special.get(wanted, self._general)]
        return self.choose.choice(made)(wanted, depth - 1)

    @property
    def _special(self) -> dict[str, Callable[[str, int], str]]:
        return {
            "bool": self._condition, "list": self._collection, "map": self._mapping, "optional": self._optional,
            "string": self._text, "duration": self._time, **dict.fromkeys(_NUMBERS, self._number),
        }  # fmt: skip

    def _general(self, wanted: str, depth: int) -> str:
        one, other, index = self._of(wanted, depth), self._of(wanted, depth), self._of("int", depth)
        condition = self._of("bool", depth)
        return self.choose.choice(
            [
                f"({one})",
                f"({condition} ? {one} : {other})",
                f"[{one}, {other}][{index}]",
                f"{{'a': {one}, 'b': {other}}}['a']",
                f"({self._of('optional', depth)}).orValue({one})",
            ]
        )

    def _number(self, wanted: str, depth: int) -> str:
        one, other = self._of(wanted, depth), self._of(wanted, depth)
        converted = f"{wanted}({self._of(self._any_type(), depth)})"
        return self.choose.choice([f"({one} {self.choose.choice('+-*/%')} {other})", f"-({one})", converted])

    def _text(self, wanted: str, depth: int) -> str:
        return self.choose.choice(
            [f"({self._of(wanted, depth)} + {self._of(wanted, depth)})", f"string({self._of(self._any_type(), depth)})"]
        )

    def _time(self, wanted: str, depth: int) -> str:
        return f"({self._of(wanted, depth)} + {self._of(wanted, depth)})"

    def _condition(self, wanted: str, depth: int) -> str:
        kind = self._any_type()
        one, other = self._of(kind, depth), self._of(kind, depth)
        text, collection = self._of("string", depth), self._of(self.choose.choice(["list", "map"]), depth)
        macro = self.choose.choice(["all", "exists", "exists_one"])
        return self.choose.choice(
            [
                f"({one} {self.choose.choice(['==', '!=', '<', '<=', '>', '>='])} {other})",
                f"({self._of(wanted, depth)} {self.choose.choice(['&&', '||'])} {self._of(wanted, depth)})",
                f"!({self._of(wanted, depth)})",
                f"({text}).{self.choose.choice(['contains', 'startsWith', 'endsWith', 'matches'])}({text})",
                f"({one} in {collection})",
                f"glob({text}, {text})",
                f"({self._of('optional', depth)}).hasValue()",
                f"({collection}).{macro}(x, {self._inside('x', wanted, depth)})",
            ]
        )

    def _inside(self, variable: str, wanted: str, depth: int) -> str:
        """Return an expression that may use the variable of a macro."""
        self._variables.append(variable)
        made = self._of(wanted, depth)
        self._variables.pop()
        return made

    def _collection(self, wanted: str, depth: int) -> str:
        collection = self._of(self.choose.choice(["list", "map"]), depth)
        return self.choose.choice(
            [
                f"({collection}).map(y, {self._inside('y', self._any_type(), depth)})",
                f"({collection}).filter(y, {self._inside('y', 'bool', depth)})",
                f"({self._of(wanted, depth)} + {self._of(wanted, depth)})",
                f"[?{self._of('optional', depth)}, {self._of(self._any_type(), depth)}]",
            ]
        )

    def _mapping(self, wanted: str, depth: int) -> str:
        key, value = self._of(self._any_type(), depth), self._of(self._any_type(), depth)
        return self.choose.choice([f"{{{key}: {value}, 'k': 1}}", f"{{?'k': {self._of('optional', depth)}}}"])

    def _optional(self, wanted: str, depth: int) -> str:
        one = self._of(wanted, depth)
        return self.choose.choice(
            [
                f"({one}).optMap(z, {self._inside('z', self._any_type(), depth)})",
                f"({one}).optFlatMap(z, {self._inside('z', wanted, depth)})",
                f"({one}).or({self._of(wanted, depth)})",
                f"optional.of({self._of(self._any_type(), depth)})",
                f"({self._of('list', depth)})[?0]",
                f"({self._of('map', depth)}).?a",
            ]
        )

    def _broken(self, text: str) -> str:
        at = self.choose.randrange(len(text) + 1)
        return text[:at] + self.choose.choice(["", self.choose.choice(_BROKEN)]) + text[at + self.choose.randrange(2) :]
