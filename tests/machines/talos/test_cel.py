"""Expressions have the type that cel-go gives them; tests/vectors/cel.json was made with the environments of Talos."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.machines.talos.cel import CelError, CelUnchecked, compile_type
from support.vectors import vectors


def _type(expression: str, environment: str, release: str = "1.14") -> str:
    """The type of an expression, empty if it has none."""
    try:
        return compile_type(expression, environment, release)
    except CelError:
        return ""


def _reason(expression: str, environment: str) -> str:
    with pytest.raises(CelError) as caught:
        compile_type(expression, environment)
    return str(caught.value)


@pytest.mark.parametrize("entry", vectors("cel"), ids=lambda entry: f"{entry['release']}-{entry['environment']}")
def test_it_agrees_with_cel_go(entry: dict[str, Any]) -> None:
    wrong = [
        (expression, wanted, found)
        for wanted, expressions in entry["expressions"].items()
        for expression in expressions
        if (found := _type(expression, entry["environment"], entry["release"])) != wanted
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("expression", "environment", "reason"),
    [
        ("disk.sise > 1u", "disk", "DiskSpec has no field 'sise'; did you mean 'size'? (column 5)"),
        ("system_dsk", "disk", "there is no 'system_dsk' here; did you mean 'system_disk'? (column 1)"),
        (
            "disk.size > 5",
            "disk",
            "'>' does not go with uint and int: write 5u for a uint, 5.0 for a double (column 11)",
        ),
        ("disk.model = 'x'", "disk", "unexpected '=': compare with == (column 12)"),
        ("globb('a', disk.model)", "disk", "there is no function 'globb'; did you mean 'glob'? (column 1)"),
        ("disk.size &&\n  true", "disk", "expected bool, found uint (line 1, column 5)"),
        ("disk.model.size > 1", "disk", "string has no fields (column 11)"),
        ("disk.model.foo(1)", "disk", "there is no function 'foo' (column 12)"),
        ("disk.?model", "disk", "'?' is not known in this kind of expression (column 6)"),
        ("(disk.size", "disk", "unexpected the end, expected ')' (column 11)"),
        ("path.map(x, x)", "cgroup", "expected a list or a map, found string (column 1)"),
        ("memory_max + 1u", "cgroup", "'+' does not go with optional_type(uint) and uint (column 12)"),
    ],
)
def test_a_reason_says_what_is_wrong_and_where(expression: str, environment: str, reason: str) -> None:
    assert _reason(expression, environment) == reason


@pytest.mark.parametrize(
    "expression",
    ["disk.model == 'hunter2", "disk.model + 'hunter2' + 1", "'hunter2'.foo()", "'hunter2' 'hunter2'", "'hunter2\\q'"],
)
def test_no_reason_repeats_a_text(expression: str) -> None:
    assert "hunter2" not in _reason(expression, "disk")


def test_digits_after_an_escape_sequence_are_not_part_of_it() -> None:
    assert _type("'\\u00e9abcd' + '\\U0001f600ff' + '\\\\ud800'", "disk") == "string"
    assert _type("'\\ud800'", "disk") == ""


def test_nesting_has_the_limit_of_cel_go() -> None:
    assert _type("(" * 249 + "true" + ")" * 249, "disk") == "bool"
    assert "nested more than 250 times" in _reason("(" * 250 + "true" + ")" * 250, "disk")


def test_length_has_the_limit_of_cel_go() -> None:
    assert _type("'" + "x" * 99_998 + "'", "disk") == "string"
    assert "longer than 100000" in _reason("'" + "x" * 99_999 + "'", "disk")


@pytest.mark.parametrize(
    "expression",
    [
        "[" * 200 + "]" * 200,
        "[1]" + ".map(x, {x: x})" * 200,
        "[" + ",".join("[" * k + "]" * k for k in range(1, 90)) + "]",
    ],
)
def test_types_beyond_all_measure_are_called_unchecked(expression: str) -> None:
    with pytest.raises(CelUnchecked, match="too large to be checked"):
        compile_type(expression, "disk")


def test_many_conditions_are_no_nesting() -> None:
    assert _type(" && ".join(["disk.size > 1u"] * 1000), "disk") == "bool"


def test_deep_expressions_need_no_deep_stack() -> None:
    def below(frames: int) -> str:
        return below(frames - 1) if frames else _type("[1].all(x, " * 120 + "true" + ")" * 120, "disk")

    assert below(600) == "bool"


@given(
    st.text(st.sampled_from("disk.sizemodel0123456789u'\"\\()[]{},:?!=<>&|+-*/% xr\n`é"), max_size=60),
    st.sampled_from(["disk", "cgroup"]),
)
def test_any_text_has_a_type_or_is_refused(expression: str, environment: str) -> None:
    assert isinstance(_type(expression, environment), str)


@pytest.mark.parametrize("environment", ["link", "oom", "cgroup"])
def test_talos_1_11_has_no_links_and_no_memory_pressure(environment: str) -> None:
    with pytest.raises(LookupError):
        compile_type("true", environment, "1.11")


@pytest.mark.parametrize("release", ["1.11", "1.12", "1.13", "1.14"])
def test_every_release_selects_disks_and_volumes(release: str) -> None:
    assert compile_type("disk.size > 10u * GiB && !system_disk", "disk", release) == "bool"
    assert compile_type("volume.partition_label == 'EPHEMERAL'", "volume", release) == "bool"


def test_an_unknown_release_is_an_error() -> None:
    with pytest.raises(LookupError):
        compile_type("true", "disk", "1.2")
