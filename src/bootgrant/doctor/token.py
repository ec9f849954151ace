"""The token that comes once a person has approved the doctor's request: how long it is valid, and of what type it is.

It is used for nothing, and kept nowhere: no configuration is downloaded with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from bootgrant.acquire.clock import Clock
from bootgrant.acquire.http.dial import TransportError
from bootgrant.acquire.http.transport import unreachable
from bootgrant.doctor import polling
from bootgrant.doctor.client import Client
from bootgrant.doctor.findings import Finding, Level, Step
from bootgrant.doctor.parameters import Machine
from bootgrant.wire.device_flow import SLOW_DOWN_STEP, AccessToken, DeviceAuthorization, ErrorCode
from bootgrant.wire.go_text import printable

LEAST_LIFETIME: Final = 3600
"""Seconds. A Talos node retries the download for three hours with the same token, and asks for no other."""
_LIMIT: Final = 60.0

_finding = partial(Finding, Step.POLLS)


def judge_token(token: AccessToken) -> Iterator[Finding]:
    """Judge what the answer says about the token."""
    if token.token_type.lower() != "bearer":
        message = f"the token's type is {printable(token.token_type)[:40]!r}, and Talos sends it as that"
        yield _finding(Level.WARNING, "token-kind", message, "have the provider issue Bearer tokens")
    if token.expires_in is None:
        message = "the token's answer has no expires_in: nobody can see how long the token is valid"
        yield _finding(Level.NOTE, "token-lifetime", message, "send expires_in (RFC 6749 section 5.1)")
    elif token.expires_in < LEAST_LIFETIME:
        message = f"the token is valid for {token.expires_in} s, but a Talos node retries with it for 3 hours"
        fix = "let it be valid for an hour or longer (Keycloak: Access Token Lifespan of the client)"
        yield _finding(Level.WARNING, "token-lifetime", message, fix)
    else:
        yield _finding(Level.OK, "token-lifetime", f"the token is valid for {token.expires_in} s")


def examine_approval(
    machine: Machine,
    codes: DeviceAuthorization,
    client: Client,
    clock: Clock,
    patience: float,
    progress: Callable[[str], None],
) -> Iterator[Finding]:
    """Wait up to ``patience`` seconds for a person to approve the doctor's request, and judge the token."""
    began, interval = clock.steady(), float(codes.interval)
    progress(f"waiting until a person approves {printable(codes.user_code)} at {printable(codes.verification_uri)}")
    while clock.steady() < began + patience:
        clock.sleep_until(clock.steady() + interval)
        try:
            polled = polling.poll(machine, client, codes.device_code, _LIMIT)
        except TransportError as error:
            explained = unreachable(error, machine.token)
            yield _finding(Level.ERROR, "token-unreachable", explained.what, explained.next_step)
            return
        if polled.token is not None:
            yield _finding(Level.OK, "approved", f"the token came after {clock.steady() - began:.0f} s")
            yield from judge_token(polled.token)
            return
        match polled.outcome:
            case ErrorCode.AUTHORIZATION_PENDING | polling.NO_ANSWER:
                continue
            case ErrorCode.SLOW_DOWN:
                interval += SLOW_DOWN_STEP
            case ErrorCode.ACCESS_DENIED:
                yield _finding(Level.NOTE, "denied", "a person denied the doctor's request", "run the doctor again")
                return
            case _:
                said = printable(f"{polled.outcome}: {polled.description}".removesuffix(": "))[:200]
                message = f"the token endpoint answers {said} to a machine that was waiting"
                yield _finding(Level.ERROR, "token-refused", message, "look at the provider's log")
                return
    message = f"no person approved the doctor's request within {patience:.0f} s, so its token was not checked"
    yield _finding(Level.NOTE, "not-approved", message, "run the doctor again, and approve its code")
