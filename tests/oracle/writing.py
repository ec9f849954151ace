"""Write generated values as YAML, in one of the ways in which people write it."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Plain:
    """A scalar without quotes, as it is written."""

    text: str


def document(value: dict[str, Any], choose: random.Random) -> str:
    """Write one document in block or flow style."""
    return f"{_flow(value)}\n" if choose.random() < 0.15 or not value else _block(value, 0)


def stream(values: list[dict[str, Any]], choose: random.Random) -> str:
    return "---\n".join(document(value, choose) for value in values)


def _flow(value: Any) -> str:
    match value:
        case Plain():
            return value.text
        case dict():
            return "{" + ", ".join(f"{_key(key)}: {_flow(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(_flow(item) for item in value) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def _key(key: str) -> str:
    plain = key.replace("_", "").replace("-", "").replace(".", "")
    return key if plain.isalnum() and plain.isascii() and plain[0].isalpha() and len(plain) > 3 else json.dumps(key)


def _block(value: Any, indent: int) -> str:
    blanks = " " * indent
    lines = []
    for key, item in value.items():
        if isinstance(item, dict) and item:
            lines.append(f"{blanks}{_key(key)}:\n{_block(item, indent + 2)}")
        elif isinstance(item, list) and item and all(isinstance(one, dict) and one for one in item):
            inner = "".join(f"{blanks}  - {_block(one, indent + 4).lstrip()}" for one in item)
            lines.append(f"{blanks}{_key(key)}:\n{inner}")
        else:
            lines.append(f"{blanks}{_key(key)}: {_flow(item)}\n")
    return "".join(lines)
