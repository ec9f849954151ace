"""A route of the API: what is served, with which permission, and the OpenAPI document are made from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from bootgrant.operator_plane.api.call import AccountsPlane, CallOf, Told
from bootgrant.operator_plane.api.shapes import Schema
from bootgrant.operator_plane.permissions import Permission

P_contra = TypeVar("P_contra", bound=AccountsPlane, contravariant=True)


@dataclass(frozen=True, slots=True)
class ApiRoute(Generic[P_contra]):
    """``query`` are the parameters with their shapes; an array's parameter may be repeated. ``body`` is None for no
    body. ``told`` is the shape of an answer with ``status``; ``refusals`` are statuses with an Error beside those that
    every route may answer."""

    method: str
    path: str
    permission: Permission
    handler: Callable[[CallOf[P_contra]], Awaitable[Told]]
    told: Schema
    query: Mapping[str, Schema] = field(default_factory=dict)
    body: Schema | None = None
    status: int = 200
    refusals: tuple[int, ...] = ()

    @property
    def operation(self) -> str:
        """``approve``, ``add_operator``: the name of the function that answers."""
        name: str = self.handler.__name__
        return name

    @property
    def summary(self) -> str:
        """One line of what it does."""
        return (self.handler.__doc__ or "").partition("\n")[0].rstrip(".")
