"""Where browsers allow passkeys."""

from __future__ import annotations

import pytest

from bootgrant.operator_plane.origin import has_passkeys


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://boot.example.org", True),
        ("https://boot.example.org:8443", True),
        ("http://localhost:8080", True),
        ("http://boot.example.org", False),
        ("https://10.0.0.1", False),
        ("https://[fd00::1]", False),
        ("http://127.0.0.1:8080", False),
    ],
)
def test_passkeys_are_available_where_browsers_allow_them(url: str, allowed: bool) -> None:
    assert has_passkeys(url) is allowed
