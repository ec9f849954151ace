"""Push messages to phones, built from a site's settings."""

from __future__ import annotations

from typing import Final

from bootgrant.credentials.sealing import SUBSCRIPTION, SecretSealing
from bootgrant.messengers.vapid import PushKey
from bootgrant.messengers.web_push import WebPush, look_up
from bootgrant.ports.chores import Chore, every
from bootgrant.ports.time import Clock, Entropy
from bootgrant.service.parts.decisions import Decisions
from bootgrant.service.settings.site import Site
from bootgrant.store.database import Database
from bootgrant.wire.secret import Secret
from bootgrant.workflows.decide.push_waiting import PushWaiting
from bootgrant.workflows.people.push_devices import PushDevices
from bootgrant.workflows.record.notify_waiting import NoticeCounts
from bootgrant.workflows.record.sealed_subscriptions import SealedSubscriptions

_LOOK_EVERY: Final = 1.0


def push_devices(site: Site, database: Database, key: bytes, clock: Clock, entropy: Entropy) -> PushDevices | None:
    """Build what turns push on and off; None where it is off. ``key`` is the code key, which all servers share."""
    if not site.push.services:
        return None
    url = site.operators_url
    push_key = PushKey.from_secret(key, site.push.contact or (url if url.startswith("https:") else ""))
    service = WebPush(push_key, site.push.services, site.push.allow_private, clock.now, entropy.random_bytes, look_up)
    sealed = SealedSubscriptions(SecretSealing(SUBSCRIPTION), Secret(key.hex()))
    return PushDevices(database.push_devices, service, sealed, clock, site.name, push_key.public)


def push_waiting(
    devices: PushDevices, database: Database, decisions: Decisions, entropy: Entropy, counts: NoticeCounts
) -> PushWaiting:
    """Build what sends push messages about waiting machines."""
    return PushWaiting(
        database.grants,
        decisions.decide.cards,
        database.operators,
        devices.store,
        database.outbox,
        devices.service,
        devices.sealed,
        devices.clock,
        entropy,
        devices.site_name,
        counts,
    )


def push_chores(push: PushWaiting | None) -> list[Chore]:
    return [Chore("push messages", push.step, every(_LOOK_EVERY))] if push else []
