"""Writing YAML as Talos does: quotes, blocks, and the order of keys."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from bootgrant.machines.yaml.writing import compare_keys, natural_order, write_documents
from support.go_yaml_form import compared

_TEXTS = st.text(max_size=30) | st.text(alphabet=" \n\ta-:#'\"\\|>1e.~yno\u2028\x85\ufeff", max_size=20)


def test_keys_are_in_the_order_of_go_yaml() -> None:
    ordered = ["", "# x", "1", "2", "10", "NO_PROXY", "a", "a_b", "a1", "a2", "a10", "a10b", "aB", "ab", "http", "ключ"]
    assert natural_order(list(reversed(ordered))) == ordered


def test_zeros_that_continue_a_number_count() -> None:
    assert natural_order(["100", "11a", "11-"]) == ["11a", "11-", "100"]


@settings(deadline=None, max_examples=300)
@given(_TEXTS)
def test_every_text_is_read_back_as_written(text: str) -> None:
    (back,) = compared(write_documents([{text: [{"list": [text, [text]], "map": {"deep": text}}]}]))
    shown = ("text", text)
    inner = {"('text', 'list')": [shown, [shown]], "('text', 'map')": {"('text', 'deep')": shown}}
    assert back == {str(shown): [inner]}


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet="a019.-Z", max_size=6), st.text(alphabet="a019.-Z", max_size=6))
def test_the_order_of_keys_is_antisymmetric(one: str, other: str) -> None:
    assert (compare_keys(one, other) > 0) == (compare_keys(other, one) < 0)
    assert (compare_keys(one, other) == 0) == (one == other)


@given(st.lists(st.text("abzABZé", max_size=3), unique=True))
def test_keys_of_letters_only_are_in_the_order_of_the_same_comparison(keys: list[str]) -> None:
    ordered = natural_order(keys)
    assert all(compare_keys(one, other) < 0 for one, other in pairwise(ordered))
