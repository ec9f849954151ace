"""What http_protocol and run use of uvicorn beyond its public interface, name by name.

The range in pyproject.toml allows one minor version. Before you raise it, read http_protocol.py and run.py against the
new version, and update this list: a name that has gone or changed fails here, not in production.
"""

from __future__ import annotations

import ast
import inspect
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http import httptools_impl
from uvicorn.server import ServerState

from bootgrant.service.parts import http_protocol
from bootgrant.service.server import run

ROOT = Path(__file__).resolve().parents[3]
PROTOCOL = httptools_impl.HttpToolsProtocol
CYCLE = httptools_impl.RequestResponseCycle
ADVICE = (
    "read service/parts/http_protocol.py and service/server/run.py before you raise uvicorn's range in pyproject.toml"
)

CALLED = {
    # Methods that we override, call, or that the parser calls, with their parameters.
    (PROTOCOL, "connection_made"): ["self", "transport"],
    (PROTOCOL, "connection_lost"): ["self", "exc"],
    (PROTOCOL, "data_received"): ["self", "data"],
    (PROTOCOL, "pause_writing"): ["self"],
    (PROTOCOL, "resume_writing"): ["self"],
    (PROTOCOL, "shutdown"): ["self"],
    (PROTOCOL, "on_message_begin"): ["self"],
    (PROTOCOL, "on_url"): ["self", "url"],
    (PROTOCOL, "on_header"): ["self", "name", "value"],
    (PROTOCOL, "on_headers_complete"): ["self"],
    (PROTOCOL, "on_body"): ["self", "body"],
    (PROTOCOL, "on_message_complete"): ["self"],
    (PROTOCOL, "on_response_complete"): ["self"],
    (PROTOCOL, "_unset_keepalive_if_required"): ["self"],
    (uvicorn.Server, "startup"): ["self", "sockets"],
    (uvicorn.Server, "shutdown"): ["self", "sockets"],
    (uvicorn.Server, "serve"): ["self", "sockets"],
    (uvicorn.Server, "capture_signals"): ["self"],
}
ATTRIBUTES = {
    "client",
    "cycle",
    "expect_100_continue",
    "flow",
    "headers",
    "loop",
    "parser",
    "pipeline",
    "scope",
    "server_state",
    "tasks",
    "timeout_keep_alive",
    "timeout_keep_alive_task",
    "transport",
}
"""Set by HttpToolsProtocol's constructor. ``url`` is set by ``on_message_begin``."""


async def nothing(_scope: Any, _receive: Any, _send: Any) -> None: ...


@pytest.fixture
async def protocol() -> http_protocol.PatientProtocol:
    config = uvicorn.Config(nothing, lifespan="off", log_config=None)
    return http_protocol.PatientProtocol(config=config, server_state=ServerState(), app_state={})


def test_the_installed_uvicorn_is_in_the_range_that_this_list_was_written_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert "uvicorn >= 0.54, < 0.55" in project["optional-dependencies"]["server"]
    assert metadata.version("uvicorn").startswith("0.54."), ADVICE


@pytest.mark.parametrize(("owner", "name"), CALLED, ids=lambda each: getattr(each, "__name__", each))
def test_a_method_has_the_parameters_that_we_rely_on(owner: type, name: str) -> None:
    method = getattr(owner, name, None)
    assert method is not None, f"uvicorn has no {owner.__name__}.{name} any more: {ADVICE}"
    found = list(inspect.signature(method).parameters)
    assert found == CALLED[owner, name], f"{owner.__name__}.{name} takes {found}: {ADVICE}"


@pytest.mark.anyio
async def test_a_connection_has_the_attributes_that_we_rely_on(protocol: http_protocol.PatientProtocol) -> None:
    missing = {name for name in ATTRIBUTES if name not in vars(protocol)}
    assert not missing, f"HttpToolsProtocol no longer sets {missing}: {ADVICE}"


def test_requests_the_server_and_its_state_have_the_attributes_that_we_rely_on() -> None:
    used = {"response_complete", "keep_alive", "transport", "more_body", "disconnected", "message_event"}
    assert used <= assigned(CYCLE), ADVICE
    assert {"default_headers", "total_requests", "tasks", "connections"} <= vars(ServerState()).keys(), ADVICE
    assert {"servers", "should_exit", "config", "started", "server_state"} <= assigned(uvicorn.Server), ADVICE
    assert {"ssl", "loaded_app", "http_protocol_class"} <= assigned(uvicorn.Config), ADVICE
    assert httptools_impl.STATUS_LINE[200] == b"HTTP/1.1 200 OK\r\n", ADVICE


def test_the_list_names_everything_that_our_protocol_uses() -> None:
    ours = ast.parse(inspect.getsource(http_protocol.PatientProtocol)).body[0]
    assert isinstance(ours, ast.ClassDef)
    used = {
        node.attr
        for node in ast.walk(ours)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    }
    made = set(vars(http_protocol.PatientProtocol)) | {"_body", "_head", "_cycles"}
    listed = ATTRIBUTES | {name for owner, name in CALLED if owner is PROTOCOL} | {"url"}
    assert used - made <= listed, f"add these to the list: {used - made - listed}"


def test_the_list_names_everything_that_our_server_overrides() -> None:
    listed = {name for owner, name in CALLED if owner is uvicorn.Server}
    overridden = {name for name in vars(run._Server) if hasattr(uvicorn.Server, name) and not name.startswith("__")}
    assert overridden <= listed


def assigned(owner: type) -> set[str]:
    """The names that a class assigns on ``self``."""
    source = ast.parse(inspect.getsource(owner))
    return {
        node.attr
        for node in ast.walk(source)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name)
    }
