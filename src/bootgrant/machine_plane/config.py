"""``GET /config`` and below: the machine configuration, for the bearer of its token (RFC 6750).

Talos retries for three hours on every status except 200 and 204, and shows 32 bytes of the body. So each refusal is
short, plain and never empty.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from bootgrant.asgi import Receive, Scope, Send
from bootgrant.asgi.answer import Answer, Headers, plain_answer
from bootgrant.asgi.client_address import AllowedNetworks, client_address
from bootgrant.asgi.content_coding import Gzip, asks_for_gzip
from bootgrant.asgi.observing import RequestCounts
from bootgrant.machine_plane.endpoint import hung_up
from bootgrant.machine_plane.form import header
from bootgrant.ports.configurations import ConfigUnavailable
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.ports.providers import ProviderUnavailable, TokenRefusal
from bootgrant.wire.identity import MachineIdentity
from bootgrant.wire.secret import Secret
from bootgrant.workflows.machine.deliver import ConfigReady, DeliveryRefusal
from bootgrant.workflows.machine.deliver_to_bearer import DeliverToBearer, Ready, Refused

log = logging.getLogger("bootgrant.machines")

_VARY: Headers = ((b"vary", b"accept-encoding"),)
_GZIP: Headers = ((b"content-encoding", b"gzip"),)
_RETRY: Headers = ((b"retry-after", b"5"),)
_INVALID_TOKEN: Headers = ((b"www-authenticate", b'Bearer realm="bootgrant", error="invalid_token"'),)
_NO_TOKEN: Headers = ((b"www-authenticate", b'Bearer realm="bootgrant"'),)


@dataclass(slots=True, eq=False)
class ConfigEndpoint:
    deliver: DeliverToBearer
    networks: AllowedNetworks
    counts: RequestCounts
    gzip: Gzip = field(default_factory=Gzip)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        outcome: Answer | Ready
        try:
            outcome = await self._decide(scope)
        except (ConfigUnavailable, ProviderUnavailable) as error:
            log.error("/config: %s", error)  # noqa: TRY400  (the reason is the message)
            outcome = plain_answer(503, error.reason, _RETRY)
        except StoreUnavailable as error:
            log.error("/config: %s", error)  # noqa: TRY400  (the reason is the message)
            outcome = plain_answer(503, "server store down, retrying", _RETRY)
        except Exception:
            log.exception("/config failed")
            outcome = plain_answer(503, "server error, see its log", _RETRY)
        self.counts.answered["/config", outcome.status if isinstance(outcome, Answer) else 200] += 1
        if isinstance(outcome, Answer):
            await outcome.send(send)
            return
        gone = asyncio.ensure_future(hung_up(receive))
        try:
            answer = await self._coded(outcome, scope)
            await answer.send_most(send)
            # A connection that has just broken reports it in the next turn of the event loop.
            await asyncio.wait({gone}, timeout=0)
            is_complete = not gone.done()
            await Answer.finish(send)
        finally:
            gone.cancel()
        if is_complete:
            await self._record(outcome, scope)
        else:
            log.info("%s hung up before it had all of %s", client_address(scope), ascii(outcome.rendered.entry.name))

    async def _coded(self, ready: Ready, scope: Scope) -> Answer:
        headers = ((b"content-type", ready.rendered.content_type.encode()), *_VARY)
        if not asks_for_gzip(scope):
            return Answer(200, ready.rendered.config, headers)
        return Answer(200, await self.gzip.compress(ready.rendered.config), (*headers, *_GZIP))

    async def _decide(self, scope: Scope) -> Answer | Ready:
        if scope["method"] != "GET":
            return plain_answer(405, "this endpoint only accepts GET", ((b"allow", b"GET"),))
        if client_address(scope) not in self.networks:
            self.counts.refused["/config", "network"] += 1
            return plain_answer(403, "not in networks.machines")
        token = _bearer_token(scope)
        if token is None:
            self.counts.refused["/config", "no_token"] += 1
            return plain_answer(401, "no token: set talos.config.oauth", _NO_TOKEN)
        claimed, *others = _claimed(scope)
        outcome = await self.deliver(token, claimed, str(client_address(scope)), others)
        if isinstance(outcome, ConfigReady) and outcome.elsewhere:
            self.counts.elsewhere["sent"] += 1
        if outcome is DeliveryRefusal.OTHER_ADDRESS:
            self.counts.elsewhere["refused"] += 1
        if not isinstance(outcome, Refused):
            return outcome
        self.counts.refused["/config", outcome.name.lower()] += 1
        log.info("/config refused to %s: %s", client_address(scope), outcome.value)
        return _refused(outcome)

    async def _record(self, ready: Ready, scope: Scope) -> None:
        grant_id = ready.grant.grant_id if isinstance(ready, ConfigReady) else ""
        name = ascii(ready.rendered.entry.name)
        log.info("delivered %s to %s", name, client_address(scope), extra={"grant_id": grant_id})
        try:
            await self.deliver.record(ready, str(client_address(scope)))
        except StoreUnavailable as error:
            log.error("cannot record a delivery: %s", error)  # noqa: TRY400  (the reason is the message)


def _bearer_token(scope: Scope) -> Secret | None:
    scheme, _, token = (header(scope, b"authorization") or b"").partition(b" ")
    if scheme.lower() != b"bearer" or not token.strip():
        return None
    return Secret(token.strip().decode("latin-1"))


def _claimed(scope: Scope) -> tuple[MachineIdentity, ...]:
    """Return the identities in the query. A placeholder that was never filled in (``${uuid}``) is ignored."""
    if not scope["query_string"]:
        return (MachineIdentity(),)
    pairs = parse_qsl(scope["query_string"].decode("latin-1"), errors="replace")
    return MachineIdentity.readings((name, value) for name, value in pairs if "${" not in value)


def _refused(refusal: Refused) -> Answer:
    if isinstance(refusal, TokenRefusal):
        return plain_answer(401, refusal.value, _INVALID_TOKEN)
    match refusal:
        case (
            DeliveryRefusal.INVALID_TOKEN
            | DeliveryRefusal.EXPIRED_TOKEN
            | DeliveryRefusal.USED_TOKEN
            | DeliveryRefusal.REVOKED_TOKEN
            | DeliveryRefusal.VOID_TOKEN
            | DeliveryRefusal.CHANGED_ENTRY
            | DeliveryRefusal.NO_RIGHT
            | DeliveryRefusal.OTHER_APPROVER
            | DeliveryRefusal.OTHER_MACHINE
        ):
            return plain_answer(401, refusal.value, _INVALID_TOKEN)
        case (
            DeliveryRefusal.OTHER_IDENTITY
            | DeliveryRefusal.NO_IDENTITY
            | DeliveryRefusal.TWO_IDENTITIES
            | DeliveryRefusal.NOT_ALLOWED
            | DeliveryRefusal.MINTED
            | DeliveryRefusal.CONTROL_PLANE
            | DeliveryRefusal.OTHER_NETWORK
            | DeliveryRefusal.OTHER_ADDRESS
            | DeliveryRefusal.OTHER_PLACE
        ):
            return plain_answer(403, refusal.value)
        case DeliveryRefusal.NO_CONFIG:
            return plain_answer(404, refusal.value, _RETRY)
        case DeliveryRefusal.BAD_TOKENS:
            return plain_answer(429, refusal.value, _RETRY)
