"""``POST /hooks/git``: a git server says that something was pushed, so that it is fetched at once.

GitHub, Gitea and Forgejo sign the body (``X-Hub-Signature-256``, ``X-Gitea-Signature``: HMAC-SHA256 in hexadecimal),
GitLab sends the secret itself (``X-Gitlab-Token``). What the body says is not read: it makes the server look, no more.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from bootgrant.asgi.answer import Answer, plain_answer
from bootgrant.asgi.body_limit import BodyTooLarge, BodyTooSlow, ClientGone, read_body_in_time
from bootgrant.asgi.types import Receive, Scope, Send
from bootgrant.machine_plane.form import header
from bootgrant.wire.limits import REQUEST_SECONDS
from bootgrant.wire.secret import Secret

_BODY = 4 << 20


@dataclass(frozen=True, slots=True)
class GitWebhook:
    """``look_now`` must return at once."""

    secret: Secret
    look_now: Callable[[], None]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = await self._answer(scope, receive)
        except ClientGone:
            return
        await answer.send(send)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        if scope["method"] != "POST":
            return plain_answer(405, "only POST is answered here", ((b"allow", b"POST"),))
        try:
            body = await read_body_in_time(scope, receive, _BODY, REQUEST_SECONDS)
        except BodyTooLarge:
            return plain_answer(413, "the body is too large")
        except BodyTooSlow:
            return plain_answer(408, "the body took too long")
        if not self._is_known(scope, body):
            return plain_answer(401, "the signature is missing or wrong: git.webhook_secret_file")
        self.look_now()
        return plain_answer(202, "the repository is looked at now")

    def _is_known(self, scope: Scope, body: bytes) -> bool:
        key = self.secret.reveal().encode()
        made = hmac.new(key, body, hashlib.sha256).hexdigest().encode()
        signature = header(scope, b"x-hub-signature-256") or header(scope, b"x-gitea-signature")
        if signature is not None:
            return hmac.compare_digest(signature.removeprefix(b"sha256="), made)
        token = header(scope, b"x-gitlab-token")
        return token is not None and hmac.compare_digest(token, key)
