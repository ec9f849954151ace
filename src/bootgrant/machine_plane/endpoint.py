"""The frame of the OAuth endpoints: method, network, body limit, client, and errors as JSON."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from bootgrant.asgi import Receive, Scope, Send
from bootgrant.asgi.answer import CLOSE, Answer, Headers, json_answer
from bootgrant.asgi.body_limit import BodyTooLarge, BodyTooSlow, ClientGone, read_body_in_time
from bootgrant.asgi.client_address import AllowedNetworks, client_address
from bootgrant.asgi.observing import RequestCounts
from bootgrant.machine_plane.clients import Client
from bootgrant.machine_plane.form import BadRequest, header, read_form
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.wire.device_flow import ErrorCode, OAuthError
from bootgrant.wire.limits import REQUEST_BODY, REQUEST_SECONDS

log = logging.getLogger("bootgrant.machines")

_BASIC_CHALLENGE: Headers = ((b"www-authenticate", b'Basic realm="bootgrant"'),)


@dataclass(slots=True, eq=False)
class MachineRules:
    """The networks and clients that may call the machine endpoints, and the counters of their answers."""

    networks: AllowedNetworks
    clients: Mapping[str, Client]
    counts: RequestCounts = field(default_factory=RequestCounts)


Authentication = Callable[[Scope, Mapping[str, str], Mapping[str, Client]], Client]


@dataclass(slots=True)
class OAuthRequest:
    """A parsed request of a known client from an allowed network.

    ``gone`` completes when the connection ends. ``refused`` counts refusals by (endpoint, reason). ``has_basic``: it
    has an Authorization header.
    """

    client: Client
    form: dict[str, str]
    address: str
    gone: asyncio.Future[None]
    refused: Counter[tuple[str, str]]
    has_basic: bool = False


@dataclass(slots=True, eq=False)
class OAuthEndpoint:
    """A ``POST`` of a form that is always answered with JSON. ``on_fault`` is the answer if the server fails."""

    rules: MachineRules
    authenticate: Authentication
    handle: Callable[[OAuthRequest], Awaitable[Answer]]
    on_fault: Answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await read_body_in_time(scope, receive, REQUEST_BODY, REQUEST_SECONDS)
        except ClientGone:
            return
        except BodyTooLarge:
            await self.cut_short(scope["path"], TOO_LARGE).send(send)
            return
        except BodyTooSlow:
            await self.cut_short(scope["path"], TOO_SLOW).send(send)
            return
        gone = asyncio.ensure_future(hung_up(receive))
        try:
            answer = await self.respond(scope, body, gone)
        finally:
            gone.cancel()
        if answer is not None:
            await answer.send(send)

    async def respond(self, scope: Scope, body: bytes, gone: asyncio.Future[None]) -> Answer | None:
        """Return the answer to a complete request, or None if the client has gone. Never raises."""
        try:
            answer = await self.handle(self._parse(scope, body, gone))
        except BadRequest as error:
            log.info("%s refused: %s", scope["path"], error)
            answer = self._refused(scope["path"], error)
        except StoreUnavailable as error:
            log.error("%s: %s", scope["path"], error)  # noqa: TRY400  (the reason is the message)
            answer = self.on_fault
        except Exception:
            log.exception("%s failed", scope["path"])
            answer = self.on_fault
        self.rules.counts.answered[scope["path"], answer.status] += 1
        return None if gone.done() else answer

    def _refused(self, path: str, error: BadRequest) -> Answer:
        self.rules.counts.refused[path, "network" if error.status == 403 else error.error.code] += 1
        headers = (*error.headers, *(_BASIC_CHALLENGE if error.status == 401 else ()))
        return json_answer(error.status, error.error.as_json(), headers)

    def cut_short(self, path: str, answer: Answer) -> Answer:
        """Count and return ``answer``, for a request that never became complete."""
        self.rules.counts.answered[path, answer.status] += 1
        return answer

    def _parse(self, scope: Scope, body: bytes, gone: asyncio.Future[None]) -> OAuthRequest:
        if scope["method"] != "POST":
            problem = "this endpoint only accepts POST"
            raise BadRequest(ErrorCode.INVALID_REQUEST, problem, 405, ((b"allow", b"POST"),))
        address = client_address(scope)
        if address not in self.rules.networks:
            problem = f"the address {address} is not in networks.machines of bootgrant.toml"
            raise BadRequest(ErrorCode.ACCESS_DENIED, problem, 403)
        form = read_form(scope, body)
        client = self.authenticate(scope, form, self.rules.clients)
        has_basic = header(scope, b"authorization") is not None
        return OAuthRequest(client, form, _as_text(address), gone, self.rules.counts.refused, has_basic)


_as_text: Final = lru_cache(maxsize=8192)(str)


async def hung_up(receive: Receive) -> None:
    """Return once the connection has ended or the request has been answered."""
    while (await receive())["type"] != "http.disconnect":
        pass


def oauth_error(code: ErrorCode, description: str = "", status: int = 400, headers: Headers = ()) -> Answer:
    """Return an error of RFC 6749 section 5.2."""
    return json_answer(status, OAuthError(code, description).as_json(), headers)


def retry_after(seconds: float) -> Headers:
    """Return the header that says when to ask again (RFC 9110 section 10.2.3)."""
    return ((b"retry-after", b"%d" % math.ceil(seconds)),)


UNAVAILABLE: Final = oauth_error(
    ErrorCode.TEMPORARILY_UNAVAILABLE, "try again in a moment", 503, ((b"retry-after", b"2"),)
)

TOO_LARGE: Final = oauth_error(
    ErrorCode.INVALID_REQUEST, f"the body is larger than {REQUEST_BODY >> 10} KiB", 413, (CLOSE,)
)
TOO_SLOW: Final = oauth_error(
    ErrorCode.INVALID_REQUEST, f"the body took longer than {REQUEST_SECONDS:.0f} s", 408, (CLOSE,)
)
