"""Forms that people send: their size and fields, the checks against forms of other sites, and the confirmation code.

A form is accepted only from our own pages: the browser must say that it came from them, and it must contain the token
of the session. The last four characters on the machine's screen prove that the person has seen the machine.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from bootgrant.approval.codes import normalise_user_code
from bootgrant.wire.device_flow import FORM_TYPE, OAuthError, parse_form
from bootgrant.wire.limits import REQUEST_BODY
from bootgrant.wire.origin import origin_of
from bootgrant.wire.secret import Secret

MOST_CHOICES: Final = 125
"""Machines that one form can name."""
CSRF_FIELD: Final = "csrf"
SUFFIX_LETTERS: Final = 4

_LARGE: Final = {"/batch": 32 * 1024}
_SEPARATORS: Final = re.compile(r"[\W_]+")


def most_bytes(path: str) -> int:
    """Return the maximum body size of a form for this path."""
    return _LARGE.get(path, REQUEST_BODY)


def read_form(path: str, content_type: str, body: bytes) -> Mapping[str, str] | None:
    """Return the fields, each at most once, or None if the body is not a UTF-8 form within the limits."""
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


def is_from_here(request: Request, public_url: str) -> bool:
    """Return whether the browser says that the form came from a page of ``public_url``. Silence counts as no.

    Browsers send Origin with every form (Fetch section 3.2). Sec-Fetch-Site is used if a proxy removed it.
    """
    origin = request.headers.get("origin")
    if origin is not None:
        return origin_of(origin) == origin_of(public_url)
    return request.headers.get("sec-fetch-site") == "same-origin"


def csrf_token(session: Secret) -> str:
    """Return the token for the forms of a session. It is derived from the session, so it need not be stored."""
    return _derived(session, "bootgrant form token")


def is_right_token(session: Secret, sent: str) -> bool:
    return hmac.compare_digest(csrf_token(session).encode(), sent.encode())


def is_suffix(typed: str, user_code: str) -> bool:
    """Return whether ``typed`` is the second half of ``XXXX-XXXX``, or all of it, ignoring case and separators."""
    letters = _SEPARATORS.sub("", typed[:64]).upper()
    right = normalise_user_code(user_code) or ""
    expected = right if len(letters) == len(right) else right[-SUFFIX_LETTERS:]
    return hmac.compare_digest(letters.encode(), expected.encode())


def typed_proof(session: Secret, grant_id: str) -> str:
    """Return the proof that the person of this session has typed the whole code of this request."""
    return _derived(session, f"bootgrant code typed {grant_id}")


def is_typed_proof(session: Secret, grant_id: str, proof: str) -> bool:
    return hmac.compare_digest(typed_proof(session, grant_id).encode(), proof.encode())


def _derived(session: Secret, purpose: str) -> str:
    digest = hmac.digest(session.reveal().encode(), purpose.encode(), "sha256")
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
