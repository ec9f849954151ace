"""Merging configurations that are not for Talos."""

from __future__ import annotations

import json

import pytest
import yaml

from bootgrant.machines.talos.composing import compose_plain
from bootgrant.machines.talos.documents import ComposeError, Part


def _merged(kind: str, *texts: str) -> str:
    return compose_plain([Part(f"part {at}", text.encode()) for at, text in enumerate(texts, 1)], kind).config.decode()


@pytest.mark.parametrize("kind", ["yaml", "json", "cloud-config", "ignition", "text"])
def test_a_single_part_is_returned_byte_for_byte(kind: str) -> None:
    text = '#cloud-config\n{"a":   [1 ]}' if kind == "cloud-config" else '{"a":   [1 ]}'
    assert _merged(kind, text) == text


def test_mappings_are_merged_lists_appended_and_nulls_remove() -> None:
    one = '{"keep": 1, "change": 1, "gone": 1, "list": [1], "map": {"a": 1}}'
    two = '{"change": 2, "gone": null, "list": [2], "map": {"b": 2}}'
    wanted = {"keep": 1, "change": 2, "list": [1, 2], "map": {"a": 1, "b": 2}}
    assert json.loads(_merged("json", one, two)) == wanted
    assert yaml.safe_load(_merged("yaml", one, two)) == wanted


def test_a_yaml_scalar_keeps_its_text() -> None:
    merged = _merged("yaml", "a: 010\nb: yes\nc: '010'\n", "d: 1_000\ne: !vault x\nf: |\n  one\n  two\n")
    root = yaml.compose(merged, Loader=yaml.BaseLoader)
    assert root is not None
    nodes = {key.value: value for key, value in root.value}
    assert [nodes[key].value for key in "abcdef"] == ["010", "yes", "010", "1_000", "x", "one\ntwo\n"]
    assert [nodes[key].style for key in "abcd"] == [None, None, '"', None]
    assert nodes["e"].tag == "!vault"


def test_a_cloud_config_keeps_its_first_line() -> None:
    merged = _merged("cloud-config", "#cloud-config\nruncmd: [one]\n", "#cloud-config\nruncmd: [two]\n")
    assert merged == "#cloud-config\nruncmd:\n- one\n- two\n"


@pytest.mark.parametrize(
    ("kind", "texts", "part", "words"),
    [
        ("cloud-config", ("#cloud-config\na: b\n", "a: b\n"), "part 2", "first line must be #cloud-config"),
        ("text", ("one", "two"), "part 2", "takes one file"),
        ("json", ('{"a": 1}', '{"a": 1, "a": 2}'), "part 2", "is repeated"),
        ("json", ('{"a": 1}', '{"a": NaN}'), "part 2", "not a number in JSON"),
        ("json", ('{"a": 1}', '{"a":\n 1,}'), "part 2", "not valid JSON"),
        ("ignition", ('{"a": 1}', "[1]"), "part 2", "a mapping"),
        ("json", ('{"a": "\\ud800"}', "{}"), "part 1", "surrogate"),
        ("yaml", ("a: b\n", "a: b\n---\nc: d\n"), "part 2", "2 documents"),
        ("yaml", ("a: b\n", "a: b\na: c\n"), "part 2", "is repeated"),
    ],
)
def test_parts_that_cannot_be_merged_are_rejected(kind: str, texts: tuple[str, ...], part: str, words: str) -> None:
    with pytest.raises(ComposeError, match=words) as refused:
        _merged(kind, *texts)
    assert refused.value.part == part


def test_an_unknown_schema_is_rejected() -> None:
    with pytest.raises(ComposeError, match="there is no schema 'toml': write one of talos, yaml, json"):
        _merged("toml", "a = 1")


def test_only_a_single_part_has_origins() -> None:
    one, two = Part("one", b"a: b\n"), Part("two", b"c: d\n")
    assert compose_plain([one], "yaml").origins == {"": "one"}
    assert compose_plain([one, two], "yaml").origins == {}


def test_composing_no_parts_is_an_error() -> None:
    with pytest.raises(ComposeError, match="name a file first"):
        compose_plain([], "yaml")


@pytest.mark.parametrize("kind", ["yaml", "json"])
@pytest.mark.parametrize(
    ("left", "right", "merged"),
    [("[1]", "2", "2"), ("1", "[2]", "[2]"), ("[1]", '{"b": 2}', '{"b": 2}'), ('{"b": 1}', "[2]", "[2]"),
     ('{"b": 1, "c": {"d": 1}}', '{"b": null, "c": {"e": 2}}', '{"c": {"d": 1, "e": 2}}'), ("[1]", "[]", "[1]")],
)  # fmt: skip
def test_values_of_different_types_replace_each_other(kind: str, left: str, right: str, merged: str) -> None:
    text = _merged(kind, f'{{"a": {left}, "z": 0}}', f'{{"a": {right}}}')
    assert yaml.safe_load(text) == yaml.safe_load(f'{{"a": {merged}, "z": 0}}')
    assert text.index("a") < text.index("z")


def test_tags_and_empty_values_of_yaml_stay() -> None:
    merged = _merged("yaml", "a: !t {x: 1}\nb: []\nc: {}\nd: ''\n", "a: {y: 2}\ne: !u [1]\n")
    root = yaml.compose(merged, Loader=yaml.BaseLoader)
    assert root is not None
    tags = {key.value: value.tag for key, value in root.value}
    assert (tags["a"], tags["e"]) == ("!t", "!u")
    assert 'b: []\nc: {}\nd: ""\n' in merged


def test_a_first_line_of_cloud_config_with_blanks_is_named() -> None:
    with pytest.raises(ComposeError, match="without blanks"):
        _merged("cloud-config", "# cloud-config\nruncmd: [one]\n")
