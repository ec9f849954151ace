"""What scalars mean to YAML 1.2, go-yaml and yaml.v2, and how numbers are written."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootgrant.machines.yaml.reading import read_yaml
from bootgrant.machines.yaml.scalars import Timestamp, core_value, float_text, old_plain_value, plain_value


def test_plain_scalars_follow_yaml_1_2() -> None:
    (root,) = read_yaml(b"{a: yes, b: true, c: 0o17, d: ~, e: '1', f: 1.5, g: 0x1f, h: 012}")
    assert core_value(root) == {
        "a": "yes", "b": True, "c": 15, "d": None, "e": "1", "f": 1.5, "g": 31, "h": 12,
    }  # fmt: skip


def test_a_tag_decides_over_the_look_of_a_scalar() -> None:
    (root,) = read_yaml(b"{a: !!str 5, b: !!int '7', c: !!bool 'true', d: !!null '', e: !own 5, f: !!float '1'}")
    assert core_value(root) == {"a": "5", "b": 7, "c": True, "d": None, "e": "5", "f": 1}


def test_a_number_of_very_many_digits_is_a_text() -> None:
    (root,) = read_yaml(b"[" + b"9" * 64 + b", " + b"9" * 65 + b"]")
    assert core_value(root) == [int("9" * 64), "9" * 65]


@pytest.mark.parametrize(
    ("text", "new", "old"),
    [
        ("yes", "yes", True), ("N", "N", False), ("True", True, True), ("~", None, None), ("010", 8, 8),
        ("0o17", 15, 15), ("1_000", 1000, 1000), ("0x1F", 31, 31), ("08", 8.0, 8.0), (".5", 0.5, 0.5),
        ("1e3", 1000.0, 1000.0),
        ("12:30", "12:30", "12:30"), ("18446744073709551615", 2**64 - 1, 2**64 - 1), ("-", "-", "-"),
        ("18446744073709551616", 18446744073709551616.0, 18446744073709551616.0), ("0x", "0x", "0x"),
        ("1e", "1e", "1e"),
        ("2024-01-02", Timestamp("2024-01-02"), "2024-01-02"), ("-.inf", float("-inf"), float("-inf")),
    ],
)  # fmt: skip
def test_plain_scalars_to_go_yaml_and_to_yaml_v2(text: str, new: object, old: object) -> None:
    assert (plain_value(text), old_plain_value(text)) == (new, old)
    assert (type(plain_value(text)), type(old_plain_value(text))) == (type(new), type(old))


@pytest.mark.parametrize(
    ("value", "text"),
    [(1000.0, "1000"), (123456789.0, "1.23456789e+08"), (1e-7, "1e-07"), (1.5, "1.5"), (0.0001, "0.0001"), (-0.0, "-0"),
     (1e21, "1e+21"), (float("nan"), ".nan"), (float("-inf"), "-.inf")],
)  # fmt: skip
def test_floats_are_written_as_go_writes_them(value: float, text: str) -> None:
    assert float_text(value) == text


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_read_back_as_written(value: float) -> None:
    back = plain_value(float_text(value))
    assert isinstance(back, (int, float))
    assert math.isclose(back, value, rel_tol=0)
