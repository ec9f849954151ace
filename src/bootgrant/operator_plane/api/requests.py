"""Requests of machines: list, show, approve, deny, undeny, revoke.

In JSON, times are Unix seconds, spans are seconds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from bootgrant.approval.audit import Past
from bootgrant.approval.codes import masked_user_code
from bootgrant.approval.decision import Decision, WhyVoid
from bootgrant.approval.grant import DeviceGrant, Refusal
from bootgrant.approval.operators import Actor, Right, is_within, parse_labels
from bootgrant.approval.transitions import GrantState
from bootgrant.operator_plane.api.call import Call, Json, Reply, refused
from bootgrant.operator_plane.api.guesses import caller_key, count_not_allowed, count_wrong, must_wait, too_many
from bootgrant.operator_plane.withheld import problem_for
from bootgrant.ports.configurations import MachineEntry
from bootgrant.workflows.decide.decide_grant import NotDecided
from bootgrant.workflows.decide.grant_cards import GrantCard
from bootgrant.workflows.record.approvals import WHY_VOID, Undelivered

log = logging.getLogger("bootgrant.operators")

MOST_LISTED: Final = 500
MOST_AT_ONCE: Final = 2000
_QUEUE: Final = 20_000
_CHUNK: Final = 50
_STATUS: Final = {Refusal.UNKNOWN: 404, Refusal.EXPIRED: 410, Refusal.NOT_ALLOWED: 403, Refusal.UNAVAILABLE: 503}
UNKNOWN: Final = refused(404, "unknown", "no machine has this code: look for a newer code on its screen")
NO_REQUEST: Final = refused(404, "unknown", "there is no request with this id, or it ended long ago")


async def pending(call: Call) -> Reply:
    """List the waiting machines, newest first."""
    labels = parse_labels(call.query.get("label", ()))
    limit = call.query.get("limit", MOST_LISTED)
    wanted, now = call.query.get("text", "").lower(), call.plane.clock.now()
    rest = await _older_than(call, call.query.get("after", ""))
    found: list[GrantCard] = []
    last = ""
    while rest and len(found) < limit:
        chunk, rest = rest[:_CHUNK], rest[_CHUNK:]
        cards = await asyncio.gather(*(call.plane.decide.cards.brief(grant) for grant in chunk))
        for place, card in enumerate(cards):
            last = card.grant.grant_id
            if _is_wanted(card, wanted, call.query.get("expected")) and is_within(labels, card.labels):
                found.append(card)
            if len(found) == limit:
                rest = [*chunk[place + 1 :], *rest]
                break
    more = last if rest else None
    return Reply({"pending": [grant_json(card, now, call.actor) for card in found], "next": more})


async def denied(call: Call) -> Reply:
    """List the machines that are refused because they were denied, the newest denial first."""
    now, cards = call.plane.clock.now(), await call.plane.decide.cards.refused(MOST_LISTED)
    return Reply({"denied": [grant_json(card, now, call.actor) for card in cards]})


async def _older_than(call: Call, after: str) -> list[DeviceGrant]:
    """Return the pending requests older than the one with the id ``after``, newest first, or all if it is empty.

    Ids begin with the time, so this works even if that request is no longer pending.
    """
    grants = await call.plane.store.pending_grants(call.plane.clock.now(), _QUEUE)
    rest = [grant for grant in grants if not after or grant.grant_id < after]
    return sorted(rest, key=lambda grant: grant.grant_id, reverse=True)


def _is_wanted(card: GrantCard, text: str, expected: bool | None) -> bool:
    if expected is not None and card.is_expected is not expected:
        return False
    if not text:
        return True
    grant = card.grant
    name = card.entry.name if card.entry else ""
    return any(text in part.lower() for part in (*grant.identity.given().values(), grant.source_address, name))


async def show(call: Call) -> Reply:
    """Show a request by the code on the machine's screen, in any state."""
    # A caller that sees only half of a code must not find the other half by trying. Those that see all are not slowed.
    counts_hits = not call.actor.may(Right.DECIDE)
    limit, steady = call.plane.codes_by_caller, call.plane.clock.steady()
    caller = caller_key(call)
    wait = limit.attempt(caller, steady) if counts_hits else limit.wait(caller, steady)
    if wait > 0:
        return too_many(wait)
    card = await call.plane.decide.cards.look_up(call.path["code"])
    if card is not None:
        return Reply(grant_json(card, call.plane.clock.now(), call.actor))
    if not counts_hits:
        limit.attempt(caller, steady)
    return UNKNOWN


async def show_by_id(call: Call) -> Reply:
    """Show a request by its id, with the history of the machine."""
    card = await call.plane.decide.cards.show(call.path["id"])
    if card is None:
        return NO_REQUEST
    past = past_json(card.past or Past())
    return Reply({"request": grant_json(card, call.plane.clock.now(), call.actor), "past": past})


async def approve(call: Call) -> Reply:
    """Approve one machine, or several at once."""
    if "codes" in call.members:
        return await _approve_many(call, list(dict.fromkeys(call.members["codes"])))
    grant = await _entered(call)
    if isinstance(grant, Reply):
        return grant
    seen = call.members.get("seen", "")
    return await _decided(call, await call.plane.decide.approve(grant.grant_id, call.actor, seen))


async def _approve_many(call: Call, codes: Sequence[str]) -> Reply:
    """Approve each machine independently: one refusal does not affect the others.

    As on the pages, only machines that can be distinguished are approved together. Each other one needs its own call.
    """
    grants = await asyncio.gather(*(call.plane.decide.cards.find(code) for code in codes))
    # Before anything is decided: the answer must not say which of many guesses was right.
    refusal = must_wait(call)
    for _ in range(grants.count(None)):
        refusal = refusal or count_wrong(call)
    if refusal is not None:
        return refusal
    known = {code: grant for code, grant in zip(codes, grants, strict=True) if grant is not None}
    for grant in known.values():
        call.plane.codes_again.entered(grant, call.actor, "API")
    pairs = [(grant.grant_id, "") for grant in known.values()]
    outcomes = await call.plane.decide.approve_many(pairs, call.actor, as_batch=True)
    approved: list[str] = []
    refusals = {code: dict(UNKNOWN.body) for code in codes if code not in known}
    for code, outcome in zip(known, outcomes, strict=True):
        if isinstance(outcome, NotDecided):
            count_not_allowed(call, outcome)
            refusals[code] = {"error": _error(outcome), "message": outcome.message}
            known[code] = outcome.grant or known[code]
        else:
            approved.append(code)
            known[code] = outcome
            _log(outcome)
    machines = {code: _machine(grant) for code, grant in known.items()}
    return Reply({"approved": approved, "refused": refusals, "machines": machines})


def _machine(grant: DeviceGrant) -> Json:
    """Return which machine a code was of, and which entry was approved for it."""
    return {
        "id": grant.grant_id,
        "identity": grant.identity.given(),
        "address": grant.source_address,
        "entry": grant.entry or None,
    }


async def deny(call: Call) -> Reply:
    """Deny a machine. Its console shows the reason."""
    grant = await _entered(call)
    if isinstance(grant, Reply):
        return grant
    reason = call.members.get("reason", "")
    return await _decided(call, await call.plane.decide.deny(grant.grant_id, call.actor, reason))


async def undeny(call: Call) -> Reply:
    """Take a denial back, so that the machine may ask at once."""
    return await _undenied(call, call.path["id"])


async def undeny_by_code(call: Call) -> Reply:
    """Take a denial back, by the code that was denied, so that the machine may ask at once."""
    grant = await by_code(call)
    return grant if isinstance(grant, Reply) else await _undenied(call, grant.grant_id, knows_code=True)


async def _undenied(call: Call, grant_id: str, *, knows_code: bool = False) -> Reply:
    outcome = await call.plane.decide.undeny(grant_id, call.actor)
    if isinstance(outcome, NotDecided):
        if knows_code:
            count_not_allowed(call, outcome)
        return _refusal(outcome)
    log.info("%s undenied the request %s", call.actor, grant_id, extra={"grant_id": grant_id})
    return await _shown(call, grant_id, knows_code=knows_code)


async def revoke(call: Call) -> Reply:
    """Revoke an approval and its token."""
    return await _revoked(call, call.path["id"])


async def revoke_by_code(call: Call) -> Reply:
    """Revoke an approval and its token, by the machine's code."""
    grant = await by_code(call)
    return grant if isinstance(grant, Reply) else await _revoked(call, grant.grant_id, knows_code=True)


async def _revoked(call: Call, grant_id: str, *, knows_code: bool = False) -> Reply:
    outcome = await call.plane.decide.revoke(grant_id, call.actor)
    if isinstance(outcome, NotDecided):
        if knows_code:
            count_not_allowed(call, outcome)
        return _refusal(outcome)
    log.info("%s revoked the approval of the request %s", call.actor, grant_id, extra={"grant_id": grant_id})
    return await _shown(call, grant_id, knows_code=knows_code)


async def by_code(call: Call) -> DeviceGrant | Reply:
    """Return the request with the code of this call, or the refusal."""
    if (refusal := must_wait(call)) is not None:
        return refusal
    grant = await call.plane.decide.cards.find(call.members["code"])
    return grant or count_wrong(call) or UNKNOWN


async def _entered(call: Call) -> DeviceGrant | Reply:
    """Return the same, to decide about it. A used or replaced code is noted."""
    grant = await by_code(call)
    if not isinstance(grant, Reply):
        call.plane.codes_again.entered(grant, call.actor, "API")
    return grant


async def _decided(call: Call, outcome: DeviceGrant | NotDecided) -> Reply:
    if isinstance(outcome, NotDecided):
        count_not_allowed(call, outcome)
        return _refusal(outcome)
    _log(outcome)
    return await _shown(call, outcome.grant_id, knows_code=True)


async def _shown(call: Call, grant_id: str, *, knows_code: bool) -> Reply:
    """Return the request after a decision, with its whole code if the caller named it by that."""
    card = await call.plane.decide.cards.show(grant_id)
    if card is None:
        return UNKNOWN
    members = grant_json(card, call.plane.clock.now(), call.actor)
    return Reply(members | ({"code": card.user_code} if knows_code else {}))


def _refusal(outcome: NotDecided) -> Reply:
    return refused(_STATUS.get(outcome.refusal, 409), _error(outcome), outcome.message)


def _error(refusal: NotDecided) -> str:
    return refusal.refusal.value.replace(" ", "_")


def _log(outcome: DeviceGrant) -> None:
    decision = outcome.decision or (outcome.votes[-1] if outcome.votes else None)
    done = "voted for" if outcome.state is GrantState.PENDING else outcome.state.value
    grant_id = outcome.grant_id
    log.info("%r %s the request %s", decision.by if decision else "", done, grant_id, extra={"grant_id": grant_id})


def grant_json(card: GrantCard, now: float, actor: Actor) -> Json:
    """Return everything that the card would show to ``actor``. It contains no secrets.

    The whole code is for those who may decide about the machine.
    """
    grant, decision, undenied = card.grant, card.grant.decision, card.grant.undenied
    return {
        "id": grant.grant_id,
        "code": card.user_code if actor.may_decide_about(card.labels) else masked_user_code(card.user_code),
        "state": card.state.value,
        "identity": grant.identity.given(),
        "address": grant.source_address,
        "network": card.network,
        "client_id": grant.client_id,
        "opened_at": grant.opened_at,
        "expires_at": grant.expires_at,
        "age": max(0.0, now - grant.opened_at),
        "left": max(0.0, grant.expires_at - now),
        "entry": _entry_of(card),
        "problem": problem_for(actor, card.problem),
        "standing": card.standing.value if card.state is GrantState.PENDING else None,
        "alike": list(card.alike),
        "assigned_by": card.assignment.by if card.assignment else None,
        "rivals": list(card.rivals),
        "needed": card.needed,
        "votes": [{"by": vote.by, "at": vote.at, "request": vote.request or None} for vote in card.votes],
        "void_votes": [
            {
                "by": vote.by,
                "at": vote.at,
                "request": vote.request or None,
                "why": why.value,
                "message": _void_vote_text(vote, why),
            }
            for vote, why in card.void_votes
        ],
        "undelivered": _undelivered_json(card.undelivered) if card.undelivered else None,
        "replaced_by": card.successor or None,
        "void_reason": grant.void_reason or None,
        "evidence": [
            {"name": check.name, "verdict": check.verdict.value, "detail": check.detail} for check in card.evidence
        ],
        "decided_by": decision.by if decision else None,
        "decided_at": decision.at if decision else None,
        "reason": decision.reason if decision else None,
        "refused_until": card.refused_until,
        "undenied_by": undenied.by if undenied else None,
        "undenied_at": undenied.at if undenied else None,
        "also_denied": _also_denied_json(card.also_denied) if card.also_denied else None,
        "delivered_at": grant.delivered_at,
        "deliveries": grant.deliveries,
        "elsewhere": [use._asdict() for use in grant.elsewhere],
    }


def _also_denied_json(denied: DeviceGrant) -> Json:
    return {"request": denied.grant_id, "by": denied.decision.by if denied.decision else ""}


def _void_vote_text(vote: Decision, why: WhyVoid) -> str:
    if vote.request:
        return f"{vote.by} approved another request; that vote is void for this one: {WHY_VOID[why]}"
    return f"{vote.by} approved this request; this vote is void: {WHY_VOID[why]}"


def _undelivered_json(before: Undelivered) -> Json:
    return {
        "request": before.grant.grant_id,
        "by": before.by,
        "at": before.grant.decision.at if before.grant.decision else before.grant.opened_at,
        "address": before.grant.source_address,
        "what": before.what.value,
        "message": before.message,
    }


def _entry_of(card: GrantCard) -> Json | None:
    """Return the entry that the machine would get, or the one that was approved, of which the rest was not stored."""
    if card.entry is None:
        return None
    entry, grant = entry_json(card.entry), card.grant
    if not grant.entry:
        return entry
    stored = {"name": grant.entry, "matched": card.entry.matched, "revision": grant.revision}
    return dict.fromkeys(entry) | stored | {"fingerprint": grant.fingerprint}


def entry_json(entry: MachineEntry) -> Json:
    """Return an entry without its content."""
    return {
        "name": entry.name,
        "matched": entry.matched,
        "labels": dict(entry.labels),
        "layers": list(entry.layers),
        "exact": entry.exact,
        "networks": list(entry.networks),
        "approvals": entry.approvals,
        "machine_type": entry.machine_type,
        "precious": list(entry.precious),
        "mints": list(entry.mints),
        "revision": entry.revision,
        "fingerprint": entry.fingerprint,
    }


def past_json(past: Past) -> Json:
    """Return the history of a machine, newest first."""
    return {
        "requests": [{"at": at, "address": address} for at, address in past.requests],
        "deliveries": [
            {
                "at": done.at,
                "address": done.address,
                "entry": done.entry,
                "sha256": done.sha256,
                "identity": done.identity.given(),
            }
            for done in past.deliveries
        ],
        "denials": [{"at": at, "by": by, "reason": reason} for at, by, reason in past.denials],
        "elsewhere": [{"at": at, "address": address, "requested_from": asked} for at, address, asked in past.elsewhere],
    }
