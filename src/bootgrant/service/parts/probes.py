"""Tries a site's outside services without a running server: identity providers, and targets of notifications."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bootgrant.ports.notifications import NotSent
from bootgrant.providers.examination.remark import Remark
from bootgrant.providers.examination.sign_in import SignInExamination
from bootgrant.providers.examination.tokens import TokenExamination
from bootgrant.service.settings.site import Site
from bootgrant.service.system import SystemClock, SystemEntropy
from bootgrant.workflows.record.notify_waiting import send_test


@dataclass(frozen=True, slots=True)
class ExaminedProvider:
    """One of ``[[oidc]]`` (``signs_in``) or of ``[[providers]]``, by its id or name."""

    name: str
    signs_in: bool
    remarks: Sequence[Remark]


async def examine_providers(site: Site) -> list[ExaminedProvider]:
    """Examine every identity provider of a site, as far as that goes without a person."""
    clock, entropy = SystemClock(), SystemEntropy()
    found = [
        ExaminedProvider(one.provider_id, True, await SignInExamination(one, site.operators_url, clock, entropy).run())
        for one in site.oidc
    ]
    return [
        *found,
        *[
            ExaminedProvider(one.name, False, await TokenExamination(one, clock, entropy).run())
            for one in site.providers
        ],
    ]


async def send_tests(site: Site, name: str | None) -> dict[str, str]:
    """Send a test message to the target of this name, or to all. Return by name why it failed; empty if it arrived."""
    outcomes: dict[str, str] = {}
    for target in site.notify:
        if name not in (None, target.name):
            continue
        message_id = f"msg_{SystemEntropy().random_bytes(12).hex()}"
        try:
            await send_test(target, site.operators_url, SystemClock().now(), message_id)
            outcomes[target.name] = ""
        except NotSent as error:
            outcomes[target.name] = str(error)
    return outcomes
