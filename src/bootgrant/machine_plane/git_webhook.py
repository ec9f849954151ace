"""``POST /hooks/git``: a git server reports a push, and the server fetches at once.

GitHub, Gitea and Forgejo sign the body (``X-Hub-Signature-256``, ``X-Gitea-Signature``: HMAC-SHA256 in hexadecimal).
GitLab sends the secret itself (``X-Gitlab-Token``). The content of the body is not used.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from bootgrant.asgi import Receive, Scope, Send
from bootgrant.asgi.answer import CLOSE, Answer, plain_answer
from bootgrant.asgi.body_limit import BodyTooLarge, BodyTooSlow, ClientGone, read_body_in_time
from bootgrant.machine_plane.form import header
from bootgrant.wire.limits import LARGEST_BODY, REQUEST_SECONDS
from bootgrant.wire.secret import Secret


@dataclass(frozen=True, slots=True)
class GitWebhook:
    """``look_now`` must return immediately."""

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
            return plain_answer(405, "this endpoint only accepts POST", ((b"allow", b"POST"),))
        try:
            body = await read_body_in_time(scope, receive, LARGEST_BODY, REQUEST_SECONDS)
        except BodyTooLarge:
            return plain_answer(413, "the body is too large", (CLOSE,))
        except BodyTooSlow:
            return plain_answer(408, "the body took too long to arrive", (CLOSE,))
        if not self._is_authentic(scope, body):
            return plain_answer(401, "the signature is missing or wrong: check git.webhook_secret_file")
        self.look_now()
        return plain_answer(202, "fetching the repository now")

    def _is_authentic(self, scope: Scope, body: bytes) -> bool:
        key = self.secret.reveal().encode()
        expected = hmac.new(key, body, hashlib.sha256).hexdigest().encode()
        signature = header(scope, b"x-hub-signature-256") or header(scope, b"x-gitea-signature")
        if signature is not None:
            return hmac.compare_digest(signature.removeprefix(b"sha256="), expected)
        token = header(scope, b"x-gitlab-token")
        return token is not None and hmac.compare_digest(token, key)
