"""How often something may happen: attempts at what can be guessed, and polls.

Kept in memory. A refused attempt costs nothing, so a client that is too fast is slowed down to the rate and never
locked out.
"""

from __future__ import annotations

import ipaddress
from enum import Enum
from typing import Final

from bootgrant.approval.operators import person_key

_KEY_LENGTH: Final = 128
_BURST: Final = 6
"""Polls beyond the rate that may come at once: a pair, the pair after a lost answer, and the one after a restart."""


class PollPace:
    """How often a machine may poll one device code (RFC 8628 section 3.5), measured from arrival to arrival.

    Talos sends every poll twice within milliseconds, with a Basic header and without, so the fair rate is two requests
    per interval. This is a leaky bucket: each request costs half an ``interval``, and a few may come at once. Times are
    seconds of any steady clock.
    """

    __slots__ = ("_cost", "_free_at", "_was_first_half")

    def __init__(self, interval: float, *, is_complete: bool = True) -> None:
        """``is_complete``: no request of this code can have come before."""
        self._cost = interval / 2
        self._free_at = 0.0
        self._was_first_half = not is_complete

    def arrive(self, now: float) -> bool:
        """Count a request; False when it came too early and the answer is ``slow_down``."""
        due = max(self._free_at, now)
        if due - now > self._cost * _BURST:
            return False
        self._free_at = due + self._cost
        return True

    def may_hold(self, *, has_basic: bool) -> bool:
        """Note a request, and return whether it may wait for the decision. The second half of a pair may not.

        Talos ends its flow when the connection of a second half breaks, but after a first half it sends the second. So
        a server that dies while it holds only first halves costs no machine its code.
        """
        is_second_half = self._was_first_half and not has_basic
        self._was_first_half = has_basic
        return not is_second_half


class WhenFull(Enum):
    """What a limit answers to a new key when its table is full."""

    ALLOW = "allow"
    REFUSE = "refuse"


class AttemptLimit:
    """``burst`` attempts at once, then one every ``every`` seconds, for each of at most ``most_keys`` keys.

    For passwords and codes. A success gives no attempts back, so one right answer does not buy an attacker more.
    """

    __slots__ = ("_burst", "_every", "_most_keys", "_paid_until", "_swept_at", "_when_full")

    def __init__(self, burst: int, every: float, *, when_full: WhenFull, most_keys: int = 10_000) -> None:
        self._burst = burst
        self._every = every
        self._when_full = when_full
        self._most_keys = most_keys
        self._paid_until: dict[str, float] = {}
        self._swept_at = 0.0

    def attempt(self, key: str, now: float) -> float:
        """Count an attempt at ``now`` (a steady clock, seconds). Return the seconds to wait, 0.0 when it is allowed."""
        if key not in self._paid_until and not self._has_room(now):
            return 0.0 if self._when_full is WhenFull.ALLOW else self._every
        too_early = self.wait(key, now)
        if too_early <= 0.0:
            self._paid_until[key] = max(self._paid_until.get(key, now), now) + self._every
        return too_early

    def wait(self, key: str, now: float) -> float:
        """Return the seconds until an attempt would be allowed, without counting one; 0.0 for at once."""
        return max(0.0, self._paid_until.get(key, now) - now - self._every * (self._burst - 1))

    def _has_room(self, now: float) -> bool:
        if len(self._paid_until) >= self._most_keys and now - self._swept_at >= self._every:
            self._swept_at = now
            self._paid_until = {key: until for key, until in self._paid_until.items() if until > now}
        return len(self._paid_until) < self._most_keys


def address_key(address: str) -> str:
    """Return the key of an address: an IPv4 address itself, the /64 of an IPv6 address (a customer has all of it)."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:_KEY_LENGTH]
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def is_same_place(one: str, other: str) -> bool:
    """Return whether two addresses count as one: the same IPv4 address, or the same IPv6 /64.

    Hosts change their addresses within a /64 by themselves (RFC 8981).
    """
    return address_key(one) == address_key(other)


def name_key(name: str) -> str:
    """Return the key of a name; all spellings of one person's name have the same."""
    return person_key(name.strip()[:_KEY_LENGTH])
