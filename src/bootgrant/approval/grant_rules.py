"""The site's rules for requests and their tokens."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class AddressBinding(Enum):
    """What happens when a token comes from another address than the request (setting ``grants.bind_address``)."""

    FLAG = "flag"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class GrantRules:
    """The site's rules for a grant (``[grants]`` of ``bootgrant.toml``); durations are in seconds."""

    lifetime: float = 600.0
    lifetime_two_people: float = 1800.0
    interval: float = 1.0
    hold: float = 25.0
    token_lifetime: float = 4 * 3600.0
    delivery_grace: float = 15 * 60.0
    denial_cooldown: float = 10 * 60.0
    bind_address: AddressBinding = AddressBinding.FLAG

    def lifetime_for(self, people: int) -> float:
        """Return how long the code of a machine lives that so many people must approve: never shorter for two."""
        return self.lifetime if people < 2 else max(self.lifetime, self.lifetime_two_people)
