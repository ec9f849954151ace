"""The configuration's URL, requested without a token and with one that nobody issued."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from bootgrant.acquire.http.dial import TransportError, Trouble
from bootgrant.acquire.http.transport import unreachable
from bootgrant.doctor.client import Answer, Client
from bootgrant.doctor.findings import Finding, Level, Step
from bootgrant.doctor.parameters import Machine
from bootgrant.wire.limits import CONSOLE_REASON

_finding = partial(Finding, Step.CONFIGURATION)


def examine_configuration(machine: Machine, client: Client, wrong_token: str) -> Iterator[Finding]:
    """Expect 401 or 403 for both. ``wrong_token`` must be one that no provider has issued."""
    for how, code, authorization in (
        ("without a token", "no-token", ""),
        ("with a wrong token", "wrong-token", f"Bearer {wrong_token}"),
    ):
        try:
            answer = client.get(machine.config, authorization=authorization)
        except TransportError as error:
            if error.trouble is Trouble.TOO_LARGE:
                yield _open(how, code, "more than a megabyte")
            else:
                explained = unreachable(error, machine.config)
                yield _finding(Level.ERROR, "config-unreachable", explained.what, explained.next_step)
            return
        yield from _judge(how, code, answer)


def _judge(how: str, code: str, answer: Answer) -> Iterator[Finding]:
    if answer.left_host:
        message = f"{how}, the download is redirected to another host ({answer.hops[-1]}), which gets no token"
        yield _finding(Level.WARNING, f"{code}-redirect", message, "give the final URL in talos.config")
    status = answer.status
    if status in (401, 403):
        yield _finding(Level.OK, code, f"{how}, the configuration is refused (status {status})")
        yield from _judge_reason(how, answer)
    elif status == 200 and answer.response.body:
        yield _page(how, code) if _is_page(answer) else _open(how, code, f"{len(answer.response.body)} bytes")
    elif status in (200, 204):
        message = f"{how}, the server answers {status} without a body, which Talos takes for an empty configuration"
        yield _finding(Level.ERROR, f"{code}-empty", message, "answer 401 or 404 with a reason")
    elif status == 404:
        message = f"{how}, the server answers 404: it did not check the token, or the path is wrong"
        fix = "check the path in talos.config; answer 401 to requests without a valid token"
        yield _finding(Level.WARNING, f"{code}-404", message, fix)
    elif status >= 500:
        message = f"{how}, the server answers {status} ({answer.console()}): no machine gets a configuration now"
        yield _finding(Level.ERROR, f"{code}-broken", message, "look at the server's log")
    else:
        message = f"{how}, the server answers {status}, and Talos retries that for 3 hours"
        yield _finding(Level.WARNING, f"{code}-status", message, "answer 401 or 403")


def _page(how: str, code: str) -> Finding:
    message = f"{how}, the server answers 200 with a web page, which Talos takes for the configuration"
    return _finding(Level.ERROR, f"{code}-page", message, "check the URL; answer 401 instead of a sign-in page")


def _open(how: str, code: str, size: str) -> Finding:
    message = f"{how}, anyone who can reach this URL gets a configuration ({size})"
    fix = "make the server require a token, and renew every secret in that configuration"
    return _finding(Level.ERROR, f"{code}-open", message, fix)


def _is_page(answer: Answer) -> bool:
    kind = answer.response.header("content-type").lower()
    return kind.startswith("text/html") or answer.response.body.lstrip()[:9].lower() in (b"<!doctype", b"<html>")


def _judge_reason(how: str, answer: Answer) -> Iterator[Finding]:
    body = answer.response.body.strip()
    if not body:
        message = f"{how}, the answer has no text: the console shows only a status"
        yield _finding(Level.NOTE, "no-reason", message, f"give a reason in {CONSOLE_REASON} bytes")
    elif len(body) > CONSOLE_REASON or not body.isascii():
        message = f"{how}, a Talos console shows only {CONSOLE_REASON} bytes of the reason: {answer.console()!r}"
        yield _finding(Level.NOTE, "cut-reason", message, f"give a reason in {CONSOLE_REASON} bytes of ASCII")
