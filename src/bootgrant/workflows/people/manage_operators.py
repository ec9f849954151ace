"""Operators who may sign in: added, listed, disabled, enabled, given a new password."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bootgrant.approval.operators import NAME, NAME_RULE, Kind, Label, Refused, Role
from bootgrant.ports.people import Operator, OperatorStore, PasskeyStore, PasswordHasher
from bootgrant.ports.time import Clock, Entropy
from bootgrant.wire.secret import Secret
from bootgrant.workflows.decide.lost_rights import LostRights
from bootgrant.workflows.people.api_tokens import ApiTokens

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
    """Every method may raise StoreUnavailable."""

    operators: OperatorStore
    passkeys: PasskeyStore
    hasher: PasswordHasher
    clock: Clock
    entropy: Entropy
    lost: LostRights
    tokens: ApiTokens

    async def add(
        self, name: str, role: Role, labels: tuple[Label, ...], kind: Kind, password: Secret | None
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
        hashed = await self.hasher.hash(given)
        if not await self.operators.add_operator(Operator(name, hashed, self.clock.now(), role, labels, kind)):
            return Refused(
                f"the operator {name!r} exists already: `bootgrant operators reset {name}` sets a new password, "
                f"`bootgrant operators set {name}` changes the role"
            )
        return NewPassword(name, None if password else given)

    async def set_rights(self, name: str, role: Role, labels: tuple[Label, ...] | None) -> Refused | int:
        """Change role and limits (None: keep them), from the next request on.

        Armed windows beyond the new limits close. Undelivered approvals beyond them become void; return how many.
        """
        operator = await self.operators.find_operator(name)
        if operator is None:
            return _nobody(name)
        if operator.kind is Kind.OIDC:
            return Refused(f"the role of {name} comes from the provider's groups: change those, or [[oidc.roles]]")
        limits = operator.labels if labels is None else labels
        if not await self.operators.set_rights(name, role, limits):
            return _nobody(name)
        return await self.lost.beyond(name, role, limits)

    async def disable(self, name: str) -> Refused | int:
        """Disable an operator at once and close their sessions and armed windows.

        Their votes stop counting (VoteFilter in workflows/decide/grant_cards.py). Their undelivered approvals become
        void; return how many.
        """
        if not await self.operators.set_disabled(name, self.clock.now()):
            return _nobody(name)
        return await self.lost.of_operator(name)

    async def enable(self, name: str) -> Refused | None:
        """Enable an operator again. Return None when that was done."""
        return None if await self.operators.set_disabled(name, None) else _nobody(name)

    async def reset(self, name: str, password: Secret | None) -> NewPassword | Refused:
        """Set a new password for an operator who lost theirs; deletes their passkeys, sessions and own tokens."""
        operator = await self.operators.find_operator(name)
        if operator is None:
            return _nobody(name)
        if operator.kind is Kind.OIDC:
            return Refused(f"{name} signs in through a provider and has no password here")
        if problem := password_problem(password, operator.kind):
            return Refused(problem)
        given = password or generated_password(self.entropy)
        await self.passkeys.remove_passkeys(name)
        for token in await self.tokens.of(name):
            await self.tokens.revoke(token.name)
        if not await self.operators.set_password(name, await self.hasher.hash(given)):
            return _nobody(name)
        return NewPassword(name, None if password else given)


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


def _nobody(name: str) -> Refused:
    return Refused(f"there is no operator {name!r}: `bootgrant operators list` shows all of them")
