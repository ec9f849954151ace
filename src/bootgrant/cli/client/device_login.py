"""The command line's half of ``bootgrant login``: the device authorization grant (RFC 8628) with one's own server.

The server may be anything that answers at this address, so answers are limited in size and time, redirects are not
followed, and the page for the person must be at the same server.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import httpx2

from bootgrant.acquire.clock import Clock
from bootgrant.cli.output import Refused, printable
from bootgrant.trust import client_context
from bootgrant.wire.device_flow import (
    GRANT_TYPE,
    SLOW_DOWN_STEP,
    AccessToken,
    AnswerError,
    DeviceAuthorization,
    ErrorCode,
    OAuthError,
    parse_device_authorization,
    parse_token,
)
from bootgrant.wire.origin import origin_of
from bootgrant.wire.secret import Secret

CLIENT: Final = "bootgrant-cli"
_PATH: Final = "/login/device"
_MOST_BYTES: Final = 64 * 1024
_LIMIT: Final = 30.0
"""Seconds for one answer."""
_LONGEST: Final = 1800.0
"""Seconds that we wait for a person, whatever the server says."""
_BUSY: Final = frozenset({ErrorCode.SERVER_ERROR, ErrorCode.TEMPORARILY_UNAVAILABLE})
_ENDS: Final[Mapping[str, tuple[str, str]]] = {
    ErrorCode.ACCESS_DENIED: ("denied", "the login was denied in the browser"),
    ErrorCode.EXPIRED_TOKEN: ("expired", "the code has expired: run `bootgrant login` again"),
    ErrorCode.INVALID_GRANT: ("expired", "the server does not know this login any more: run `bootgrant login` again"),
}


@dataclass(frozen=True, slots=True)
class Posted:
    """An answer. ``body`` is None when it is too long."""

    status: int
    body: bytes | None


class NoAnswer(Exception):
    """The request failed on the way, so it may be sent again. The text says how."""


Post = Callable[[str, Mapping[str, str]], Posted]
"""Sends a form to a path of the server. Raises NoAnswer, and Refused if it is useless to try again."""


def ask_codes(server: str, wishes: Mapping[str, str], post: Post) -> DeviceAuthorization:
    """Begin a login. Raises Refused."""
    try:
        answer = post(f"{_PATH}/code", {"client_id": CLIENT, **wishes})
    except NoAnswer as error:
        raise Refused("no_connection", f"{server} cannot be reached: {error}") from error
    if answer.status in (404, 405):
        raise Refused(
            "no_login", f"{server} does not offer `bootgrant login`: it is an older bootgrant, or another server"
        )
    try:
        codes = parse_device_authorization(answer.body or b"")
    except AnswerError as error:
        raise _not_bootgrant(server, answer) from error
    if isinstance(codes, OAuthError):
        raise Refused(str(codes.code), f"{server} refused the login: {printable(codes.description or codes.code)}")
    if origin_of(codes.verification_uri) != origin_of(server):
        elsewhere = printable(codes.verification_uri)
        raise Refused(
            "other_server", f"{server} sends you to another server, {elsewhere}: log in there if you trust it"
        )
    return codes


def wait_for_token(
    server: str, codes: DeviceAuthorization, post: Post, clock: Clock, note: Callable[[str], None]
) -> Secret:
    """Poll until the person has decided; ``note`` reports problems that may pass. Raises Refused."""
    begun = clock.steady()
    until = begun + min(_LONGEST, codes.expires_in if codes.expires_in is not None else _LONGEST)
    interval = float(codes.interval)
    form = {"client_id": CLIENT, "grant_type": GRANT_TYPE, "device_code": codes.device_code.reveal()}
    while (at := clock.steady() + interval) < until:
        clock.sleep_until(at)
        try:
            token = _poll(server, form, post)
        except NoAnswer as error:
            note(f"{server} did not answer ({error}): trying again")
            continue
        if isinstance(token, AccessToken):
            return token.access_token
        if token.code == ErrorCode.SLOW_DOWN:
            interval += SLOW_DOWN_STEP
    raise Refused(*_ENDS[ErrorCode.EXPIRED_TOKEN])


def _poll(server: str, form: Mapping[str, str], post: Post) -> AccessToken | OAuthError:
    """Return the token, or an error with which to continue. Raises NoAnswer, and Refused for any other error."""
    answer = post(f"{_PATH}/token", form)
    try:
        found = parse_token(answer.body or b"")
    except AnswerError as error:
        # A proxy answers with a page while the server restarts.
        if answer.status >= 500:
            raise NoAnswer(f"status {answer.status}") from error
        raise _not_bootgrant(server, answer) from error
    if isinstance(found, AccessToken):
        token = found.access_token.reveal()
        if not token.isascii() or not token.isprintable() or found.token_type.lower() != "bearer":
            raise _not_bootgrant(server, answer)
        return found
    if found.code in (ErrorCode.AUTHORIZATION_PENDING, ErrorCode.SLOW_DOWN):
        return found
    if found.code in _BUSY:
        raise NoAnswer(printable(found.code))
    raise Refused(
        *_ENDS.get(found.code, (str(found.code), f"{server} refused: {printable(found.description or found.code)}"))
    )


def poster(server: str, clock: Clock) -> Post:
    """Return what sends forms to ``server``, over TLS as the other commands do."""
    verify: ssl.SSLContext = client_context()

    def post(path: str, form: Mapping[str, str]) -> Posted:
        ends, body = clock.steady() + _LIMIT, bytearray()
        try:
            with (
                httpx2.Client(timeout=_LIMIT, verify=verify, follow_redirects=False) as client,
                client.stream(
                    "POST", f"{server}{path}", data=dict(form), headers={"accept": "application/json"}
                ) as answer,
            ):
                _check(server, answer)
                for piece in answer.iter_bytes():
                    body += piece
                    if len(body) > _MOST_BYTES:
                        return Posted(answer.status_code, None)
                    if clock.steady() > ends:
                        raise NoAnswer("it is too slow")
                return Posted(answer.status_code, bytes(body))
        except (httpx2.HTTPError, OSError) as error:
            raise NoAnswer(printable(str(error)) or type(error).__name__) from error

    return post


def _check(server: str, answer: httpx2.Response) -> None:
    """Raise Refused for an answer that would be the same again."""
    if answer.is_redirect:
        target = printable(answer.headers.get("location", "")[:200])
        raise Refused(
            "redirect", f"{server} redirects to {target}: log in at the address that people use for its pages"
        )
    if answer.status_code == 421:
        reason = "has another public_url: log in at the address that people use for its pages"
        raise Refused("other_server", f"the server at {server} {reason}")


def _not_bootgrant(server: str, answer: Posted) -> Refused:
    why = "its answer is too long" if answer.body is None else f"status {answer.status}"
    return Refused("no_answer", f"{server} is not a bootgrant server ({why})")
