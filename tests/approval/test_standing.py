"""The one verdict about a waiting machine."""

from __future__ import annotations

import pytest

from bootgrant.approval.standing import Standing, standing


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        ({"has_entry": True, "is_exact": True}, Standing.EXPECTED),
        ({"has_entry": True}, Standing.PATTERN),
        ({"has_entry": True, "is_assigned": True}, Standing.ASSIGNED),
        ({"has_entry": True, "is_assigned": True, "is_exact": True}, Standing.ASSIGNED),
        ({}, Standing.UNKNOWN),
        ({"has_conflict": True, "has_entry": True, "is_exact": True}, Standing.MISMATCH),
        ({"has_conflict": True}, Standing.MISMATCH),
    ],
)
def test_only_an_exact_entry_without_conflict_is_expected(facts: dict[str, bool], verdict: Standing) -> None:
    nothing = dict.fromkeys(("has_conflict", "has_entry", "is_assigned", "is_exact"), False)
    assert standing(**{**nothing, **facts}) is verdict
