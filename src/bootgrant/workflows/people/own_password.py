"""A person takes another password for themselves."""

from __future__ import annotations

from dataclasses import dataclass

from bootgrant.approval.operators import Kind
from bootgrant.ports.people import Stage
from bootgrant.wire.secret import Secret
from bootgrant.workflows.people.manage_operators import password_problem
from bootgrant.workflows.people.sessions import Client, SignedIn
from bootgrant.workflows.people.sign_in import Begun, SignIn, SignInRefused


@dataclass(frozen=True, slots=True)
class PasswordRefused:
    """Why the password stays as it is; ``message`` says what to do."""

    message: str


@dataclass(frozen=True, slots=True)
class OwnPassword:
    sign_in: SignIn

    async def change(
        self, who: SignedIn, old: Secret, new: Secret, client: Client
    ) -> Begun | SignInRefused | PasswordRefused:
        """Take ``new`` when ``old`` is right; all sessions of this person end, and a new one begins here.

        Looking at ``old`` counts as an attempt to sign in, and makes no session fresher: a passkey may belong to that.
        Raises StoreUnavailable.
        """
        operator = who.operator
        if operator.kind is not Kind.LOCAL:
            return PasswordRefused("your password is not kept here, or is kept in a safe: an admin changes it")
        if problem := password_problem(new):
            return PasswordRefused(problem)
        looked = await self.sign_in.look(operator.name, old, client)
        if isinstance(looked, SignInRefused):
            return looked
        sessions, via = self.sign_in.sessions, who.session.via
        await self.sign_in.operators.set_password(operator.name, await self.sign_in.hasher.hash(new))
        session = await sessions.begin(operator, via, client, proven_at=who.session.authenticated_at)
        return Begun(session, Stage.FULL, operator, via)
