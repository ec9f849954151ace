"""The provider's answers under ``--compat talos``: the JSON that Go accepts, and its error texts where recorded."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.acquire.talos.provider import (
    GoJsonError,
    integer_field,
    number_field,
    string_field,
    unmarshal_object,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def complaint(content: bytes) -> str:
    with pytest.raises(GoJsonError) as caught:
        unmarshal_object(content)
    return str(caught.value)


@given(st.binary() | st.text(alphabet='{}[]:,"\\u0019-+.eEtrufalsn \n', max_size=30).map(str.encode))
def test_arbitrary_bytes_are_parsed_or_refused(content: bytes) -> None:
    with contextlib.suppress(GoJsonError):
        members = unmarshal_object(content)
        for name in members:
            with contextlib.suppress(GoJsonError):
                string_field(members, name).encode()
            with contextlib.suppress(GoJsonError):
                integer_field(members, name)
            with contextlib.suppress(GoJsonError):
                number_field(members, name)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4), st.booleans())
def test_every_json_object_is_parsed(document: dict[str, object], spaced: bool) -> None:
    written = json.dumps(document, indent=2 if spaced else None)
    members = unmarshal_object(written.encode())
    assert set(members) == {name.lower() for name, value in document.items() if value is not None}


@given(JSON.map(lambda value: json.dumps(value).encode()), st.data())
def test_a_truncated_document_is_refused(document: bytes, data: st.DataObject) -> None:
    whole = b'{"a": ' + document + b"}"
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    assert complaint(cut)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "unexpected end of JSON input"),
        (b'{"a', "unexpected end of JSON input"),
        (b'{"a": tru', "unexpected end of JSON input"),
        (b"hello", "invalid character 'h' looking for beginning of value"),
        (b"not json", "invalid character 'o' in literal null (expecting 'u')"),
        (b"[]", "json: cannot unmarshal array into Go value of type struct"),
    ],
)
def test_recorded_mistakes_have_the_words_of_go(content: bytes, words: str) -> None:
    assert complaint(content) == words


@pytest.mark.parametrize(
    "content",
    [b"{'a'}", b'{"a" 1}', b'{"a": 1 "b"}', b'{"a": 1,}', b'{"a": [1 2]}', b"{} x", b'{"a": 01}', b'{"a": -x}',
     b'{"a": 1.x}', b'{"a": 1ex}', b'{"a": "\n"}', b'{"a": "\\x"}', b'{"a": "\\u00g0"}', b'{"a": NaN}',
     b'{"a": -Infinity}', b"\xef\xbb\xbf{}", b'{"a": \xff}', b"[" * 5000],
)  # fmt: skip
def test_json_that_go_does_not_accept_is_refused(content: bytes) -> None:
    assert complaint(content)


def test_a_field_of_another_type_is_refused_by_name() -> None:
    members = unmarshal_object(b'{"A": 1, "b": "x", "c": 1.0, "d": null, "e": 99999999999999999999, "f": [1]}')
    for name, kind in (("a", "number"), ("f", "array")):
        with pytest.raises(GoJsonError, match=rf"cannot unmarshal {kind} into Go struct field \.{name} of type string"):
            string_field(members, name)
    for name, kind in (("b", "string"), ("c", "number 1.0"), ("e", "number 99999999999999999999")):
        with pytest.raises(GoJsonError, match=rf"cannot unmarshal {kind} into Go struct field \.{name} of type int64"):
            integer_field(members, name)
    assert (string_field(members, "d"), integer_field(members, "d"), integer_field(members, "a")) == ("", 0, 1)


def test_a_number_may_be_a_text_but_must_be_whole() -> None:
    members = unmarshal_object(b'{"a": "3600", "b": "x", "c": 3599.5, "d": [1]}')
    assert (number_field(members, "a"), number_field(members, "absent")) == (3600, 0)
    for name in ("b", "c", "d"):
        with pytest.raises(GoJsonError):
            number_field(members, name)


def test_a_lone_surrogate_becomes_the_replacement_character() -> None:
    assert string_field(unmarshal_object(b'{"a": "x\\ud800y"}'), "a") == "x\ufffdy"
