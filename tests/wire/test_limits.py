"""The sizes that machines and the documentation rely on."""

from __future__ import annotations

from bootgrant.wire import limits
from bootgrant.wire.admin_socket import USER_HEADER


def test_the_limits_are_those_that_both_sides_know() -> None:
    assert (limits.REQUEST_BODY, limits.REQUEST_HEAD, limits.CONFIG) == (16_384, 32_768, 16_777_216)
    assert (limits.REQUEST_SECONDS, limits.ANSWER_SECONDS) == (15.0, 300.0)
    assert (limits.FORM_FIELDS, limits.VARIABLE, limits.CONSOLE_REASON) == (64, 256, 32)


def test_the_header_of_the_admin_socket_has_its_name() -> None:
    assert USER_HEADER == "x-bootgrant-user"
