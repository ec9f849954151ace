"""An admin looks at the configuration of a machine with its secrets. Each look is in the audit, the values nowhere."""

from __future__ import annotations

from dataclasses import dataclass

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.operators import Actor, Refused, Right
from bootgrant.ports.audit import AuditLog
from bootgrant.ports.configurations import ConfigSource, ConfigUnavailable
from bootgrant.ports.time import Clock
from bootgrant.workflows.decide.grant_cards import GrantCard


@dataclass(frozen=True, slots=True, repr=False)
class Revealed:
    """A configuration with its secrets: only for the answer to the admin who asked."""

    entry: str
    text: str


def may_reveal(card: GrantCard, actor: Actor) -> bool:
    """Return whether a person may see the secrets: an admin who may decide about the machine."""
    return actor.may(Right.ADMINISTER) and actor.may_decide_about(card.labels)


@dataclass(frozen=True, slots=True)
class RevealConfiguration:
    """Shows what a machine would get, to admins who may decide about it."""

    source: ConfigSource
    audit: AuditLog
    clock: Clock

    async def __call__(self, card: GrantCard, actor: Actor) -> Revealed | Refused:
        """Return the configuration once the audit has the record. Raises StoreUnavailable."""
        if not may_reveal(card, actor):
            return Refused("only an admin who may decide about this machine can see the secrets of its configuration")
        if card.entry is None:
            return Refused(card.problem)
        try:
            text = await self.source.preview(card.entry.name, card.grant.identity, reveal=True)
        except ConfigUnavailable as error:
            return Refused(str(error))
        if text is None:
            return Refused(f"the entry {card.entry.name} is no longer in the configurations")
        event = AuditEvent(
            at=self.clock.now(),
            kind=AuditKind.PREVIEW_REVEALED,
            actor=str(actor),
            via=actor.via,
            grant_id=card.grant.grant_id,
            identity=card.grant.identity,
            entry=card.entry.name,
            revision=card.entry.revision,
        )
        await self.audit.append([event])
        return Revealed(card.entry.name, text)
