"""The configuration that a machine would get: without secrets, or with them for admins."""

from __future__ import annotations

import logging

from bootgrant.approval.operators import Refused
from bootgrant.operator_plane.api.call import Call, Reply, refused
from bootgrant.operator_plane.api.requests import NO_REQUEST
from bootgrant.ports.configurations import ConfigUnavailable
from bootgrant.workflows.decide.reveal import may_reveal

log = logging.getLogger("bootgrant.operators")


async def configuration(call: Call) -> Reply:
    """Show the configuration that the machine would get, with secrets removed."""
    card = await call.plane.decide.cards.show(call.path["id"])
    if card is None:
        return NO_REQUEST
    if card.entry is None:
        return refused(409, "no_entry", card.problem)
    try:
        text = await call.plane.source.preview(card.entry.name, card.grant.identity)
    except ConfigUnavailable as error:
        return refused(409, "no_config", str(error))
    if text is None:
        return refused(409, "no_entry", f"the entry {card.entry.name} is no longer in the configurations")
    return Reply({"entry": card.entry.name, "text": text})


async def reveal(call: Call) -> Reply:
    """Show the configuration that the machine would get, with its secrets. The audit records each call."""
    card = await call.plane.decide.cards.show(call.path["id"])
    if card is None:
        return NO_REQUEST
    outcome = await call.plane.reveal(card, call.actor)
    if isinstance(outcome, Refused):
        status, error = (409, "no_config") if may_reveal(card, call.actor) else (403, "not_allowed")
        return refused(status, error, outcome.message)
    log.info("%s looked at the secrets of the request %s", call.actor, card.grant.grant_id)
    return Reply({"entry": outcome.entry, "text": outcome.text})
