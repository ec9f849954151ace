"""Reading YAML: nodes with their lines and positions, errors, and limits."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootgrant.machines.yaml.reading import (
    MappingNode,
    Node,
    ScalarNode,
    SequenceNode,
    YamlError,
    decode,
    describe,
    is_null,
    parse_yaml,
    read_yaml,
)
from bootgrant.machines.yaml.scalars import core_value


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
def test_an_error_names_its_line(text: bytes, line: int, says: str) -> None:
    with pytest.raises(YamlError, match=re.escape(says)) as caught:
        read_yaml(text)
    assert caught.value.line == line


def test_aliases_that_multiply_are_rejected_before_they_do() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(YamlError, match="aliases"):
        read_yaml("\n".join(lines).encode())


def test_a_large_file_is_rejected_without_parsing_it() -> None:
    with pytest.raises(YamlError, match="larger than 16 MiB"):
        read_yaml(b"#" * (17 << 20))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200) | st.text("{}[]&*!|>'\"%@`-:?,#\n\t ab", max_size=80).map(str.encode))
def test_any_bytes_are_parsed_or_rejected_with_a_line(content: bytes) -> None:
    line = rejected_at(content)
    assert line is None or line >= 1


def rejected_at(content: bytes) -> int | None:
    try:
        for root in read_yaml(content):
            core_value(root)
    except YamlError as error:
        return error.line
    return None


def scalars(node: Node) -> Iterator[ScalarNode]:
    match node:
        case ScalarNode():
            yield node
        case SequenceNode():
            for item in node.items:
                yield from scalars(item)
        case MappingNode():
            for key, value in node.pairs:
                yield key
                yield from scalars(value)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_positions_of_scalars_count_characters_of_the_text(mark: str) -> None:
    parsed = parse_yaml(f"{mark}ä: 'ö'\nlist: [\"é\\n\"]\nb: |\n  one\n  two\n".encode())
    found = [parsed.text[one.start : one.end].rstrip() for root in parsed.documents for one in scalars(root)]
    assert found == ["ä", "'ö'", "list", '"é\\n"', "b", "|\n  one\n  two"]


def test_lines_count_from_one_in_every_document() -> None:
    parsed = parse_yaml(b"a: 1\n---\n- b\n-\n  c: 2\n---\n")
    assert [(root.line, [one.line for one in scalars(root)]) for root in parsed.documents] == [
        (1, [1, 1]), (3, [3, 5, 5]), (7, [7]),
    ]  # fmt: skip
    assert [is_null(root) for root in parsed.documents] == [False, False, True]


def test_an_alias_is_the_node_that_it_repeats_and_counts_like_it() -> None:
    (root,) = read_yaml(b"a: &x {b: [1, 2]}\nc: *x\nd: &y text\ne: *y\n")
    assert isinstance(root, MappingNode)
    assert root.get("c") is root.get("a")
    assert root.get("e") is root.get("d")
    assert root.get("f") is None
    assert (root.weight, root.height) == (1 + 2 * (1 + 5) + 2 * 2, 3)


def test_an_anchor_is_known_in_the_documents_after_it() -> None:
    one, other = read_yaml(b"a: &x 1\n---\na: *x\n")
    assert isinstance(one, MappingNode)
    assert isinstance(other, MappingNode)
    assert one.get("a") is other.get("a")


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("[?]", ["?"]),
        ("[?a, a?]", ["?a", "a?"]),
        ("[::1, fe80::1]", ["::1", "fe80::1"]),
        ("[a, :b]", ["a", ":b"]),
        ("['?x', \"?y\"]", ["?x", "?y"]),
        ("['\ue000', ?x]", ["\ue000", "?x"]),
        ("[-, -]", ["-", "-"]),
    ],
)
def test_question_marks_and_colons_are_text_in_flow_style(text: str, items: list[str]) -> None:
    (root,) = read_yaml(text.encode())
    assert isinstance(root, SequenceNode)
    assert [item.text for item in root.items if isinstance(item, ScalarNode)] == items


@pytest.mark.parametrize(("text", "key"), [("{?: a}", "?"), ("{?a: b}", "?a"), ("{? a: b}", "a")])
def test_only_a_question_mark_with_a_blank_begins_a_key(text: str, key: str) -> None:
    (root,) = read_yaml(text.encode())
    assert isinstance(root, MappingNode)
    assert [name.text for name, _ in root.pairs] == [key]


def test_places_are_those_of_the_text_with_question_marks() -> None:
    (root,) = read_yaml(b"[?a, b]")
    assert isinstance(root, SequenceNode)
    assert [(item.start, item.end) for item in root.items if isinstance(item, ScalarNode)] == [(1, 3), (5, 6)]


@pytest.mark.parametrize("text", ["{a: :}", "{:a: b}", "[a? b]", "{a: what? }", "a: ?"])
def test_other_indicators_are_errors(text: str) -> None:
    with pytest.raises(YamlError, match="not valid YAML"):
        read_yaml(text.encode())


def test_nesting_is_counted_through_aliases() -> None:
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 99))]
    (root,) = read_yaml("\n".join(lines).encode())
    assert isinstance(root, MappingNode)
    assert root.height == 100
    with pytest.raises(YamlError, match="nested deeper than 100 levels") as caught:
        read_yaml("\n".join([*lines, "a99: [*a98]"]).encode())
    assert (caught.value.line, caught.value.is_too_large) == (100, True)
    assert read_yaml(b"[" * 100 + b"]" * 100)


def test_long_texts_count_as_more_values() -> None:
    text = b"x" * (64 * 10_000)
    assert read_yaml(b"a: &a " + text + b"\nb: [" + b"*a, " * 98 + b"]\n")
    with pytest.raises(YamlError, match="more than 1,000,000 values") as caught:
        read_yaml(b"a: &a " + text + b"\nb: [" + b"*a, " * 99 + b"]\n")
    assert (caught.value.line, caught.value.is_too_large) == (2, True)


def test_plain_quoted_and_tagged_scalars_differ() -> None:
    (root,) = read_yaml(b"[a, 'a', \"a\", !!str a, !own a, ~, !!null ~, '', !!null x]")
    found = list(scalars(root))
    assert [one.plain for one in found] == [True, False, False, False, False, True, False, False, False]
    assert [one.tag for one in found[3:5]] == ["tag:yaml.org,2002:str", "!own"]
    assert [is_null(one) for one in found] == [False] * 5 + [True, True, False, False]


def test_the_directive_of_another_yaml_version_has_its_line() -> None:
    assert parse_yaml(b"%YAML 1.1\n---\na: 1\n").version_line is None
    assert parse_yaml(b"a: 1\n...\n%YAML 1.2\n---\nb: 1\n").version_line == 3


def test_a_text_that_is_not_utf_8_is_parsed_as_far_as_possible() -> None:
    parsed = parse_yaml(b"a: 1\nb: \xff\n")
    assert parsed.error is not None
    assert (parsed.error.message, parsed.error.line) == ("not UTF-8: save the file as UTF-8", 2)
    assert [one.text for one in scalars(parsed.documents[0])] == ["a", "1", "b", "\ufffd"]
    with pytest.raises(YamlError):
        decode(b"\xff")
    assert decode(b"\xef\xbb\xbfa") == "a"


@pytest.mark.parametrize(
    ("text", "shown"),
    [(b"{}", "a mapping"), (b"[]", "a list"), (b"x" * 60, repr("x" * 60)), (b"x" * 61, "a text of 61 characters")],
)
def test_a_node_is_described_for_messages(text: bytes, shown: str) -> None:
    assert describe(read_yaml(text)[0]) == shown
