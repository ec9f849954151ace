"""YAML with its lines: what is read, and what is refused with its place."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootgrant.machines.yaml.reading import YamlError, read_yaml
from bootgrant.machines.yaml.scalars import core_value


def test_plain_words_are_read_as_yaml_1_2_reads_them() -> None:
    (root,) = read_yaml(b"{a: yes, b: true, c: 0o17, d: ~, e: '1', f: 1.5, g: 0x1f, h: 012}")
    assert core_value(root) == {
        "a": "yes", "b": True, "c": 15, "d": None, "e": "1", "f": 1.5, "g": 31, "h": 12,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (b"a: 1\nb: 2\na: 3\n", 3, "repeated (first on line 1)"),
        (b"a:\n\tb: 1\n", 2, "spaces"),
        (b"a: 1\nb: \xff\n", 2, "UTF-8"),
        (b"a: [1, 2\n", 2, "not valid YAML"),
        (b"a: 1\nb: *gone\n", 2, "anchor"),
        (b"x: &x [*x]\n", 1, "inside the value it repeats"),
        (b"a: b\n? [1]\n: 2\n", 2, "key"),
        (b"a: \x07\n", 1, "U+0007"),
        (b"[" * 101 + b"]" * 101, 1, "nested deeper"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_line(text: bytes, line: int, says: str) -> None:
    with pytest.raises(YamlError, match=re.escape(says)) as caught:
        read_yaml(text)
    assert caught.value.line == line


def test_aliases_that_multiply_are_refused_before_they_do() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(YamlError, match="aliases"):
        read_yaml("\n".join(lines).encode())


def test_a_large_file_is_refused_unread() -> None:
    with pytest.raises(YamlError, match="larger than 16 MiB"):
        read_yaml(b"#" * (17 << 20))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200) | st.text("{}[]&*!|>'\"%@`-:?,#\n\t ab", max_size=80).map(str.encode))
def test_any_bytes_are_read_or_refused_with_a_line(content: bytes) -> None:
    line = refused_at(content)
    assert line is None or line >= 1


def refused_at(content: bytes) -> int | None:
    try:
        for root in read_yaml(content):
            core_value(root)
    except YamlError as error:
        return error.line
    return None
