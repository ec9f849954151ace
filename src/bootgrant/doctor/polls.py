"""The token endpoint, polled as Talos polls, in pairs, before anybody has decided.

Talos sends each poll twice, with an empty Basic password and then without (x/oauth2 ``AuthStyleAutoDetect``), and only
the second answer counts. A server that counts these as two polls makes the machine wait 5 seconds longer each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final
from urllib.parse import quote_plus

from bootgrant.acquire.clock import Clock
from bootgrant.acquire.http.dial import TransportError
from bootgrant.acquire.http.transport import basic, unreachable
from bootgrant.doctor.client import Client
from bootgrant.doctor.findings import Finding, Level, Step
from bootgrant.doctor.parameters import Machine
from bootgrant.doctor.polling import NO_ANSWER, Poll, poll
from bootgrant.doctor.token import judge_token
from bootgrant.wire.device_flow import DeviceAuthorization, ErrorCode
from bootgrant.wire.go_text import printable
from bootgrant.wire.secret import Secret

DECIDED: Final = ("approved", "denied")
"""Findings after which the request is no longer waiting."""
_LONGEST_INTERVAL: Final = 60
_SECOND_LIMIT: Final = 3.0
_LIMIT: Final = 10.0
_FORM_TYPES: Final = ("text/plain", "application/x-www-form-urlencoded")
_NO_SUCH_CODE: Final = Secret("bootgrant-doctor-no-such-code")
_NO_SUCH_CLIENT: Final = "bootgrant-doctor-no-such-client"
_UNREFUSED: Final = ("token", ErrorCode.AUTHORIZATION_PENDING, ErrorCode.SLOW_DOWN, NO_ANSWER)

_finding = partial(Finding, Step.POLLS)


def examine_polls(
    machine: Machine,
    codes: DeviceAuthorization,
    client: Client,
    clock: Clock,
    patience: float,
    progress: Callable[[str], None],
) -> Iterator[Finding]:
    """Wait one interval, poll as a pair, then out of turn. ``patience``: seconds that one request may be held."""
    if codes.interval > _LONGEST_INTERVAL:
        message = f"a machine polls every {codes.interval} s, and notices an approval that much later"
        fix = "let it poll every 5 s; the token endpoint was not checked further"
        yield _finding(Level.WARNING, "slow-interval", message, fix)
        return
    clock.sleep_until(clock.steady() + codes.interval)
    progress(f"requesting the token; a server may hold the request for up to {patience:.0f} s")
    try:
        first = poll(machine, client, codes.device_code, patience, authorization=_empty_basic(machine))
        second = poll(machine, client, codes.device_code, _SECOND_LIMIT if first.was_held else _LIMIT)
        yield from _judge_pair(first, second, patience)
        if second.outcome == ErrorCode.AUTHORIZATION_PENDING and not first.was_held:
            yield _judge_pace(poll(machine, client, codes.device_code, _LIMIT))
        yield from _judge_strangers(machine, client, codes)
    except TransportError as error:
        explained = unreachable(error, machine.token)
        yield _finding(Level.ERROR, "token-unreachable", explained.what, explained.next_step)


def _empty_basic(machine: Machine) -> str:
    return basic(quote_plus(machine.oauth.client_id, errors="surrogateescape"), "")


def _judge_pair(first: Poll, second: Poll, patience: float) -> Iterator[Finding]:
    if "token" in (first.outcome, second.outcome):
        message = "the doctor's request was approved during the check, by a person or by a rule"
        fix = "nothing was downloaded with the token; if no person approved it, look at the rules"
        yield _finding(Level.WARNING, "approved", message, fix)
        if (token := second.token or first.token) is not None:
            yield from judge_token(token)
        return
    yield from _judge_answer(second)
    if first.outcome == NO_ANSWER:
        message = f"the request was held for more than {patience:.0f} s without an answer"
        yield _finding(Level.WARNING, "held-long", message, "hold for 25 s: a proxy in between may cut longer requests")
    elif first.answer is not None and first.answer.status >= 500 and first.was_held:
        message = f"the request was held and then cut after {first.seconds:.0f} s (status {first.answer.status})"
        fix = "raise the read timeout of the proxy above the time that the server holds requests (grants.hold)"
        yield _finding(Level.ERROR, "hold-cut", message, fix)
    elif first.was_held and first.outcome == ErrorCode.AUTHORIZATION_PENDING:
        message = f"a request is held for {first.seconds:.0f} s: a machine notices an approval at once"
        yield _finding(Level.OK, "held", message)
    yield _judge_second(first, second)


def _judge_second(first: Poll, second: Poll) -> Finding:
    if second.outcome in (ErrorCode.AUTHORIZATION_PENDING, NO_ANSWER):
        return _finding(Level.OK, "pairs", "both requests of a Talos poll get the same answer")
    match second.outcome:
        case ErrorCode.SLOW_DOWN:
            message = "the second request of each Talos poll is answered with slow_down: every poll takes 5 s longer"
            fix = "approve within the first minute, or use a server that counts both as one (`bootgrant serve` does)"
            return _finding(Level.WARNING, "pairs-punished", message, fix)
        case ErrorCode.ACCESS_DENIED:
            return _finding(Level.NOTE, "denied", "a person denied the doctor's request", "the answer to it is correct")
        case _:
            outcome = printable(second.outcome)[:200]
            message = f"the token endpoint answers a waiting machine with {outcome!r}, and Talos gives up"
            fix = "check talos.config.oauth.token_url and the client"
            if second.outcome in (ErrorCode.INVALID_CLIENT, ErrorCode.UNAUTHORIZED_CLIENT):
                fix = "make it a public client, or accept its secret in the body: Talos sends it in no other way"
            if first.outcome == ErrorCode.AUTHORIZATION_PENDING:
                fix = "accept the request without Basic authentication: with an empty Basic password it was accepted"
            return _finding(Level.ERROR, "token-refused", message, fix)


def _judge_answer(poll: Poll) -> Iterator[Finding]:
    if poll.answer is None:
        return
    kind = poll.answer.response.header("content-type").partition(";")[0].strip().lower()
    if kind in _FORM_TYPES and poll.answer.members():
        message = f"the token endpoint sends JSON as {kind}: Talos reads it as a form and gives up"
        yield _finding(Level.ERROR, "token-type", message, "send Content-Type: application/json")
    if poll.answer.hops:
        message = "the token request is redirected, and exposes the device code and the client secret on the way"
        yield _finding(Level.WARNING, "token-redirect", message, "give the final URL in talos.config.oauth.token_url")


def _judge_pace(early: Poll) -> Finding:
    if early.outcome == ErrorCode.SLOW_DOWN:
        return _finding(Level.NOTE, "interval", "the interval is enforced: a poll that comes too early gets slow_down")
    return _finding(Level.NOTE, "interval", "the interval is not enforced: an early poll is answered like any other")


def _judge_strangers(machine: Machine, client: Client, codes: DeviceAuthorization) -> Iterator[Finding]:
    """Poll with a code that was never issued, and with ours as another client (CVE-2023-2585)."""
    unknown = poll(machine, client, _NO_SUCH_CODE, _LIMIT).outcome
    if unknown in _UNREFUSED:
        got = "gets no answer" if unknown == NO_ANSWER else f"is answered with {unknown}"
        message = f"a device code that does not exist {got}: a machine would wait forever"
        yield _finding(Level.WARNING, "unknown-code", message, "answer invalid_grant")
    else:
        message = f"a device code that does not exist is refused ({printable(unknown)[:80]})"
        yield _finding(Level.OK, "unknown-code", message)
    other = poll(machine, client, codes.device_code, _LIMIT, client_id=_NO_SUCH_CLIENT).outcome
    if other in _UNREFUSED:
        message = "the device code is accepted from a client that did not request it"
        level = Level.ERROR if other == "token" else Level.WARNING
        yield _finding(level, "client-mixed", message, "update the provider")
