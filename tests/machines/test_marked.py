"""YAML with its lines: what is read, and what is refused with its place."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootgrant.machines.yaml.marked import MarkedError, documents, value


def test_plain_words_are_read_as_yaml_1_2_reads_them() -> None:
    (root,) = documents(b"{a: yes, b: true, c: 0o17, d: ~, e: '1', f: 1.5, g: 0x1f, h: 012}")
    assert value(root) == {
        "a": "yes", "b": True, "c": 15, "d": None, "e": "1", "f": 1.5, "g": 31, "h": 12,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (b"a: 1\nb: 2\na: 3\n", 3, "twice, first on line 1"),
        (b"a:\n\tb: 1\n", 2, "spaces"),
        (b"a: 1\nb: \xff\n", 2, "UTF-8"),
        (b"a: [1, 2\n", 2, "not YAML"),
        (b"a: 1\nb: *gone\n", 2, "anchor"),
        (b"x: &x [*x]\n", 1, "anchor"),
        (b"a: b\n? [1]\n: 2\n", 2, "key"),
        (b"a: \x07\n", 1, "U+0007"),
        (b"[" * 100 + b"]" * 100, 1, "nested deeper"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_line(text: bytes, line: int, says: str) -> None:
    with pytest.raises(MarkedError, match="(?i)" + says.replace("+", r"\+")) as caught:
        documents(text)
    assert caught.value.line == line


def test_aliases_that_multiply_are_refused_before_they_do() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(MarkedError, match="aliases"):
        documents("\n".join(lines).encode())


def test_a_large_file_is_refused_unread() -> None:
    with pytest.raises(MarkedError, match="larger than 8 MiB"):
        documents(b"#" * (9 << 20))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200) | st.text("{}[]&*!|>'\"%@`-:?,#\n\t ab", max_size=80).map(str.encode))
def test_any_bytes_are_read_or_refused_with_a_line(content: bytes) -> None:
    line = refused_at(content)
    assert line is None or line >= 1


def refused_at(content: bytes) -> int | None:
    try:
        for root in documents(content):
            value(root)
    except MarkedError as error:
        return error.line
    return None
