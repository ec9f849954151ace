"""Operators who may sign in: added, listed, disabled, enabled, given a new password."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from bootgrant.approval.operators import (
    NAME,
    NAME_RULE,
    VIA_ADMIN_SOCKET,
    Actor,
    Kind,
    Label,
    Refused,
    Right,
    Role,
)
from bootgrant.ports.people import AuditOfOperator, Operator, OperatorStore, PasskeyStore, PasswordHasher
from bootgrant.ports.push import PushDeviceStore
from bootgrant.ports.time import Clock, Entropy
from bootgrant.wire.secret import Secret
from bootgrant.workflows.decide.lost_rights import LostRights
from bootgrant.workflows.people.api_tokens import ApiTokens
from bootgrant.workflows.record.audit import Change, operator_changed

SHORTEST_PASSWORD: Final = 12
LONGEST_PASSWORD: Final = 1024
"""Characters. Only length is required (NIST SP 800-63B section 3.1.1.2), neither special characters nor changes."""

_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS: Final = 4
_GROUP: Final = 5


@dataclass(frozen=True, slots=True)
class NewPassword:
    """``generated`` is shown once and stored nowhere; None when the person chose the password."""

    name: str
    generated: Secret | None


@dataclass(frozen=True, slots=True)
class ManageOperators:
    """``by`` is who makes a change; its audit record is durable with it. Every method may raise StoreUnavailable.

    Nobody can take away their own admin rights or those of the last admin, except on the server itself.
    """

    operators: OperatorStore
    passkeys: PasskeyStore
    hasher: PasswordHasher
    clock: Clock
    entropy: Entropy
    lost: LostRights
    tokens: ApiTokens
    devices: PushDeviceStore

    async def add(
        self, name: str, role: Role, labels: tuple[Label, ...], kind: Kind, password: Secret | None, by: Actor
    ) -> NewPassword | Refused:
        """Add an operator who signs in here. Without ``password``, one is generated."""
        if not NAME.fullmatch(name):
            return Refused(f"{name!r} cannot be the name of an operator: {NAME_RULE}")
        if kind is Kind.OIDC:
            return Refused(
                "people who sign in through a provider are added automatically: see [[oidc]] in docs/sign-in.md"
            )
        if problem := password_problem(password, kind):
            return Refused(problem)
        given = password or generated_password(self.entropy)
        hashed, now = await self.hasher.hash(given), self.clock.now()
        operator = Operator(name, hashed, now, role, labels, kind)
        event = operator_changed(Change(now, by, "added"), name, None, operator)
        if not await self.operators.add_operator(operator, event):
            return Refused(
                f"the operator {name!r} exists already: `bootgrant operators reset {name}` sets a new password, "
                f"`bootgrant operators set {name}` changes the role"
            )
        return NewPassword(name, None if password else given)

    async def set_rights(self, name: str, role: Role, labels: tuple[Label, ...] | None, by: Actor) -> Refused | int:
        """Change role and limits (None: keep them), from the next request on.

        Armed windows beyond the new limits close. Undelivered approvals beyond them become void; return how many.
        """
        operator = await self.operators.find_operator(name)
        if operator is None:
            return _nobody(name)
        if operator.kind is Kind.OIDC:
            return Refused(f"the role of {name} comes from the provider's groups: change those, or [[oidc.roles]]")
        limits = operator.labels if labels is None else labels
        if not _manages(role, limits) and (problem := await self._locks_out(operator, by)):
            return Refused(f"{problem} run `bootgrant operators set {name}` on the server")
        event = self._change(by, "changed", lambda before: replace(before, role=role, labels=limits))
        if not await self.operators.set_rights(name, role, limits, event):
            return _nobody(name)
        return await self.lost.beyond(name, role, limits)

    async def disable(self, name: str, by: Actor) -> Refused | int:
        """Disable an operator at once and close their sessions and armed windows.

        Their votes stop counting (VoteFilter in workflows/decide/grant_cards.py). Their undelivered approvals become
        void; return how many.
        """
        operator = await self.operators.find_operator(name)
        if operator is not None and (problem := await self._locks_out(operator, by)):
            return Refused(f"{problem} run `bootgrant operators disable {name}` on the server")
        if not await self.operators.set_disabled(name, self.clock.now(), self._change(by, "disabled")):
            return _nobody(name)
        return await self.lost.of_operator(name)

    async def enable(self, name: str, by: Actor) -> Refused | None:
        """Enable an operator again. Return None when that was done."""
        return None if await self.operators.set_disabled(name, None, self._change(by, "enabled")) else _nobody(name)

    async def reset(self, name: str, password: Secret | None, by: Actor) -> NewPassword | Refused:
        """Set a new password for an operator who lost theirs; deletes their passkeys, sessions, own tokens,
        and devices that get push messages."""
        operator = await self.operators.find_operator(name)
        if operator is None:
            return _nobody(name)
        if operator.kind is Kind.OIDC:
            return Refused(f"{name} signs in through a provider and has no password here")
        if problem := password_problem(password, operator.kind):
            return Refused(problem)
        given = password or generated_password(self.entropy)
        await self.passkeys.remove_passkeys(name)
        await self.devices.remove_devices(name)
        for token in await self.tokens.of(name):
            await self.tokens.revoke(token.name, by, f"the operator {name} was reset")
        if not await self.operators.set_password(name, await self.hasher.hash(given), self._change(by, "reset")):
            return _nobody(name)
        return NewPassword(name, None if password else given)

    async def _locks_out(self, operator: Operator, by: Actor) -> str:
        """Return why this operator must keep their admin rights, as a refusal begins; empty when they need not."""
        if by.via == VIA_ADMIN_SOCKET or operator.disabled_at is not None:
            return ""
        if by.author.is_operator(operator.name):
            return "you cannot disable yourself or give up your own admin rights; ask another admin, or"
        if not _manages(operator.role, operator.labels):
            return ""
        others = [each for each in await self.operators.operators() if each.name != operator.name]
        if any(each.disabled_at is None and _manages(each.role, each.labels) for each in others):
            return ""
        return f"{operator.name} is the only admin of every machine; make another one first, or"

    def _change(
        self, by: Actor, done: str, after: Callable[[Operator], Operator] = lambda before: before
    ) -> AuditOfOperator:
        """Return the event of a change that ``by`` makes; ``after`` is the operator with their new rights."""
        change = Change(self.clock.now(), by, done)
        return lambda before: operator_changed(change, before.name, before, after(before))


def generated_password(entropy: Entropy) -> Secret:
    """Return four groups of five letters and digits that do not look alike: 99 bits, easy to type on a phone."""
    most = 256 - 256 % len(_LETTERS)
    picked: list[str] = []
    while len(picked) < _GROUPS * _GROUP:
        picked += [_LETTERS[byte % len(_LETTERS)] for byte in entropy.random_bytes(32) if byte < most]
    text = "".join(picked)
    return Secret("-".join(text[start : start + _GROUP] for start in range(0, _GROUPS * _GROUP, _GROUP)))


def password_problem(password: Secret | None, kind: Kind = Kind.LOCAL) -> str:
    """Return why this password is not accepted, and what to do; empty when it is."""
    if password is None:
        return ""
    if kind is Kind.BREAK_GLASS:
        return "the password of a break-glass operator is always generated, so that it is long: do not set one"
    if not SHORTEST_PASSWORD <= len(password.reveal()) <= LONGEST_PASSWORD:
        return f"a password must have {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters: use several words"
    return ""


def _manages(role: Role, labels: tuple[Label, ...]) -> bool:
    """Return whether an operator with these rights may manage operators."""
    return role.has(Right.ADMINISTER) and not labels


def _nobody(name: str) -> Refused:
    return Refused(f"there is no operator {name!r}: `bootgrant operators list` shows all of them")
