"""The token endpoint: asked as Talos asks, in pairs, while nobody has decided.

Talos sends each poll twice, with an empty Basic password and then without (x/oauth2 ``AuthStyleAutoDetect``), and only
the second answer counts. A server that takes them for two polls makes the machine wait 5 seconds longer each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote_plus

from bootgrant.acquire.clock import Clock
from bootgrant.acquire.flow.provider import basic, unreachable
from bootgrant.acquire.http.dial import TransportError
from bootgrant.doctor.asking import Asker, Heard, timed_out
from bootgrant.doctor.findings import Finding, Level, Step
from bootgrant.doctor.subject import Subject
from bootgrant.wire.device_flow import (
    AccessToken,
    AnswerError,
    DeviceAuthorization,
    ErrorCode,
    parse_token,
    token_form,
)
from bootgrant.wire.go_text import printable
from bootgrant.wire.secret import Secret

DECIDED: Final = ("approved", "denied")
"""The findings after which no request waits any more."""
_LONGEST_INTERVAL: Final = 60
_HELD: Final = 1.0
"""Seconds from which on an answer was held back on purpose."""
_SECOND_HALF: Final = 3.0
_QUICK: Final = 10.0
_FORM_TYPES: Final = ("text/plain", "application/x-www-form-urlencoded")
_NO_SUCH_CODE: Final = Secret("bootgrant-doctor-no-such-code")
_NO_SUCH_CLIENT: Final = "bootgrant-doctor-no-such-client"


@dataclass(frozen=True, slots=True)
class Polled:
    """One token request. ``said`` is the error code, ``token`` when one came, ``nothing`` when it was still held."""

    said: str
    seconds: float
    heard: Heard | None = None


def examine_polls(
    subject: Subject,
    codes: DeviceAuthorization,
    asker: Asker,
    clock: Clock,
    patience: float,
    say: Callable[[str], None],
) -> Iterator[Finding]:
    """Wait one interval, ask as a pair, then out of turn. ``patience``: seconds that one request may be held."""
    if codes.interval > _LONGEST_INTERVAL:
        message = f"a machine asks every {codes.interval} s, and notices an approval that much later"
        yield _finding(
            Level.WARNING, "slow-interval", message, "let it ask every 5 s; the rest of this step is left out"
        )
        return
    polls = _Polls(subject, asker)
    clock.sleep_until(clock.steady() + codes.interval)
    say(f"asking for the token; a server may hold that for up to {patience:.0f} s")
    try:
        first = polls.ask(codes.device_code, _empty_basic(subject), patience)
        held = first.seconds >= _HELD
        second = polls.ask(codes.device_code, "", _SECOND_HALF if held else _QUICK)
        yield from _judge_pair(first, second, patience)
        if second.said == "authorization_pending" and not held:
            yield _judge_pace(polls.ask(codes.device_code, "", _QUICK))
        yield from _judge_strangers(polls, codes)
    except TransportError as error:
        explained = unreachable(error, subject.token)
        yield _finding(Level.ERROR, "token-unreachable", explained.what, explained.next_step)


class _Polls:
    def __init__(self, subject: Subject, asker: Asker) -> None:
        self._subject = subject
        self._asker = asker

    def ask(self, code: Secret, authorization: str, limit: float, client_id: str = "") -> Polled:
        """Raises TransportError, but not for an answer that did not come within ``limit``."""
        try:
            heard = self._asker.post(
                self._subject.token, self._form(code, client_id), authorization=authorization, limit=limit
            )
        except TransportError as error:
            if timed_out(error):
                return Polled("nothing", limit)
            raise
        try:
            outcome = parse_token(heard.response.body)
        except AnswerError as error:
            return Polled(f"status {heard.status}, and {error}", heard.seconds, heard)
        return Polled("token" if isinstance(outcome, AccessToken) else outcome.code, heard.seconds, heard)

    def _form(self, code: Secret, client_id: str) -> Mapping[str, str]:
        oauth = self._subject.oauth
        form = token_form(client_id or oauth.client_id, code, oauth.scopes, oauth.audience, self._subject.told())
        if oauth.client_secret is not None and not client_id:
            form["client_secret"] = oauth.client_secret.reveal()
        return form


def _empty_basic(subject: Subject) -> str:
    return basic(quote_plus(subject.oauth.client_id, errors="surrogateescape"), "")


def _judge_pair(first: Polled, second: Polled, patience: float) -> Iterator[Finding]:
    if "token" in (first.said, second.said):
        message = "the request was approved while the doctor looked on: somebody pressed approve, or a rule did"
        yield _finding(Level.WARNING, "approved", message, "nothing was fetched with that token; look at the rules")
        return
    yield from _judge_form(second)
    if first.said == "nothing":
        message = f"the request was held for more than {patience:.0f} s, and no answer came"
        yield _finding(Level.WARNING, "held-long", message, "whatever is in between may cut it: hold for 25 s")
    elif first.heard is not None and first.heard.status >= 500 and first.seconds >= _HELD:
        message = f"the request was held and cut after {first.seconds:.0f} s (status {first.heard.status})"
        fix = "raise the reading timeout of the proxy above the time that the server holds (grants.hold)"
        yield _finding(Level.ERROR, "hold-cut", message, fix)
    elif first.seconds >= _HELD and first.said == "authorization_pending":
        message = f"a request is held for {first.seconds:.0f} s: an approval is noticed at once"
        yield _finding(Level.OK, "held", message)
    yield _judge_second(first, second)


def _judge_second(first: Polled, second: Polled) -> Finding:
    match second.said:
        case "authorization_pending" | "nothing":
            return _finding(Level.OK, "pairs", "the two requests of a Talos poll are answered alike")
        case "slow_down":
            message = "a Talos poll, which is two requests, is punished with slow_down: each one costs 5 s more"
            fix = "approve within the first minute, or use a server that knows it (`bootgrant serve` does)"
            return _finding(Level.WARNING, "pairs-punished", message, fix)
        case "access_denied":
            return _finding(Level.NOTE, "denied", "a person refused the doctor's request", "that answer is right")
        case _:
            said = printable(second.said)[:200]
            message = f"a machine that waits is told {said!r}, and Talos ends its flow with anything but pending"
            fix = "check talos.config.oauth.token_url and the client"
            if second.said in (ErrorCode.INVALID_CLIENT, ErrorCode.UNAUTHORIZED_CLIENT):
                fix = "make the client a public one, or let its secret come in the body: Talos sends it in no other way"
            if first.said == "authorization_pending":
                fix = "the same request with an empty Basic password was fine: accept it without, too"
            return _finding(Level.ERROR, "token-refused", message, fix)


def _judge_form(poll: Polled) -> Iterator[Finding]:
    if poll.heard is None:
        return
    kind = poll.heard.response.header("content-type").partition(";")[0].strip().lower()
    if kind in _FORM_TYPES and poll.heard.members():
        message = f"the token endpoint answers JSON as {kind}: Talos reads it as a form and ends its flow"
        yield _finding(Level.ERROR, "token-type", message, "send Content-Type: application/json")
    if poll.heard.hops:
        message = "the token request is redirected; on its way it shows the device code and the secret"
        yield _finding(Level.WARNING, "token-redirect", message, "give the final URL in talos.config.oauth.token_url")


def _judge_pace(third: Polled) -> Finding:
    if third.said == "slow_down":
        return _finding(Level.NOTE, "interval", "the interval is enforced: a request out of turn gets slow_down")
    return _finding(Level.NOTE, "interval", "a request out of turn is answered like any other")


def _judge_strangers(polls: _Polls, codes: DeviceAuthorization) -> Iterator[Finding]:
    """A code that was never given, and our code with another client (CVE-2023-2585)."""
    unknown = polls.ask(_NO_SUCH_CODE, "", _QUICK).said
    if unknown in ("token", "authorization_pending", "slow_down", "nothing"):
        message = f"a device code that does not exist is answered with {unknown}: a machine would wait for ever"
        yield _finding(Level.WARNING, "unknown-code", message, "answer invalid_grant")
    else:
        yield _finding(
            Level.OK, "unknown-code", f"a device code that does not exist is refused ({printable(unknown)[:80]})"
        )
    other = polls.ask(codes.device_code, "", _QUICK, _NO_SUCH_CLIENT).said
    if other in ("token", "authorization_pending", "slow_down", "nothing"):
        message = "the device code is accepted from another client than the one that asked for it"
        yield _finding(
            Level.ERROR if other == "token" else Level.WARNING, "client-mixed", message, "update the provider"
        )


def _finding(level: Level, code: str, message: str, fix: str = "") -> Finding:
    return Finding(Step.POLLS, level, code, message, fix)
