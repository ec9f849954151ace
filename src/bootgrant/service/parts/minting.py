"""Values that are made for one delivery, built from a site's settings."""

from __future__ import annotations

from typing import Final, NamedTuple

from bootgrant.credentials.sealing import MINTED, SecretSealing
from bootgrant.ports.chores import Chore, every
from bootgrant.ports.time import Clock, Entropy
from bootgrant.service.settings.site import Site
from bootgrant.sources.minting import SiteMintPrograms
from bootgrant.store.database import Database
from bootgrant.workflows.machine.mint import MintValues, TakeBack

_LOOK_EVERY: Final = 5.0


class Minting(NamedTuple):
    """What makes values at delivery, and the chore that takes back those that no machine got."""

    values: MintValues
    chore: Chore


def build_minting(site: Site, database: Database, clock: Clock, entropy: Entropy) -> Minting:
    """Build both."""
    secrets = site.machine_settings.secrets
    programs, limit = SiteMintPrograms(secrets.exec_programs, secrets.exec_time_limit), secrets.exec_time_limit
    values = MintValues(database.minted, programs, SecretSealing(MINTED), clock, entropy, limit)
    take_back = TakeBack(database.minted, programs, clock, site.grants, limit)
    return Minting(values, Chore("taking back of values", take_back.step, every(_LOOK_EVERY)))
