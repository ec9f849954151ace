"""JSON as Go reads it: the same documents, and Go's words for what is wrong."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.acquire.talos.go_json import (
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
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with contextlib.suppress(GoJsonError):
        members = unmarshal_object(content)
        for name in members:
            with contextlib.suppress(GoJsonError):
                string_field(members, "", name).encode()
            with contextlib.suppress(GoJsonError):
                integer_field(members, "", name)
            with contextlib.suppress(GoJsonError):
                number_field(members, name)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4), st.booleans())
def test_every_object_that_is_json_is_read(document: dict[str, object], spaced: bool) -> None:
    written = json.dumps(document, indent=2 if spaced else None)
    members = unmarshal_object(written.encode())
    assert set(members) == {name.lower() for name, value in document.items() if value is not None}


@given(JSON.map(lambda value: json.dumps(value).encode()), st.data())
def test_a_document_that_was_cut_is_refused(document: bytes, data: st.DataObject) -> None:
    whole = b'{"a": ' + document + b"}"
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    assert complaint(cut)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "unexpected end of JSON input"),
        (b"hello", "invalid character 'h' looking for beginning of value"),
        (b"not json", "invalid character 'o' in literal null (expecting 'u')"),
        (b"{'a'}", "invalid character '\\'' looking for beginning of object key string"),
        (b'{"a" 1}', "invalid character '1' after object key"),
        (b'{"a": 1 "b"}', "invalid character '\"' after object key:value pair"),
        (b'{"a": 1,}', "invalid character '}' looking for beginning of object key string"),
        (b'{"a": [1 2]}', "invalid character '2' after array element"),
        (b"{} x", "invalid character 'x' after top-level value"),
        (b'{"a": 01}', "invalid character '1' after object key:value pair"),
        (b'{"a": -x}', "invalid character 'x' in numeric literal"),
        (b'{"a": 1.x}', "invalid character 'x' after decimal point in numeric literal"),
        (b'{"a": 1ex}', "invalid character 'x' in exponent of numeric literal"),
        (b'{"a": "\n"}', "invalid character '\\n' in string literal"),
        (b'{"a": "\\x"}', "invalid character 'x' in string escape code"),
        (b'{"a": "\\u00g0"}', "invalid character 'g' in \\u hexadecimal character escape"),
        (b"[]", "json: cannot unmarshal array into Go value of type struct"),
        (b"[" * 5000, "exceeded max depth"),
    ],
)
def test_what_is_wrong_is_said_in_gos_words(content: bytes, words: str) -> None:
    assert complaint(content) == words


def test_a_field_of_another_type_is_refused_by_its_name() -> None:
    members = unmarshal_object(b'{"A": 1, "b": "x", "c": 1.0, "d": null, "e": 99999999999999999999, "f": [1]}')
    for name, kind in (("a", "number"), ("f", "array")):
        with pytest.raises(
            GoJsonError, match=rf"cannot unmarshal {kind} into Go struct field T\.{name} of type string"
        ):
            string_field(members, "T", name)
    for name, said in (("b", "string"), ("c", "number 1.0"), ("e", "number 99999999999999999999")):
        with pytest.raises(GoJsonError, match=f"cannot unmarshal {said} into"):
            integer_field(members, "", name)
    assert (string_field(members, "", "d"), integer_field(members, "", "d"), integer_field(members, "", "a")) == (
        "",
        0,
        1,
    )


def test_half_a_character_becomes_the_replacement_character() -> None:
    assert string_field(unmarshal_object(b'{"a": "x\\ud800y"}'), "", "a") == "x\ufffdy"
