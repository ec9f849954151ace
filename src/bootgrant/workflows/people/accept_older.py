"""An admin accepts a database that is older than what its servers have seen, and takes away again what is known.

Until then the servers answer no request of a machine or a person, so nothing that this reads can change meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from bootgrant.approval.audit import AuditEvent, AuditKind, Head
from bootgrant.approval.changed_rights import EVERY_MACHINE
from bootgrant.approval.decision import Decision
from bootgrant.approval.epoch import Acceptance, Lost, Recorded, Seen, Taken, lost_from, merged
from bootgrant.approval.grant import VOTE_LIFETIME, DeviceGrant
from bootgrant.approval.operators import Actor, BadLabel, Label, Refused, Role, common_role, narrowed, parse_labels
from bootgrant.ports.epochs import EpochStore
from bootgrant.ports.grants import GrantStore
from bootgrant.ports.people import Operator, OperatorStore, PasskeyStore
from bootgrant.ports.time import Clock
from bootgrant.workflows.record.audit import Change, decided, operator_changed, revoked, voided, votes_lost

_WHY: Final = "an older copy of the database was restored"
_MOST: Final = 20_000
_PASSWORD: Final = frozenset({"changed their password", "reset"})
_PASSKEYS: Final = frozenset({"removed a passkey", "reset"})


@dataclass(frozen=True, slots=True)
class OlderDatabase:
    """``lost`` is what is known to be missing from a database that ends at ``head``. ``later`` is a head that was noted
    elsewhere and is not in the database, and ``records`` how many are missing at least, None if that is not known."""

    head: Head
    lost: Lost
    records: int | None
    later: Head | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """What was accepted, what was ``done`` (each one line for a person), and the number of the new epoch."""

    older: OlderDatabase
    epoch: int
    done: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AcceptOlder:
    """``seen`` is what this server has seen. Every method may raise StoreUnavailable."""

    store: EpochStore
    grants: GrantStore
    operators: OperatorStore
    passkeys: PasskeyStore
    clock: Clock
    seen: Seen

    async def look(self, noted: Head | None = None) -> OlderDatabase | Refused:
        """Return what is missing, as far as all waiting servers know. ``noted`` is a head that was written down
        elsewhere; Refused if the database has another record of its number."""
        losses = [loss for loss, _ in await self._losses()]
        own = Lost(self.seen, None, ())
        lost = merged(losses or [own])
        recorded = await self.store.recorded(Seen(head=noted or Head()))
        if noted is None or recorded.has(noted):
            return OlderDatabase(recorded.head, lost, lost.records)
        if noted.seq <= recorded.head.seq:
            return Refused(
                f"record {noted.seq} of this database is not the one of the head that you gave: it is a copy of "
                "another database, or its audit was rewritten. Compare the number and all 64 digits"
            )
        return OlderDatabase(recorded.head, lost, max(noted.seq - recorded.head.seq, lost.records or 0), noted)

    async def accept(self, by: Actor, noted: Head | None = None) -> Accepted | Refused:
        """Begin the next epoch. All sessions, API tokens, logins of command lines and armed windows end; approvals that
        were not delivered become void. What is known to have been taken away is taken away again."""
        older = await self.look(noted)
        if isinstance(older, Refused):
            return older
        done = [
            *await self._operators_again(older.lost.taken, by),
            *await self._machines_again(older.lost.taken, by),
            *await self._void_the_rest(),
        ]
        losses = await self._losses()
        # A clock that was set back must not make an acceptance older than what it accepts.
        now = max(self.clock.now(), *(loss.seen.marked_at or 0.0 for loss, _ in losses), self.seen.marked_at or 0.0)
        epoch = 1 + max([recorded.epoch for _, recorded in losses] + [loss.seen.epoch for loss, _ in losses], default=1)
        covered: dict[int, int] = {}
        for seen in [self.seen, *(loss.seen for loss, _ in losses)]:
            covered[seen.epoch] = max(seen.head.seq, covered.get(seen.epoch, 0))
        acceptances = [Acceptance(epoch, old, seq, now) for old, seq in sorted(covered.items())]
        if not await self.store.accept(acceptances, self._event(older, epoch, by, now)):
            return Refused("another server accepted it at the same moment: run `bootgrant status`")
        return Accepted(older, epoch, tuple(done))

    def _event(self, older: OlderDatabase, epoch: int, by: Actor, now: float) -> AuditEvent:
        details: dict[str, str | int] = {
            "epoch": epoch,
            "seen": str(older.lost.seen.head),
            "missing": "unknown" if older.records is None else older.records,
        }
        if older.later is not None:
            details["noted"] = str(older.later)
        return AuditEvent(now, AuditKind.RESTORED, str(by), by.via, reason=_WHY, details=details)

    async def _losses(self) -> Sequence[tuple[Lost, Recorded]]:
        """Return what this server and each other one that waits lacks."""
        found = []
        for seen in (self.seen, *await self.store.reports()):
            recorded = await self.store.recorded(seen)
            if (loss := lost_from(recorded, seen)) is not None:
                found.append((loss, recorded))
        return found

    # Operators.

    async def _operators_again(self, taken: Iterable[Taken], by: Actor) -> list[str]:
        records: dict[str, list[Taken]] = {}
        for each in taken:
            if each.kind is AuditKind.OPERATOR_CHANGED:
                records.setdefault(each.details.get("operator", ""), []).append(each)
        done: list[str] = []
        for name, changes in sorted(records.items()):
            operator = await self.operators.find_operator(name)
            if operator is not None:
                done += await self._operator_again(operator, changes, by)
        return done

    async def _operator_again(self, operator: Operator, changes: Sequence[Taken], by: Actor) -> list[str]:
        name, done, words = operator.name, [], [each.details.get("done", "") for each in changes]
        if operator.disabled_at is None and _is_disabled(words):
            await self.operators.set_disabled(name, self.clock.now(), self._change(by, "disabled"))
            done.append(f"operator {name} disabled again")
        rights = _lower_rights(operator, changes[-1].details)
        if rights is not None:
            event = operator_changed(Change(self.clock.now(), by, "changed", _WHY), name, operator, _Rights(*rights))
            await self.operators.set_rights(name, *rights, lambda _: event)
            done.append(f"operator {name} limited again to the rights of the last change")
        if operator.password_hash and _PASSWORD.intersection(words):
            await self.operators.set_password(name, "", self._change(by, "password removed"))
            done.append(
                f"password of operator {name} removed, because it was changed: `bootgrant operators reset {name}`"
            )
        if _PASSKEYS.intersection(words) and await self.passkeys.passkeys_of(name):
            await self.passkeys.remove_passkeys(name)
            done.append(f"passkeys of operator {name} removed, because one was removed")
        return done

    def _change(self, by: Actor, done: str) -> _AuditOf:
        return _AuditOf(Change(self.clock.now(), by, done, _WHY))

    # Machines.

    async def _machines_again(self, taken: Iterable[Taken], by: Actor) -> list[str]:
        last = {each.grant_id: each for each in taken if each.grant_id}
        done: list[str] = []
        for grant_id, each in last.items():
            now = self.clock.now()
            if each.kind is AuditKind.DENIED:
                decision = Decision(by.author, now, each.reason)
                denied = await self.grants.change_grant(
                    grant_id, partial(DeviceGrant.deny, decision=decision), audit=decided(decision, "", "", "", ())
                )
                done += [f"denied again: {_machine(each)}"] if isinstance(denied, DeviceGrant) else []
            if each.kind in (AuditKind.DENIED, AuditKind.REVOKED):
                gone = await self.grants.change_grant(
                    grant_id, partial(DeviceGrant.revoke, now=now), audit=revoked(now, str(by), by.via)
                )
                done += [f"approval revoked again: {_machine(each)}"] if isinstance(gone, DeviceGrant) else []
        return done

    async def _void_the_rest(self) -> list[str]:
        now, ended, votes = self.clock.now(), 0, 0
        for grant in await self.grants.pending_grants(now - VOTE_LIFETIME, _MOST):
            if grant.votes:
                rule = partial(DeviceGrant.lose_votes, is_lost=lambda _: True)
                audit = votes_lost(now, grant.votes, _WHY)
                votes += isinstance(await self.grants.change_grant(grant.grant_id, rule, audit=audit), DeviceGrant)
        for grant in await self.grants.undelivered(now):
            void = partial(DeviceGrant.void, reason=_WHY, now=now)
            outcome = await self.grants.change_grant(grant.grant_id, void, audit=voided(now, _WHY))
            ended += isinstance(outcome, DeviceGrant)
        return [
            "all sessions, API tokens, logins of command lines and armed windows ended",
            *([f"approvals that were not delivered are void: {ended}"] if ended else []),
            *([f"machines whose first approval does not count any more: {votes}"] if votes else []),
        ]


@dataclass(frozen=True, slots=True)
class _Rights:
    role: Role
    labels: tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class _AuditOf:
    change: Change

    def __call__(self, before: Operator) -> AuditEvent:
        return operator_changed(self.change, before.name, before, before)


def _is_disabled(words: Sequence[str]) -> bool:
    """Return whether the last change that disabled or enabled an operator disabled them."""
    decisive = [text for text in words if text.startswith(("disabled", "enabled", "added"))]
    return bool(decisive) and decisive[-1].startswith("disabled")


def _lower_rights(operator: Operator, details: Mapping[str, str]) -> tuple[Role, tuple[Label, ...]] | None:
    """Return what both the operator and the last change have; None if that is what the operator has."""
    if "role_after" not in details:
        return None
    try:
        role = common_role(operator.role, Role(details["role_after"]))[0]
        texts = details.get("labels_after", EVERY_MACHINE)
        labels = narrowed(operator.labels, () if texts == EVERY_MACHINE else parse_labels(texts.split()))
    except (ValueError, BadLabel):
        return None
    rights = role, operator.labels if labels is None else labels
    return None if rights == (operator.role, operator.labels) else rights


def _machine(taken: Taken) -> str:
    return " ".join(f"{name}={value}" for name, value in taken.identity.given().items())
