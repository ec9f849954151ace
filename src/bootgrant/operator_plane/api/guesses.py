"""The limit for callers who see only half of some codes: they must not find the other half by trying.

Callers without limits to labels see every code of a waiting machine, and are not slowed.
"""

from __future__ import annotations

import math

from bootgrant.approval.grant import Refusal
from bootgrant.operator_plane.api.call import Call, Reply, refused
from bootgrant.workflows.decide.decide_grant import NotDecided
from bootgrant.workflows.limits.rates import name_key


def too_many(wait: float) -> Reply:
    """Return the refusal of a caller who has to wait this many seconds."""
    return refused(429, "too_many", f"too many codes from this caller: try again in {math.ceil(wait)} s")


def caller_key(call: Call) -> str:
    """Return the key that counts the codes of this caller."""
    return name_key(call.actor.author.name or call.actor.name)


def must_wait(call: Call) -> Reply | None:
    """Return the refusal of a caller who entered too many wrong codes; None for any other."""
    if not call.actor.labels:
        return None
    wait = call.plane.codes_by_caller.wait(caller_key(call), call.plane.clock.steady())
    return too_many(wait) if wait > 0 else None


def count_wrong(call: Call) -> Reply | None:
    """Count a code that is unknown, or of a machine that this caller may not decide about.

    Return the refusal when it was one too many; None when it may be answered.
    """
    if not call.actor.labels:
        return None
    wait = call.plane.codes_by_caller.attempt(caller_key(call), call.plane.clock.steady())
    return too_many(wait) if wait > 0 else None


def count_not_allowed(call: Call, outcome: NotDecided) -> None:
    """Count the code of a decision that was refused because of this caller's limits."""
    if outcome.refusal is Refusal.NOT_ALLOWED:
        count_wrong(call)
