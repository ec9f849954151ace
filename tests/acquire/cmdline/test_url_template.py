"""The variables in talos.config: as in Talos under ``compat``, and without its bugs by default."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.acquire.cmdline.url_template import populate, wanted_variables
from bootgrant.acquire.errors import BadParameter
from bootgrant.acquire.facts import VARIABLES
from bootgrant.wire.go_url import parse_url
from support.vectors import vectors

_MACHINE = {
    "uuid": "5d0a7b2e-8a4c-4b8e-9d4a-0123456789ab",
    "serial": "SN 12/34+5",
    "mac": "12:34:56:78:90:ab",
    "hostname": "node-1",
    "code": "a$1b&c=${uuid}",
}


def _label(entry: dict[str, Any]) -> str:
    return ascii(entry["input"]["url"])


def _outcome(url: str, values: dict[str, str]) -> dict[str, str | None]:
    try:
        wanted = wanted_variables(url, compat=True)
        populated = populate(url, values, compat=True)
    except BadParameter as error:
        return {"error": error.what, "url": ""}
    missing = any(not values.get(name) for name in wanted)
    return {"error": "context deadline exceeded" if missing else None, "url": populated}


@pytest.mark.parametrize("entry", vectors("populate"), ids=_label)
def test_compat_agrees_with_the_reference(entry: dict[str, Any]) -> None:
    expected = entry["output"]
    outcome = _outcome(entry["input"]["url"], entry["input"]["values"])
    assert outcome in expected.get("alternatives", [expected])


def _meaning(url: str) -> tuple[str, list[tuple[str, tuple[str, ...]]]]:
    parsed = parse_url(url)
    return str(parsed.with_query("")), sorted((key, tuple(values)) for key, values in parsed.query().items())


# The intended differences: a $ in a value, pairs that Go cannot decode, an encoded slash.
_DIFFERENCES = ("$1b", "${0}", "$0x", "p$word", ";", "%zz", "%2F")


def _reference_is_right(entry: dict[str, Any]) -> bool:
    url, code = entry["input"]["url"], entry["input"]["values"].get("code", "")
    if "url" not in entry["output"] or not entry["output"]["url"]:
        return False
    return not any(text in url or text in code for text in _DIFFERENCES) and "${uuid}" not in code


_RIGHT = [entry for entry in vectors("populate") if _reference_is_right(entry)]


@pytest.mark.parametrize("entry", _RIGHT, ids=_label)
def test_by_default_the_url_means_the_same_where_the_reference_is_right(entry: dict[str, Any]) -> None:
    populated = populate(entry["input"]["url"], entry["input"]["values"])
    assert _meaning(populated) == _meaning(entry["output"]["url"])


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        # A $ in a value stays a $, and a value is not searched for placeholders.
        ("http://x/?c=${code}", "http://x/?c=a%241b%26c%3D%24%7Buuid%7D"),
        ("http://x/?c=${code}&u=${uuid}", f"http://x/?c=a%241b%26c%3D%24%7Buuid%7D&u={_MACHINE['uuid']}"),
        # Pairs that Go drops are kept, and placeholders in them are found.
        ("http://x/?a;b=1&h=${hostname}", "http://x/?a;b=1&h=node-1"),
        ("http://x/?h=${hostname};x=1", "http://x/?h=node-1;x=1"),
        ("http://x/?x=%zz&h=${hostname}", "http://x/?x=%zz&h=node-1"),
        # The path keeps its encoded slash and becomes valid.
        ("http://x/a%2Fb/c?h=${hostname}", "http://x/a%2Fb/c?h=node-1"),
        ("http://x/cö%2Fb?h=${hostname}", "http://x/c%C3%B6%2Fb?h=node-1"),
        ("http://x/${uuid}/?h=${hostname}", "http://x/$%7Buuid%7D/?h=node-1"),
        # The query keeps its order, notation and empty pairs; the fragment is kept.
        ("http://x/?z=1&&h=${hostname}&a=!*'()&flag#f", "http://x/?z=1&&h=node-1&a=!*'()&flag#f"),
        ("HTTP://X/?h=%24%7Bhostname%7D!", "HTTP://X/?h=node-1!"),
        ("http://x/?h=${Ho\u017ftName}", "http://x/?h=node-1"),
        ("http://x/?h=%24{ho%C5%BFtname}", "http://x/?h=node-1"),
        # The old form: the first uuid gets the value, the others are removed.
        ("http://x/?uuid&z=1&uuid=b", f"http://x/?uuid={_MACHINE['uuid']}&z=1"),
        ("http://x/?%75uid=%20", f"http://x/?uuid={_MACHINE['uuid']}"),
        ("http://x/?uuid=fixed&h=${hostname}", "http://x/?uuid=fixed&h=node-1"),
    ],
)
def test_by_default_only_the_placeholders_change(url: str, expected: str) -> None:
    assert populate(url, _MACHINE) == expected


def test_a_variable_without_a_value_stays_an_escaped_placeholder() -> None:
    assert (
        populate("http://x/?c=${code}&h=${hostname}", {"hostname": "n", "code": ""}) == "http://x/?c=%24%7Bcode%7D&h=n"
    )


def test_without_a_placeholder_the_url_is_unchanged() -> None:
    url = "HTTP://x/ä?b=%zz&a={}#ö"
    assert populate(url, _MACHINE) == url
    assert wanted_variables(url) == ()


def test_an_invalid_url_is_refused_with_the_text_of_the_reference() -> None:
    with pytest.raises(BadParameter) as caught:
        populate("http://${hostname}/", _MACHINE)
    assert caught.value.what == 'failed to parse URL: parse "http://${hostname}/": invalid character "{" in host name'


_PIECES = st.sampled_from(
    ["?", "&", "=", ";", "#", "%", "%24", "{", "}", "$", "uuid", "${uuid}", "${code}", "a", "\u017f", "+"]
)
_URLS = st.one_of(st.text(), st.lists(_PIECES).map(lambda pieces: "http://x/" + "".join(pieces)))
_VALUES = st.dictionaries(st.sampled_from(VARIABLES), st.text())


@given(_URLS, _VALUES, st.booleans())
def test_arbitrary_text_becomes_a_url_or_an_error(url: str, values: dict[str, str], compat: bool) -> None:
    try:
        populated = populate(url, values, compat=compat)
    except BadParameter:
        return
    if populated != url:
        assert populated.isascii()
        parse_url(populated)


@given(st.text(), st.text())
def test_a_value_is_sent_unchanged(code: str, hostname: str) -> None:
    query = parse_url(populate("http://x/?c=<${code}>&h=${hostname}", {"code": code, "hostname": hostname})).query()
    assert query["c"] == [f"<{code or '${code}'}>"]
    assert query["h"] == [hostname or "${hostname}"]
