"""The configuration's URL, asked by a stranger: without a token, and with one that nobody gave."""

from __future__ import annotations

from collections.abc import Iterator

from bootgrant.acquire.flow.provider import unreachable
from bootgrant.acquire.http.dial import TransportError, Trouble
from bootgrant.doctor.asking import Asker, Heard
from bootgrant.doctor.findings import Finding, Level, Step
from bootgrant.doctor.subject import Subject
from bootgrant.wire.limits import CONSOLE_REASON


def examine_configuration(subject: Subject, asker: Asker, wrong_token: str) -> Iterator[Finding]:
    """401 or 403 is right for both. ``wrong_token`` must be one that no provider gave."""
    for what, code, authorization in (
        ("without a token", "no-token", ""),
        ("with a wrong token", "wrong-token", f"Bearer {wrong_token}"),
    ):
        try:
            heard = asker.get(subject.config, authorization=authorization)
        except TransportError as error:
            if error.trouble is Trouble.TOO_LARGE:
                yield _open(what, code, "more than a megabyte")
            else:
                explained = unreachable(error, subject.config)
                yield _finding(Level.ERROR, "config-unreachable", explained.what, explained.next_step)
            return
        yield from _judge(what, code, heard)


def _judge(what: str, code: str, heard: Heard) -> Iterator[Finding]:
    if heard.left_host:
        message = f"{what} the download is redirected to another host ({heard.hops[-1]}), where the token does not go"
        yield _finding(Level.WARNING, f"{code}-redirect", message, "give the final URL in talos.config")
    status = heard.status
    if status in (401, 403):
        yield _finding(Level.OK, code, f"{what} nobody gets a configuration (status {status})")
        yield from _judge_reason(what, heard)
    elif status == 200 and heard.response.body:
        yield _open(what, code, f"{len(heard.response.body)} bytes", page=_is_page(heard))
    elif status in (200, 204):
        message = (
            f"{what} the server answers {status} with nothing: Talos takes that for success, without a configuration"
        )
        yield _finding(Level.ERROR, f"{code}-empty", message, "answer 401 or 404 with a reason")
    elif status == 404:
        message = f"{what} the server answers 404: it did not look at the token, or the path is wrong"
        yield _finding(Level.WARNING, f"{code}-404", message, "check the path in talos.config; answer 401 to strangers")
    elif status >= 500:
        message = f"{what} the server answers {status}: no machine gets a configuration now ({heard.console()})"
        yield _finding(Level.ERROR, f"{code}-broken", message, "look at the server's log")
    else:
        message = f"{what} the server answers {status}, and Talos tries that again for 3 hours"
        yield _finding(Level.WARNING, f"{code}-status", message, "answer 401 or 403")


def _open(what: str, code: str, size: str, *, page: bool = False) -> Finding:
    if page:
        message = f"{what} the server answers 200 with a web page, which Talos takes for the configuration"
        return _finding(Level.ERROR, f"{code}-page", message, "check the URL; answer 401 instead of a sign-in page")
    message = f"{what} everybody who reaches this URL gets a configuration ({size})"
    fix = "let the server demand a token; what was readable is known: renew the secrets in it"
    return _finding(Level.ERROR, f"{code}-open", message, fix)


def _is_page(heard: Heard) -> bool:
    kind = heard.response.header("content-type").lower()
    return kind.startswith("text/html") or heard.response.body.lstrip()[:9].lower() in (b"<!doctype", b"<html>")


def _judge_reason(what: str, heard: Heard) -> Iterator[Finding]:
    body = heard.response.body.strip()
    if not body:
        message = f"{what} the answer has no text: the console shows a status and nothing else"
        yield _finding(Level.NOTE, "no-reason", message, f"say why in {CONSOLE_REASON} bytes")
    elif len(body) > CONSOLE_REASON or not body.isascii():
        message = f"{what} a Talos console shows the first {CONSOLE_REASON} bytes of the reason: {heard.console()!r}"
        yield _finding(Level.NOTE, "cut-reason", message, f"say why in {CONSOLE_REASON} bytes of ASCII")


def _finding(level: Level, code: str, message: str, fix: str = "") -> Finding:
    return Finding(Step.CONFIGURATION, level, code, message, fix)
