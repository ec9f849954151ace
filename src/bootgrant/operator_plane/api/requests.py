"""The requests of machines: who waits, one of them, approve, deny, take back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from bootgrant.approval.grant import DeviceGrant, GrantState, Refusal
from bootgrant.approval.operators import BadLabel, is_within, parse_labels
from bootgrant.operator_plane.api.call import Call, Told, refused
from bootgrant.operator_plane.api.grants import grant_json, past_json
from bootgrant.ports.configurations import ConfigUnavailable
from bootgrant.workflows.decide.decide_grant import NotDecided
from bootgrant.workflows.decide.grant_cards import GrantCard

log = logging.getLogger("bootgrant.operators")

MOST_LISTED: Final = 500
MOST_AT_ONCE: Final = 2000
_QUEUE: Final = 20_000
_CHUNK: Final = 50
_STATUS: Final = {Refusal.UNKNOWN: 404, Refusal.EXPIRED: 410, Refusal.NOT_ALLOWED: 403}
UNKNOWN: Final = refused(404, "unknown", "no machine asks with this code: it may have asked again with a new one")
NO_REQUEST: Final = refused(404, "unknown", "there is no such request; it may be long over")


async def pending(call: Call) -> Told:
    """Machines that wait, newest first."""
    try:
        labels = parse_labels(call.query.get("label", ()))
    except BadLabel as error:
        return refused(400, "bad_request", str(error))
    limit = call.query.get("limit", MOST_LISTED)
    wanted, now = call.query.get("text", "").lower(), call.plane.clock.now()
    rest = await _after(call, call.query.get("after", ""))
    found: list[GrantCard] = []
    last = ""
    while rest and len(found) < limit:
        chunk, rest = rest[:_CHUNK], rest[_CHUNK:]
        cards = await asyncio.gather(*(call.plane.decide.cards.brief(grant) for grant in chunk))
        for place, card in enumerate(cards):
            last = card.grant.grant_id
            if _is_wanted(card, wanted, call.query.get("expected")) and is_within(labels, _labels(card)):
                found.append(card)
            if len(found) == limit:
                rest = [*chunk[place + 1 :], *rest]
                break
    more = last if rest else None
    return Told({"pending": [grant_json(card, now) for card in found], "next": more})


async def _after(call: Call, after: str) -> list[DeviceGrant]:
    """The waiting requests behind the one with the id ``after``, newest first; all of them without it.

    An id begins with its time, so this holds also when that request waits no more.
    """
    grants = await call.plane.store.pending_grants(call.plane.clock.now(), _QUEUE)
    rest = [grant for grant in grants if not after or grant.grant_id < after]
    return sorted(rest, key=lambda grant: grant.grant_id, reverse=True)


def _labels(card: GrantCard) -> dict[str, str]:
    return dict(card.entry.labels) if card.entry else {}


def _is_wanted(card: GrantCard, text: str, expected: bool | None) -> bool:
    if expected is not None and card.is_expected is not expected:
        return False
    if not text:
        return True
    grant = card.grant
    name = card.entry.name if card.entry else ""
    return any(text in part.lower() for part in (*grant.identity.given().values(), grant.source_address, name))


async def show(call: Call) -> Told:
    """One request by the code on the machine's screen, whatever its state."""
    card = await call.plane.decide.look_up(call.path["code"])
    return UNKNOWN if card is None else Told(grant_json(card, call.plane.clock.now()))


async def show_by_id(call: Call) -> Told:
    """One request by its id, with what is known of the machine from before."""
    card = await call.plane.decide.show(call.path["id"])
    if card is None:
        return NO_REQUEST
    past = past_json(card.past) if card.past else {"requests": [], "deliveries": [], "denials": []}
    return Told({"request": grant_json(card, call.plane.clock.now()), "past": past})


async def configuration(call: Call) -> Told:
    """What the machine would get, with every secret blacked out."""
    card = await call.plane.decide.show(call.path["id"])
    if card is None:
        return NO_REQUEST
    if card.entry is None:
        return refused(409, "no_entry", card.problem)
    try:
        text = await call.plane.source.preview(card.entry.name, card.grant.identity)
    except ConfigUnavailable as error:
        return refused(409, "no_config", str(error))
    if text is None:
        return refused(409, "no_entry", f"the entry {card.entry.name} is gone from the configurations")
    return Told({"entry": card.entry.name, "text": text})


async def approve(call: Call) -> Told:
    """Let a machine in, or many at once."""
    if "codes" in call.members:
        return await _approve_many(call, list(dict.fromkeys(call.members["codes"])))
    grant = await call.plane.decide.cards.find(call.members["code"])
    if grant is None:
        return UNKNOWN
    seen = call.members.get("seen", "")
    return await _told(call, await call.plane.decide.approve(grant.grant_id, call.actor, seen))


async def _approve_many(call: Call, codes: Sequence[str]) -> Told:
    """Each by itself: what is refused keeps none of the others from being let in."""
    grants = await asyncio.gather(*(call.plane.decide.cards.find(code) for code in codes))
    known = {code: grant.grant_id for code, grant in zip(codes, grants, strict=True) if grant is not None}
    outcomes = await call.plane.decide.approve_many([(grant_id, "") for grant_id in known.values()], call.actor)
    approved: list[str] = []
    refusals = {code: dict(UNKNOWN.body) for code in codes if code not in known}
    for code, outcome in zip(known, outcomes, strict=True):
        if isinstance(outcome, NotDecided):
            refusals[code] = {"error": _name(outcome), "message": outcome.message}
        else:
            approved.append(code)
            _log(outcome)
    return Told({"approved": approved, "refused": refusals})


async def deny(call: Call) -> Told:
    """Refuse a machine; its console shows the reason."""
    grant = await call.plane.decide.cards.find(call.members["code"])
    if grant is None:
        return UNKNOWN
    reason = call.members.get("reason", "")
    return await _told(call, await call.plane.decide.deny(grant.grant_id, call.actor, reason))


async def revoke(call: Call) -> Told:
    """Take an approval back, and end its token."""
    return await _taken_back(call, call.path["id"])


async def revoke_by_code(call: Call) -> Told:
    """Take an approval back, by the code that the machine showed."""
    grant = await call.plane.decide.cards.find(call.members["code"])
    return UNKNOWN if grant is None else await _taken_back(call, grant.grant_id)


async def _taken_back(call: Call, grant_id: str) -> Told:
    outcome = await call.plane.decide.revoke(grant_id, call.actor)
    if not isinstance(outcome, NotDecided):
        log.info("%s took back the approval of the request %s", call.actor, grant_id, extra={"grant_id": grant_id})
        card = await call.plane.decide.show(grant_id)
        return UNKNOWN if card is None else Told(grant_json(card, call.plane.clock.now()))
    return refused(_STATUS.get(outcome.refusal, 409), _name(outcome), outcome.message)


async def _told(call: Call, outcome: DeviceGrant | NotDecided) -> Told:
    if isinstance(outcome, NotDecided):
        return refused(_STATUS.get(outcome.refusal, 409), _name(outcome), outcome.message)
    _log(outcome)
    card = await call.plane.decide.show(outcome.grant_id)
    return UNKNOWN if card is None else Told(grant_json(card, call.plane.clock.now()))


def _log(outcome: DeviceGrant) -> None:
    said = outcome.decision or (outcome.votes[-1] if outcome.votes else None)
    done = "voted for" if outcome.state is GrantState.PENDING else outcome.state.value
    grant_id = outcome.grant_id
    log.info("%r %s the request %s", said.by if said else "", done, grant_id, extra={"grant_id": grant_id})


def _name(refusal: NotDecided) -> str:
    return refusal.refusal.value.replace(" ", "_")
