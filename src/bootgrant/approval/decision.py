"""A person's decision about a request, and what an approval is for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from bootgrant.approval.operators import Author


@dataclass(frozen=True, slots=True)
class Decision:
    """An approval, a vote or a denial: by whom, when (Unix seconds), and the reason given for a denial.

    ``request`` is the id of the earlier request that a vote was given to; empty for a vote given to this one.
    """

    author: Author
    at: float
    reason: str = ""
    request: str = ""

    @property
    def by(self) -> str:
        """The author as people read it: "root (admin.sock)", "rule spare"."""
        return str(self.author)


class WhyVoid(StrEnum):
    """Why a vote for an earlier request of a machine does not count for this one."""

    CLIENT = "client"
    IDENTITY = "identity"
    ADDRESS = "address"
    ENTRY = "entry"
    APPROVER = "approver"
    AGE = "age"


class VoidVote(NamedTuple):
    """A vote that does not count, and why."""

    vote: Decision
    why: WhyVoid


class Terms(NamedTuple):
    """What an approval is for: the number of people it needs, and the entry and configuration as they are now.

    ``fingerprint`` and ``revision`` are those of the entry (ports/configurations.py), ``sha256`` that of the
    configuration.
    """

    needed: int = 1
    fingerprint: str = ""
    sha256: str = ""
    revision: str = ""


ONE_PERSON: Final = Terms()
