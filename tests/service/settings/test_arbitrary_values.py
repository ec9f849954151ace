"""Whatever a value in ``bootgrant.toml`` is, it is used or refused with one error that names its key."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bootgrant.service.settings.setting import BadSetting
from bootgrant.service.settings.site import SETTINGS

_TEXTS = (
    "", "corp", "https://sso.example.org", "https://[", "openid", "10m", "9" * 400 + "s", "~nobody-here/x", "\0", "-x",
    "admin", "jwt", "userinfo", "introspection", "site=fra", "=", "*", "webhook", "slack", "ntfy", "smtp", "a@b", "tls",
    "10.0.0.0/8", "network", "/bin/true", "https://ntfy.example/x", "RS256", "²", "[::]:²", "[::]:80", "postgresql://x",
)  # fmt: skip
_PLAIN = st.one_of(
    st.sampled_from(_TEXTS), st.text(max_size=8), st.booleans(), st.integers(), st.floats(),
    st.just(datetime(2026, 1, 1, tzinfo=UTC)),
)  # fmt: skip
_VALUES = st.recursive(
    _PLAIN,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(_TEXTS), inner, max_size=3)),
    max_leaves=6,
)
_TABLES = [setting for setting in SETTINGS if setting.example]


def problem_of(key: str, value: object, base: Path) -> str:
    """What is wrong with the value, empty if nothing is. Every error but BadSetting fails the test."""
    [setting] = [each for each in SETTINGS if each.key == key]
    try:
        setting.parse(value, base)
    except BadSetting as bad:
        return f"{bad.key}: {bad.problem}"
    return ""


@pytest.mark.parametrize("text", _TEXTS)
def test_any_text_is_used_or_refused_with_its_key(tmp_path: Path, text: str) -> None:
    for key in (setting.key for setting in SETTINGS):
        problem = problem_of(key, text, tmp_path)
        assert not problem or (problem.startswith(f"{key}: ") and "\n" not in problem)


@pytest.mark.parametrize("key", [setting.key for setting in SETTINGS])
@settings(max_examples=20)
@given(value=_VALUES)
def test_any_value_is_used_or_refused_with_its_key(key: str, value: object) -> None:
    problem = problem_of(key, value, Path("/nonexistent"))
    assert not problem or (problem.startswith(f"{key}: ") and "\n" not in problem)


def rows_in(value: object) -> list[dict[str, Any]]:
    """The tables in a value, at any depth."""
    if isinstance(value, list):
        return [row for each in value for row in rows_in(each)]
    return [value, *(row for each in value.values() for row in rows_in(each))] if isinstance(value, dict) else []


@pytest.mark.parametrize("key", [setting.key for setting in _TABLES])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_in_a_row_is_used_or_refused_with_its_key(tmp_path: Path, key: str, data: st.DataObject) -> None:
    (tmp_path / "corp.secret").write_text("0123456789abcdef\n")
    [setting] = [each for each in _TABLES if each.key == key]
    value: Any = tomllib.loads("\n".join(setting.example))
    for name in key.split("."):
        value = value[name]
    assert not problem_of(key, value, tmp_path)
    row = data.draw(st.sampled_from(rows_in(value)))
    row[data.draw(st.sampled_from(sorted(row)))] = data.draw(_VALUES)
    problem = problem_of(key, value, tmp_path)
    assert not problem or (problem.startswith(f"{key}: ") and "\n" not in problem)
