"""One answer of a provider, whatever it is: a JSON object, a signed or encrypted token, a web page, nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

from bootgrant.providers.arrived import cleaned, kind_of, names_of
from bootgrant.wire.secret import Secret

_COMPACT: Final = re.compile(rb"[A-Za-z0-9_-]+(?:(?:\.[A-Za-z0-9_-]*){2}){1,2}")
"""A JWS (RFC 7515 section 7.1) has three parts, a JWE (RFC 7516 section 7.1) has five."""
_WEB_PAGE: Final = re.compile(rb"\s*<(?:!doctype|html|head|body)", re.IGNORECASE)
_PARAMETER: Final = re.compile(r'\b(error|error_description)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """Status 200 or 4xx. ``members`` are those of the JSON object in the body, empty without one (``is_object``);
    ``token`` is the body if it is a signed or an encrypted token (``application/jwt``). ``arrived`` says in words what
    the body is. ``challenge`` is the header WWW-Authenticate.
    """

    status: int
    members: Mapping[str, Any]
    is_object: bool
    arrived: str
    token: Secret | None = None
    challenge: str = ""

    def said(self, hidden: Iterable[Secret] = ()) -> str:
        """Return the provider's own words, ``error: error_description`` (RFC 6749 section 5.2, RFC 6750 section 3)."""
        words = (cleaned(self._named.get(name), hidden=hidden) for name in ("error", "error_description"))
        return cleaned(": ".join(word for word in words if word))

    @property
    def error(self) -> str:
        """The code of the error, such as ``invalid_grant``; empty without one."""
        return cleaned(self._named.get("error"))

    @property
    def _named(self) -> Mapping[str, Any]:
        return dict(_PARAMETER.findall(self.challenge)) | dict(self.members)


def read_answer(status: int, headers: Mapping[str, str], body: bytes) -> ProviderAnswer:
    """Return the answer in ``body``. What the body is counts, not what its content type claims."""
    challenge, kind = headers.get("www-authenticate", ""), headers.get("content-type", "")
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        token = Secret(body.strip().decode()) if _COMPACT.fullmatch(body.strip()) else None
        return ProviderAnswer(status, {}, False, _in_words(body, kind, token), token, challenge)
    if isinstance(value, dict):
        return ProviderAnswer(status, value, True, f"a JSON object ({names_of(value)})", None, challenge)
    return ProviderAnswer(status, {}, False, f"{kind_of(value)} in JSON", None, challenge)


def _in_words(body: bytes, content_type: str, token: Secret | None) -> str:
    kind = cleaned(content_type.partition(";")[0], 60) or "no content type"
    if token is not None:
        return f"{'a signed' if token.reveal().count('.') == 2 else 'an encrypted'} token ({kind})"
    if not body.strip():
        return f"an empty body ({kind})"
    if _WEB_PAGE.match(body):
        return f"a web page ({kind})"
    if kind == "application/x-www-form-urlencoded":
        return f"a form ({names_of(parse_qs(body[:4096].decode(errors='replace')))}; {kind})"
    return f"text that is not JSON ({kind})"
