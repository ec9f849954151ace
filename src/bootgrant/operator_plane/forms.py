"""Forms that people send: small ones as machines send theirs, and the one with a box for each of many machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from bootgrant.wire.device_flow import FORM_TYPE, OAuthError, parse_form
from bootgrant.wire.limits import REQUEST_BODY

MOST_CHOICES: Final = 125
"""Machines that one form can name."""

_LARGE: Final = {"/batch": 32 * 1024}


def most_bytes(path: str) -> int:
    """How large the body of a form to this path may be."""
    return _LARGE.get(path, REQUEST_BODY)


def read_form(path: str, content_type: str, body: bytes) -> Mapping[str, str] | None:
    """The fields, each at most once; None for what is no form in UTF-8 within the limits."""
    if path not in _LARGE:
        form = parse_form(content_type, body)
        return None if isinstance(form, OAuthError) else form
    if content_type.partition(";")[0].strip().lower() != FORM_TYPE:
        return None
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_CHOICES + 10
        )
    except ValueError:
        return None
    fields = dict(pairs)
    return fields if len(fields) == len(pairs) else None
