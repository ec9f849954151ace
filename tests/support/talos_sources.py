"""Generated Talos configurations: every field of a kind, each value in a form that people write.

A source is a pair of YAML in flow style: what is written, and the same value as Talos writes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, TypeAlias

from hypothesis import strategies as st

from bootgrant.machines.talos import go_sizes, go_values
from bootgrant.machines.talos.container_types import Argument, Field, Free, ListOf, MapOf, Pointer, Struct
from bootgrant.machines.talos.scalar_types import (
    Boolean,
    Bytes,
    Choice,
    Duration,
    FileMode,
    GoType,
    HardwareAddress,
    Integer,
    KeyBytes,
    PortRange,
    ScalarType,
    Text,
    TextForm,
    TrimmedText,
    Url,
)
from bootgrant.machines.talos.size_types import MaxSize, PartitionSize, SizeCondition
from bootgrant.machines.talos.tables import LEGACY, Kind

Source: TypeAlias = tuple[str, str]


def _same(*texts: str) -> list[Source]:
    return [(text, text) for text in texts]


def _without_signs(sources: Sequence[Source]) -> list[Source]:
    return [source for source in sources if not source[0].startswith("-")]


_SIZES = [*_same("10GiB", "1GB", "'100'", "'1,000'", "10 GB", "-5GB", "1.5 TiB", "10ki", "'0'"), ("100", "'100'")]
_TEXTS = [
    *_same("a", "b-c", "'10'", "'true'", "'2024-01-02'", "'12:30'", "'<<'", "é", "' a'", '"a\\n b\\n"', "'#x'"),
    *[(text, f"'{text}'") for text in ("10", "1.50", "0x1f", "010", "yes", "true", "1e3", ".5", "1_000", "-0")],
    ("!!binary aGk=", "hi"),
]
_FREE = [
    *_same(
        "a", "'10'", "10", "true", "1.5", "null", "[]", "{}", "yes", "'2024-01-02'", "[a, [1, {b: null}]]", "''", "0"
    ),
    *[
        ("0x1f", "31"),
        ("010", "8"),
        ("1_000", "1000"),
        ("1.50", "1.5"),
        ("-0", "-0"),
        ("99999999999999999999", "1e+20"),
    ],
]
_PARSED: Mapping[Any, Sequence[Source]] = {
    go_values.address: [*_same("1.2.3.4", "'fd00::1'", "'fe80::1%eth0'", "'::'"), ("'FD00:0:0::1'", "'fd00::1'")],
    go_values.prefix: [*_same("10.1.2.3/16", "'::/0'"), ("'FD00:0::/8'", "'fd00::/8'")],
    go_values.address_port: [*_same("1.2.3.4:80", "'[fd00::1]:80'"), ("1.2.3.4:0080", "1.2.3.4:80")],
    go_sizes.checked_size: _SIZES,
    go_sizes.unsigned_size: _without_signs(_SIZES),
    go_sizes.size_condition: [*_same("'>= 500GB'", "5GB", "'<1TB'"), ("' == 5GiB '", "'== 5GiB'")],
    str: _same("'disk.size > 5u * GiB && disk.rotational'", "'true'", "system_disk"),
}
_SCALARS: Mapping[type[ScalarType], Sequence[Source]] = {
    Text: _TEXTS,
    TrimmedText: [*_TEXTS, ('"\\n\\tkind: x"', "'kind: x'")],
    Boolean: [
        ("true", "true"),
        ("yes", "true"),
        ("off", "false"),
        ("False", "false"),
        ("'on'", "true"),
        ("n", "false"),
    ],
    Integer: [("7", "7"), ("0x10", "16"), ("017", "15"), ("0b11", "3"), ("7.0", "7"), ("1_0", "10"), ("1e2", "100")],
    FileMode: [("0o644", "0o644"), ("0644", "0o644"), ("420", "0o644"), ("0x1ff", "0o777")],
    Duration: [
        *[("90s", "1m30s"), ("1h", "1h0m0s"), ("1.5h", "1h30m0s"), ("0.1s", "100ms"), ("'36h'", "36h0m0s")],
        *[("5.0", "5ns"), ("-1m", "-1m0s"), ("1us", "1µs"), ("1.1h", "1h6m0s")],
    ],
    HardwareAddress: [("'AA:BB:0c:00:11:22'", "'aa:bb:0c:00:11:22'"), ("aabb", "'aa:bb'")],
    SizeCondition: _PARSED[go_sizes.size_condition],
    Bytes: _same("aGk=", "aGV5", "'1234'", "aGVsbG8="),
    KeyBytes: _same("aGk=", "'******'"),
    Url: [
        *_same(
            "https://a.b:6443", "'http://u:p@h/p?q=1#f'", "https://h/a%20b", "p/q", "'http://[::1]:80/x'", "mailto:a@b"
        ),
        *[("HTTPS://H/P", "https://H/P"), ("https://h/a b", "https://h/a%20b"), ("https://h/é", "https://h/%C3%A9")],
    ],
    MaxSize: [*_SIZES, *_same("50%", "50.5%", "-5%")],
    PortRange: [("80", "80"), ("443-80", "443-80"), ("01-2", "1-2"), ("5-5", "5"), ("80.0", "80"), ("0x50", "80")],
    PartitionSize: [
        *[("10GiB", "10737418240"), ("100GB", "100 GB"), ("1 MB", "1.0 MB"), ("'1,000'", "1.0 kB"), ("1234", "1234")],
        *[("1500MB", "1.5 GB"), ("4TiB", "4398046511104"), ("123456789000", "123456789000"), ("9", "9")],
    ],
}
_KEYS: Sequence[Source] = [
    *_same("a9", "a10", "k.io/z", "'~'", "'a b'"),
    ("5", "'5'"),
    ("true", "'true'"),
    ("0x5", "'0x5'"),
]


def documents(kind: Kind) -> st.SearchStrategy[Source]:
    """A document of a kind with every field; of the legacy one, a few at random, because it has hundreds."""
    return st.integers(0, 2**32).map(lambda seed: _document(Random(seed), kind))


def _document(draw: Random, kind: Kind) -> Source:
    if kind.name == LEGACY:
        sections = [_section(draw, name, kind.type.fields[name].type) for name in ("machine", "cluster")]
        return _joined(["version: v1alpha1"], sections, 0), _joined(["version: v1alpha1"], sections, 1)
    fields = [_field(draw, known) for name, known in kind.type.fields.items() if name not in _HEADER]
    header = [f"apiVersion: {kind.api_version}", f"kind: {kind.name}"] if kind.api_version else []
    header += ["name: n0"] if kind.named else []
    return _joined(header, fields, 0), _joined(header, fields, 1)


def _section(draw: Random, name: str, type_: GoType) -> Source:
    """Some of the fields of a section, and those that Talos always writes."""
    assert isinstance(type_, Pointer)
    assert isinstance(type_.target, Struct)
    known = type_.target.fields
    chosen = {field.name for field in known.values() if not field.omitted} | set(draw.sample(sorted(known), 3))
    written, meant = _mapping([_field(draw, known[field]) for field in sorted(chosen)])
    return f"{name}: {written}", f"{name}: {meant}"


_HEADER = frozenset(("apiVersion", "kind", "name"))


def _joined(header: list[str], fields: list[Source], which: int) -> str:
    return "{" + ", ".join([*header, *(field[which] for field in fields)]) + "}\n"


def _field(draw: Random, known: Field) -> Source:
    name, type_ = known.name, known.type
    # Talos leaves out a false that is not behind a pointer.
    is_plain = known.omitted and isinstance(type_, Boolean)
    written, meant = ("yes", "true") if is_plain else _value(draw, type_)
    return f"{name}: {written}", f"{name}: {meant}"


def _value(draw: Random, type_: GoType) -> Source:
    match type_:
        case Pointer():
            return _value(draw, type_.target)
        case Struct():
            return _mapping([_field(draw, known) for known in type_.fields.values()])
        case ListOf():
            items = [_value(draw, type_.element) for _ in range(draw.randint(1, 2))]
            return _list(items)
        case MapOf():
            keys = [*draw.sample(_KEYS[:5], 2), *draw.sample(_KEYS[6:7], 1)]
            values = [_value(draw, type_.element) for _ in keys]
            return _mapping([(f"{k[0]}: {v[0]}", f"{k[1]}: {v[1]}") for k, v in zip(keys, values, strict=True)])
        case Argument(lists=lists):
            in_lists = [_list([_TEXTS[0], _TEXTS[12]]), ("[]", "[]")] if lists else []
            return draw.choice([*_TEXTS, *in_lists, ("null", "null")])
        case Free():
            return _mapping([(f"{key}: {v[0]}", f"{key}: {v[1]}") for key in "ab" for v in [draw.choice(_FREE)]])
        case _:
            return draw.choice(_forms(type_))


def _mapping(fields: list[Source]) -> Source:
    return "{" + ", ".join(field[0] for field in fields) + "}", "{" + ", ".join(field[1] for field in fields) + "}"


def _list(items: list[Source]) -> Source:
    return "[" + ", ".join(item[0] for item in items) + "]", "[" + ", ".join(item[1] for item in items) + "]"


def _forms(type_: GoType) -> Sequence[Source]:
    match type_:
        case Choice():
            names = [name for number, name in type_.names.items() if number]
            upper = [] if type_.lenient else [(f"'{name.upper()}'", f"'{name}'") for name in names]
            return [*_same(*(f"'{name}'" for name in names)), *upper] or [("'" + type_.names[0] + "'",) * 2]
        case TextForm() if type(type_) is TextForm:
            return _PARSED[type_.parse]
        case MaxSize(negative=False):
            return _without_signs(_SCALARS[MaxSize])
        case Duration(floats=False):
            return [source for source in _SCALARS[Duration] if source[0] != "5.0"]
        case ScalarType():
            return _SCALARS[type(type_)]
        case _:
            raise TypeError(type_)
