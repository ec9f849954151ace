"""``bootgrant.acquire`` as a library: the whole run, and the conversation in any loop."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

import bootgrant.acquire as library
from bootgrant.acquire import (
    AcquireError,
    ClientAuth,
    CodesArrived,
    DeviceFlow,
    Expect,
    Finished,
    Options,
    PollToken,
    RequestCodes,
    Rules,
    ShowCode,
    Shown,
    TokenArrived,
    Wait,
    Waited,
    acquire,
)
from bootgrant.wire.device_flow import AccessToken, DeviceAuthorization
from bootgrant.wire.secret import Secret
from support.answering_server import http
from support.booting_machine import CONFIG, SmallProvider, parameters, server_for
from support.grants import UUID
from support.screen import Screen


def test_a_program_gets_the_configuration_with_one_call() -> None:
    provider, screen = SmallProvider(), Screen()
    provider.approved.set()
    with server_for(provider) as server:
        found = acquire(parameters(server.url), Options(given={"uuid": UUID}, expect=Expect.TALOS), screen)
        assert found.content == CONFIG
        assert found.source == f"{server.url}/config?uuid={UUID}"
    assert [prompt.user_code for prompt in screen.prompts] == ["WDJB-MJHT"]


def test_a_failure_is_an_exception_with_a_reason_and_a_next_step() -> None:
    provider = SmallProvider()
    provider.approved.set()
    provider.config = lambda _: http(410)
    with server_for(provider) as server, pytest.raises(AcquireError) as caught:
        acquire(parameters(server.url), Options(given={"uuid": UUID}), Screen())
    assert isinstance(caught.value, library.DownloadFailed)
    assert caught.value.status == library.ExitStatus.DOWNLOAD
    assert caught.value.what
    assert caught.value.next_step


def test_the_variable_code_is_not_in_the_source() -> None:
    with server_for(SmallProvider()) as server:
        cmdline = f"talos.config={server.url}/config?c=${{code}}"
        found = acquire(cmdline, Options(given={"code": "hush"}), Screen())
    assert server.asked[0].target == "/config?c=hush"
    assert "hush" not in found.source


def test_a_warning_names_a_source_that_is_not_used() -> None:
    screen = Screen()
    with server_for(SmallProvider()) as server:
        acquire(f"talos.config={server.url}/config talos.config.inline=x talos.config.early=y", None, screen)
    assert [line.partition(" ")[0] for line in screen.warnings] == ["talos.config.early", "talos.config.inline"]


def test_the_conversation_runs_in_any_loop() -> None:
    now, seen = 0.0, []
    flow = DeviceFlow.begin(Rules(auth=(ClientAuth.NONE,)), now)
    codes = DeviceAuthorization(Secret("DC"), "AB-CD", "https://idp/d", expires_in=600)
    while not isinstance(flow.action, Finished):
        match flow.action:
            case RequestCodes():
                flow = flow.after(CodesArrived(codes), now)
            case ShowCode(codes=shown):
                seen.append(shown.user_code)
                flow = flow.after(Shown(), now)
            case Wait(until=until):
                now = until
                flow = flow.after(Waited(), now)
            case PollToken():
                flow = flow.after(TokenArrived(AccessToken(Secret("t"))), now)
            case action:
                pytest.fail(f"unexpected {action}")
    assert (seen, now) == (["AB-CD"], 5.0)


def test_every_public_name_exists() -> None:
    for name in library.__all__:
        assert getattr(library, name) is not None
    with pytest.raises(AttributeError):
        library.__getattr__("nothing")


def test_a_type_checker_sees_the_same_names() -> None:
    stub = ast.parse(Path(library.__file__).with_suffix(".pyi").read_text("utf-8"))
    places = {name.name: node.module for node in stub.body if isinstance(node, ast.ImportFrom) for name in node.names}
    assert sorted(places) == sorted(library.__all__)
    assert all(getattr(import_module(str(module)), name) is getattr(library, name) for name, module in places.items())


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, bootgrant.acquire; print([m for m in ('ssl', 'h11', 'json', 'segno', 'yaml') if m in sys.modules])"
    )
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert time.monotonic() - started < 10.0
