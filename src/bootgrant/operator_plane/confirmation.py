"""The last four characters that the machine's screen shows: who types them has seen the machine that asks."""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from typing import Final

from bootgrant.approval.codes import normalise_user_code
from bootgrant.wire.secret import Secret

SUFFIX_LETTERS: Final = 4
_SEPARATORS: Final = re.compile(r"[\W_]+")


def is_suffix(typed: str, user_code: str) -> bool:
    """Whether these are the last four letters of ``XXXX-XXXX`` (or all eight), in any case, however separated."""
    letters = _SEPARATORS.sub("", typed[:64]).upper()
    right = normalise_user_code(user_code) or ""
    expected = right if len(letters) == len(right) else right[-SUFFIX_LETTERS:]
    return hmac.compare_digest(letters.encode(), expected.encode())


def typed_proof(session: Secret, grant_id: str) -> str:
    """What a page of this session holds after its person has typed the whole code of this request."""
    made = hmac.digest(session.reveal().encode(), f"bootgrant code typed {grant_id}".encode(), "sha256")
    return urlsafe_b64encode(made).rstrip(b"=").decode()


def is_typed_proof(session: Secret, grant_id: str, proof: str) -> bool:
    return hmac.compare_digest(typed_proof(session, grant_id).encode(), proof.encode())
