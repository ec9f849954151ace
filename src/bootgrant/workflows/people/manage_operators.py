"""Who may sign in: add, list, shut out, let in again, give a new password. For admins and for the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bootgrant.approval.operators import NAME, NAME_RULE, Kind, Label, Role
from bootgrant.ports.people import Operator, OperatorStore, PasskeyStore, PasswordHasher
from bootgrant.ports.time import Clock, Entropy
from bootgrant.wire.secret import Secret
from bootgrant.workflows.decide.windows import CloseWindows
from bootgrant.workflows.people.api_tokens import ApiTokens

SHORTEST_PASSWORD: Final = 12
LONGEST_PASSWORD: Final = 1024
"""Characters. Length is what counts (NIST SP 800-63B section 3.1.1.2); no rule asks for signs or for changes."""

_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS: Final = 4
_GROUP: Final = 5


@dataclass(frozen=True, slots=True)
class OperatorRefused:
    """Why nothing was changed; ``message`` says what to do."""

    message: str


@dataclass(frozen=True, slots=True)
class NewPassword:
    """``generated`` is shown once and kept nowhere; None where the person chose the password."""

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
    windows: CloseWindows
    tokens: ApiTokens

    async def add(
        self, name: str, role: Role, labels: tuple[Label, ...], kind: Kind, password: Secret | None
    ) -> NewPassword | OperatorRefused:
        """Somebody new who signs in here (not kind OIDC: those come by themselves). Without ``password``: made up."""
        if not NAME.fullmatch(name):
            return OperatorRefused(f"{name!r} cannot be the name of an operator: {NAME_RULE}")
        if kind is Kind.OIDC:
            return OperatorRefused("who signs in at a provider is added by doing so: see [[oidc]] in docs/sign-in.md")
        if problem := password_problem(password, kind):
            return OperatorRefused(problem)
        given = password or generated_password(self.entropy)
        hashed = await self.hasher.hash(given)
        if not await self.operators.add_operator(Operator(name, hashed, self.clock.now(), role, labels, kind)):
            return OperatorRefused(
                f"there is an operator {name!r} already: `bootgrant operators reset {name}` gives a new password, "
                f"`bootgrant operators set {name}` another role"
            )
        return NewPassword(name, None if password else given)

    async def list(self) -> Sequence[Operator]:
        """Everybody, by name."""
        return await self.operators.operators()

    async def set_rights(self, name: str, role: Role, labels: tuple[Label, ...] | None) -> OperatorRefused | None:
        """Another role and other limits (None: as they were), from the next request on; None when that was done.

        Armed windows that go beyond them close.
        """
        operator = await self.operators.find_operator(name)
        if operator is None:
            return _nobody(name)
        if operator.kind is Kind.OIDC:
            return OperatorRefused(f"the provider's groups say what {name} may: change them, or [[oidc.roles]]")
        limits = operator.labels if labels is None else labels
        if not await self.operators.set_rights(name, role, limits):
            return _nobody(name)
        await self.windows.beyond(name, role, limits)
        return None

    async def disable(self, name: str) -> OperatorRefused | None:
        """Shut somebody out at once, with their sessions and armed windows; None when that was done.

        Their votes stop counting by themselves (workflows/decide/grant_cards.py).
        """
        if not await self.operators.set_disabled(name, self.clock.now()):
            return _nobody(name)
        await self.windows.of_operator(name)
        return None

    async def enable(self, name: str) -> OperatorRefused | None:
        """Let somebody in again; None when that was done."""
        return None if await self.operators.set_disabled(name, None) else _nobody(name)

    async def reset(self, name: str, password: Secret | None) -> NewPassword | OperatorRefused:
        """A new password, for who lost theirs: their passkeys are forgotten, their sessions and own tokens end."""
        operator = await self.operators.find_operator(name)
        if operator is None:
            return _nobody(name)
        if operator.kind is Kind.OIDC:
            return OperatorRefused(f"{name} signs in at a provider and has no password here")
        if problem := password_problem(password, operator.kind):
            return OperatorRefused(problem)
        given = password or generated_password(self.entropy)
        await self.passkeys.remove_passkeys(name)
        for token in await self.tokens.of(name):
            await self.tokens.revoke(token.name)
        if not await self.operators.set_password(name, await self.hasher.hash(given)):
            return _nobody(name)
        return NewPassword(name, None if password else given)


def generated_password(entropy: Entropy) -> Secret:
    """Four groups of five letters and digits that are not mistaken for each other: 99 bits, typed on a phone."""
    most = 256 - 256 % len(_LETTERS)
    picked: list[str] = []
    while len(picked) < _GROUPS * _GROUP:
        picked += [_LETTERS[byte % len(_LETTERS)] for byte in entropy.random_bytes(32) if byte < most]
    text = "".join(picked)
    return Secret("-".join(text[start : start + _GROUP] for start in range(0, _GROUPS * _GROUP, _GROUP)))


def password_problem(password: Secret | None, kind: Kind = Kind.LOCAL) -> str:
    """Why this password cannot be an operator's, and what to do; empty when it can."""
    if password is None:
        return ""
    if kind is Kind.BREAK_GLASS:
        return "the password of a break-glass operator is made up here, so that it is long: give none"
    if not SHORTEST_PASSWORD <= len(password.reveal()) <= LONGEST_PASSWORD:
        return f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters: take some words in a row"
    return ""


def _nobody(name: str) -> OperatorRefused:
    return OperatorRefused(f"there is no operator {name!r}: `bootgrant operators list` shows who there is")
