"""What the forms of the Access pages share: typed text that survives a sign-in, and conditions in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from bootgrant.approval.operators import Label, Refused, Role, parse_labels
from bootgrant.approval.policy import Network
from bootgrant.operator_plane.visit import Visit

_LENGTH: Final = 4200


def typed(visit: Visit, name: str, usual: str = "") -> str:
    """Return what the person typed, also before they had to sign in again, or the ``usual`` value."""
    if visit.request.method == "POST":
        return visit.form.get(name, "")[:_LENGTH]
    return visit.request.query_params.get(name, usual)[:_LENGTH]


def is_blank(visit: Visit) -> bool:
    """Return whether the form is shown for the first time, with its usual values."""
    return visit.request.method != "POST" and not visit.request.query_params


def read_labels(visit: Visit) -> tuple[Label, ...]:
    """Return the labels of the form. Raises BadLabel."""
    return parse_labels(visit.form.get("labels", "").replace(",", " ").split())


def read_role(visit: Visit, problem: str) -> Role | Refused:
    """Return the role of the form, or ``problem`` if none was chosen."""
    try:
        return Role(visit.form.get("role", ""))
    except ValueError:
        return Refused(problem)


def named_networks(networks: Sequence[Network], names: Mapping[str, Sequence[Network]]) -> str:
    """Return networks in words, each with the site's name for it: "fra-rack4 (10.20.0.0/24)"."""
    return ", ".join(_named(network, names) for network in networks)


def _named(network: Network, names: Mapping[str, Sequence[Network]]) -> str:
    name = next((name for name, found in names.items() if network in found), "")
    return f"{name} ({network})" if name else str(network)
