"""What the machine endpoints have in common: the method, the network, the body's limit, and errors as JSON."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from bootgrant.asgi.answer import Answer, Headers, json_answer
from bootgrant.asgi.body_limit import BodyTooLarge, BodyTooSlow, ClientGone, read_body_in_time
from bootgrant.asgi.client_address import AllowedNetworks, client_address
from bootgrant.asgi.types import Receive, Scope, Send
from bootgrant.machine_plane.clients import Client
from bootgrant.machine_plane.form import BadRequest, read_form
from bootgrant.ports.grant_store import StoreUnavailable
from bootgrant.wire.device_flow import ErrorCode, OAuthError
from bootgrant.wire.limits import REQUEST_BODY, REQUEST_SECONDS

log = logging.getLogger("bootgrant.machines")

_BASIC_CHALLENGE: Headers = ((b"www-authenticate", b'Basic realm="bootgrant"'),)


@dataclass(frozen=True, slots=True)
class MachineRules:
    """Who may call the machine endpoints."""

    networks: AllowedNetworks
    clients: Mapping[str, Client]


Authentication = Callable[[Scope, Mapping[str, str], Mapping[str, Client]], Client]


@dataclass(frozen=True, slots=True)
class OAuthRequest:
    """A parsed request of a known client from a network that may ask."""

    client: Client
    form: dict[str, str]
    address: str
    receive: Receive


@dataclass(frozen=True, slots=True)
class OAuthEndpoint:
    """``POST`` of a form, answered with JSON whatever happens. ``on_fault`` is the answer to a fault of ours."""

    rules: MachineRules
    authenticate: Authentication
    handle: Callable[[OAuthRequest], Awaitable[Answer | None]]
    on_fault: Answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = await self._answer(scope, receive)
        except ClientGone:
            return
        except BadRequest as error:
            log.info("%s refused: %s", scope["path"], error)
            headers = _BASIC_CHALLENGE if error.status == 401 else ()
            answer = json_answer(error.status, error.error.as_json(), headers)
        except StoreUnavailable as error:
            log.error("%s: %s", scope["path"], error)  # noqa: TRY400  (the reason is the message)
            answer = self.on_fault
        except Exception:
            log.exception("%s failed", scope["path"])
            answer = self.on_fault
        if answer is not None:
            await answer.send(send)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer | None:
        if scope["method"] != "POST":
            return oauth_error(ErrorCode.INVALID_REQUEST, "only POST is answered here", 405, ((b"allow", b"POST"),))
        address = client_address(scope)
        if address not in self.rules.networks:
            raise BadRequest(
                ErrorCode.ACCESS_DENIED, f"address {address} is not in networks.machines of bootgrant.toml", 403
            )
        try:
            body = await read_body_in_time(scope, receive, REQUEST_BODY, REQUEST_SECONDS)
        except BodyTooLarge:
            too_large = f"the body is larger than {REQUEST_BODY >> 10} KiB"
            return oauth_error(ErrorCode.INVALID_REQUEST, too_large, 413, ((b"connection", b"close"),))
        except BodyTooSlow:
            too_slow = f"the body took longer than {REQUEST_SECONDS:.0f} s"
            return oauth_error(ErrorCode.INVALID_REQUEST, too_slow, 408, ((b"connection", b"close"),))
        form = read_form(scope, body)
        client = self.authenticate(scope, form, self.rules.clients)
        return await self.handle(OAuthRequest(client, form, str(address), receive))


def oauth_error(code: ErrorCode, description: str = "", status: int = 400, headers: Headers = ()) -> Answer:
    """An error of RFC 6749 section 5.2."""
    return json_answer(status, OAuthError(code, description).as_json(), headers)


UNAVAILABLE: Final = oauth_error(
    ErrorCode.TEMPORARILY_UNAVAILABLE, "try again in a moment", 503, ((b"retry-after", b"2"),)
)
