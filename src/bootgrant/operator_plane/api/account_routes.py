"""The routes of operators and API tokens. The commands of this computer use them also while no server runs."""

from __future__ import annotations

from typing import Final

from bootgrant.operator_plane.api import accounts
from bootgrant.operator_plane.api.call import AccountsPlane
from bootgrant.operator_plane.api.route import ApiRoute
from bootgrant.operator_plane.api.shapes import (
    FLAG,
    LABELS,
    NAME,
    ROLE,
    TEXT,
    Schema,
    asked,
    listed,
    named,
    nullable,
    ref,
)
from bootgrant.operator_plane.permissions import Permission

_ADMIN: Final = Permission.ADMIN_OF_ALL
_CHOSEN: Final[Schema] = {
    **TEXT,
    "writeOnly": True,
    "description": "On admin.sock alone: the password. Without it one is made up.",
}
_NAMED: Final = named(name=TEXT)
_PASSWORD: Final = named(name=TEXT, password={**nullable(TEXT), "description": "Shown once; null when none was made."})
_RIGHTS: Final = {"role": ROLE, "labels": LABELS}
_LIFETIME: Final[Schema] = {
    "type": "number",
    "exclusiveMinimum": 0,
    "maximum": 366 * 86400,
    "description": "How many seconds it is good, at most 366 days.",
}

ACCOUNT_ROUTES: Final[tuple[ApiRoute[AccountsPlane], ...]] = (
    ApiRoute("GET", "/api/v1/operators", _ADMIN, accounts.operators, named(operators=listed(ref("Operator")))),
    ApiRoute(
        "POST",
        "/api/v1/operators",
        _ADMIN,
        accounts.add_operator,
        _PASSWORD,
        body=asked("name", "role", name=NAME, **_RIGHTS, break_glass=FLAG, password=_CHOSEN),
        status=201,
        refusals=(409,),
    ),
    ApiRoute(
        "PATCH",
        "/api/v1/operators/{name}",
        _ADMIN,
        accounts.change_operator,
        _NAMED,
        body=asked("role", **_RIGHTS),
        refusals=(409,),
    ),
    ApiRoute("POST", "/api/v1/operators/{name}/disable", _ADMIN, accounts.disable_operator, _NAMED, refusals=(409,)),
    ApiRoute("POST", "/api/v1/operators/{name}/enable", _ADMIN, accounts.enable_operator, _NAMED, refusals=(409,)),
    ApiRoute(
        "POST",
        "/api/v1/operators/{name}/reset",
        _ADMIN,
        accounts.reset_operator,
        _PASSWORD,
        body=asked(password=_CHOSEN),
        refusals=(409,),
    ),
    ApiRoute("GET", "/api/v1/tokens", _ADMIN, accounts.tokens, named(tokens=listed(ref("Token")))),
    ApiRoute(
        "POST",
        "/api/v1/tokens",
        _ADMIN,
        accounts.add_token,
        named(token={**TEXT, "description": "Shown once."}, about=ref("Token")),
        body=asked(
            "name",
            "role",
            "seconds",
            name=NAME,
            **_RIGHTS,
            seconds=_LIFETIME,
        ),
        status=201,
        refusals=(409,),
    ),
    ApiRoute("DELETE", "/api/v1/tokens/{name}", _ADMIN, accounts.revoke_token, _NAMED, refusals=(404,)),
)
