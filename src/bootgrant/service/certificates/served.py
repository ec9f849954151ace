"""The certificate that a server serves with, from where its settings say, and what keeps it up to date."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, assert_never

from bootgrant.ports.chores import Chore, StepFailed, every
from bootgrant.ports.time import Clock
from bootgrant.service.certificates.acme import AcmeCertificate
from bootgrant.service.certificates.challenges import ChallengeAnswers
from bootgrant.service.certificates.own import OwnCertificate
from bootgrant.service.certificates.private_files import opening_key
from bootgrant.service.settings.setting import SettingsError
from bootgrant.service.settings.site import Site
from bootgrant.service.settings.tls import TlsFiles, TlsMode

_LOOK_EVERY: Final = 5.0
_ACME_EVERY: Final = 60.0


class ServedCertificate:
    """``files`` are the certificate and its key, and ``chores`` renew them; there are none without a need.

    ``answers`` is for an ACME authority that checks. Raises SettingsError if the server cannot serve.
    """

    def __init__(self, site: Site, clock: Clock) -> None:
        self.files: TlsFiles | None = None
        self.answers = ChallengeAnswers()
        self.chores: Sequence[Chore] = ()
        match site.tls.mode:
            case TlsMode.FILES:
                self.files = site.tls.files
            case TlsMode.OWN:
                self._use_own(OwnCertificate(site, opening_key(site)), clock)
            case TlsMode.ACME:
                self._use_acme(AcmeCertificate(site, opening_key(site), self.answers), clock)
            case _:
                assert_never(site.tls.mode)

    def _use_own(self, own: OwnCertificate, clock: Clock) -> None:
        async def step() -> None:
            try:
                await asyncio.to_thread(own.keep, clock.now())
            except SettingsError as error:
                raise StepFailed(str(error)) from error

        own.keep(clock.now())
        self.files = own.files
        self.chores = [Chore("renewal of the certificate", step, every(_LOOK_EVERY))]

    def _use_acme(self, acme: AcmeCertificate, clock: Clock) -> None:
        acme.prepare(clock.now())
        self.files = acme.files
        self.chores = [Chore("certificate by ACME", lambda: acme.step(clock.now()), every(_ACME_EVERY))]
