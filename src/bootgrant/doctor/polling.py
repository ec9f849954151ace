"""One poll of the token endpoint, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bootgrant.acquire.http.dial import TransportError, Trouble
from bootgrant.doctor.client import Answer, Client
from bootgrant.doctor.parameters import Machine
from bootgrant.wire.device_flow import AccessToken, AnswerError, parse_token, token_form
from bootgrant.wire.secret import Secret

NO_ANSWER: Final = "no answer"
_HELD: Final = 1.0
"""An answer that takes this many seconds was held on purpose."""


@dataclass(frozen=True, slots=True)
class Poll:
    """A token request. ``outcome`` is the error code, "token" if one came, or "no answer" if it was still held.

    ``description`` is the provider's own, empty without one.
    """

    outcome: str
    seconds: float
    answer: Answer | None = None
    token: AccessToken | None = None
    description: str = ""

    @property
    def was_held(self) -> bool:
        return self.seconds >= _HELD


def poll(
    machine: Machine, client: Client, code: Secret, limit: float, *, authorization: str = "", client_id: str = ""
) -> Poll:
    """Poll once, perhaps as another client. Raises TransportError, but not if no answer came within ``limit``."""
    oauth = machine.oauth
    form = token_form(client_id or oauth.client_id, code, oauth.scopes, oauth.audience, machine.sent_variables())
    if oauth.client_secret is not None and not client_id:
        form["client_secret"] = oauth.client_secret.reveal()
    try:
        answer = client.post(machine.token, form, authorization=authorization, limit=limit)
    except TransportError as error:
        if error.trouble is Trouble.TIMEOUT:
            return Poll(NO_ANSWER, limit)
        raise
    try:
        outcome = parse_token(answer.response.body)
    except AnswerError as error:
        return Poll(f"status {answer.status}, and {error}", answer.seconds, answer)
    if isinstance(outcome, AccessToken):
        return Poll("token", answer.seconds, answer, outcome)
    return Poll(outcome.code, answer.seconds, answer, description=outcome.description)
