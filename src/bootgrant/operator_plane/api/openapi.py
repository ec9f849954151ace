"""The OpenAPI 3.1 document, generated from the routes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from bootgrant import __version__
from bootgrant.operator_plane.api.call import ApiRoute, Json
from bootgrant.operator_plane.api.shapes import COMPONENTS, Schema
from bootgrant.operator_plane.permissions import FOR_EVERY_MACHINE, named_roles

PATH: Final = "/api/v1/openapi.json"

_ABOUT: Final = (
    "Nearly everything that the pages do. Send an API token (`bootgrant tokens add`) as a Bearer token; on "
    "`data/admin.sock` no token is needed. Times are Unix seconds. Every error has a stable name and a message."
)
_MEANING: Final = {
    200: "Done.",
    201: "Created.",
    400: "The request does not match this document.",
    401: "The token is missing, unknown, revoked or expired.",
    403: "The token's role or labels do not allow it.",
    404: "Not found.",
    409: "Not possible now; see the message.",
    410: "Too late: the request has expired.",
    413: "The body is too large.",
    429: "Too many attempts; see the message for when to try again.",
    503: "The database or the configurations are unavailable; try again.",
}
_ALWAYS: Final = (400, 401, 403, 503)
_PLACE: Final = re.compile(r"\{(\w+)\}")


def document(routes: Iterable[ApiRoute[Any]], server: str) -> Json:
    """Return the document. ``server`` is scheme, host and port."""
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "bootgrant", "version": __version__, "description": _ABOUT},
        "servers": [{"url": server}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {"schemas": COMPONENTS, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _operation(route: ApiRoute[Any]) -> Json:
    places = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in _PLACE.findall(route.path)
    ]
    parameters = [{"name": name, "in": "query", **_parameter(schema)} for name, schema in route.query.items()]
    too_large = (413,) if route.body is not None else ()
    statuses = sorted({*_ALWAYS, *too_large, *route.refusals})
    operation: Json = {
        "operationId": route.operation,
        "summary": route.summary,
        "description": _who(route),
        "responses": {
            str(route.status): _answer(route.status, route.reply),
            **{str(status): _answer(status, {"$ref": "#/components/schemas/Error"}) for status in statuses},
        },
    }
    if places or parameters:
        operation["parameters"] = [*places, *parameters]
    if route.body is not None:
        required = route.body.get("required") != []
        operation["requestBody"] = {"required": required, "content": {"application/json": {"schema": route.body}}}
    return operation


def _who(route: ApiRoute[Any]) -> str:
    limits = ", without label limits" if route.permission in FOR_EVERY_MACHINE else ""
    return f"Role: {named_roles(route.permission)}{limits}."


def _parameter(schema: Schema) -> Json:
    about = {"description": schema["description"]} if "description" in schema else {}
    return {**about, "schema": {name: value for name, value in schema.items() if name != "description"}}


def _answer(status: int, schema: Schema) -> Json:
    return {"description": _MEANING[status], "content": {"application/json": {"schema": schema}}}
