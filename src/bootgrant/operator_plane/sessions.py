"""The session cookie: script never sees it, other sites' forms never send it (RFC 6265bis)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from bootgrant.wire.secret import Secret

_SESSION: Final = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class SessionCookie:
    """``secure`` (public_url is https) adds Secure and the ``__Host-`` prefix: no other host can set or read it.

    ``lifetime`` is in seconds.
    """

    secure: bool
    lifetime: float
    plain_name: str = "bootgrant"

    @property
    def name(self) -> str:
        return f"__Host-{self.plain_name}" if self.secure else self.plain_name

    def read(self, request: Request) -> Secret | None:
        """The session that the browser sent; None without one, or with what cannot be one."""
        value = request.cookies.get(self.name, "")
        return Secret(value) if _SESSION.fullmatch(value) else None

    def set(self, response: Response, session: Secret) -> None:
        response.set_cookie(
            self.name,
            session.reveal(),
            max_age=round(self.lifetime),
            path="/",
            secure=self.secure,
            httponly=True,
            samesite="lax",
        )

    def clear(self, response: Response) -> None:
        response.delete_cookie(self.name, path="/", secure=self.secure, httponly=True, samesite="lax")
