"""`bootgrant acquire` as a process: its messages, where it writes the configuration, how it ends."""

from __future__ import annotations

import json
import re
import signal
import stat
import threading
import time
from pathlib import Path

import pytest

from support.answering_server import RESET, AnsweringServer, Asked, http, reply
from support.booting_machine import (
    CONFIG,
    Machine,
    SmallProvider,
    boot,
    booting_machine,
    parameters,
    run_machine,
    server_for,
)
from support.grants import UUID


def approved_provider() -> SmallProvider:
    provider = SmallProvider()
    provider.approved.set()
    return provider


def test_the_messages_are_those_of_the_document_line_for_line(tmp_path: Path) -> None:
    output = tmp_path / "config.yaml"
    with server_for(approved_provider()) as server:
        machine = run_machine(*boot(server.url, "--output", str(output)))
    controller = '"component": "controller-runtime", "controller": "config.AcquireController"'
    lines = [re.sub(r"expires at \d\d:\d\d:\d\d", "expires at HH:MM:SS", line) for line in machine.lines]
    assert lines == [
        f'[talos] downloading config {{{controller}, "platform": "metal"}}',
        "[talos] waiting for network to be ready",
        "[talos] [OAuth] starting the authentication device flow with the following settings:",
        '[talos] [OAuth]  - client ID: "talos"',
        f'[talos] [OAuth]  - device auth URL: "{server.url}/device/code?uuid=${{uuid}}"',
        f'[talos] [OAuth]  - token URL: "{server.url}/token?uuid=${{uuid}}"',
        '[talos] [OAuth]  - extra variables: ["uuid"]',
        "[talos] waiting for variables: [uuid]",
        "[talos] [OAuth] please visit the URL https://idp.example/device and enter the code WDJB-MJHT",
        "[talos] [OAuth] waiting for the device to be authorized (expires at HH:MM:SS)...",
        "[talos] [OAuth] device authorized",
        f'[talos] fetching machine config from: "{server.url}/config?uuid={UUID}"',
        f'[talos] machine config loaded successfully {{{controller}, "sources": ["metal"]}}',
        f"[talos] delivered to {output}",
    ]
    assert output.read_bytes() == CONFIG
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert machine.stdout == b""


def test_without_an_output_the_configuration_goes_to_standard_output() -> None:
    with server_for(approved_provider()) as server:
        machine = run_machine(*boot(server.url))
    assert (machine.process.returncode, machine.stdout) == (0, CONFIG)


def test_a_machine_that_has_its_configuration_sends_no_request(tmp_path: Path) -> None:
    output = tmp_path / "config.yaml"
    output.write_bytes(b"mine")
    with server_for(approved_provider()) as server:
        machine = run_machine(*boot(server.url, "--output", str(output)))
        assert server.asked == []
        assert machine.process.returncode == 0
        assert "already" in machine.last_line
        assert output.read_bytes() == b"mine"
        assert run_machine(*boot(server.url, "--output", str(output), "--force")).process.returncode == 0
    assert output.read_bytes() == CONFIG


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("hold", [0.0, 30.0])
def test_a_signal_ends_the_program_with_one_line(
    number: signal.Signals, status: int, hold: float, tmp_path: Path
) -> None:
    output = tmp_path / "config.yaml"
    provider = SmallProvider(hold=hold)
    with (
        server_for(provider) as server,
        booting_machine(*boot(server.url, "--output", str(output))) as machine,
    ):
        server.came(2)
        machine.process.send_signal(number)
        started = time.monotonic()
        assert machine.ended() == status
        assert time.monotonic() - started < 5.0
        provider.approved.set()
    assert number.name in machine.last_line
    assert sum("Traceback" in line for line in machine.lines) == 0
    assert list(tmp_path.iterdir()) == []


def test_the_code_stays_on_the_screen_while_the_provider_restarts() -> None:
    gone = threading.Event()

    def held_until_gone(_: Asked) -> bytes:
        gone.wait(30.0)
        return RESET

    provider = SmallProvider(token=held_until_gone)
    with server_for(provider) as first, booting_machine(*boot(first.url)) as machine:
        first.came(2)
        first.stop()
        gone.set()
        machine.seen("connection broke")
        machine.seen("connection refused")
        provider.token = lambda _: reply(200, {"access_token": "t"})
        with server_for(provider, first.port) as second:
            assert machine.ended() == 0
    assert provider.codes == 1
    assert [asked.form["device_code"] for asked in second.asked if asked.form] == ["device-1"]
    assert machine.stdout == CONFIG


def test_an_approval_answers_a_held_request_at_once() -> None:
    provider = SmallProvider(hold=30.0)
    with server_for(provider) as server, booting_machine(*boot(server.url)) as machine:
        server.came(2)
        approved = time.monotonic()
        provider.approved.set()
        server.came(3)
        assert time.monotonic() - approved < 0.5
        assert machine.ended() == 0
    assert [asked.target.partition("?")[0] for asked in server.asked] == ["/device/code", "/token", "/config"]


def test_a_refused_token_needs_a_new_approval_up_to_three_times() -> None:
    provider = approved_provider()
    provider.config = lambda _: http(401) if provider.codes == 1 else http(200, CONFIG)
    with server_for(provider) as server:
        machine = run_machine(*boot(server.url))
    assert (machine.process.returncode, provider.codes) == (0, 2)
    machine.seen("asking for a new authorization")

    provider = approved_provider()
    provider.config = lambda _: http(401)
    with server_for(provider) as server:
        machine = run_machine(*boot(server.url))
    assert (machine.process.returncode, provider.codes) == (11, 3)


def test_a_denial_leads_to_a_pause_and_a_new_code_or_to_the_end() -> None:
    def deny_once(_: Asked) -> bytes:
        if provider.codes == 1:
            return reply(400, {"error": "access_denied", "error_description": "wrong rack"})
        return reply(200, {"access_token": "t"})

    provider = SmallProvider(token=deny_once)
    with server_for(provider) as server:
        machine = run_machine(*boot(server.url, "--retry-pause", "200ms"))
        assert machine.process.returncode == 0
        assert "ask the people who approve machines at https://idp.example/device" in machine.seen("wrong rack")
        provider.codes = 0
        machine = run_machine(*boot(server.url, "--on-denial", "exit"))
    assert machine.process.returncode == 8
    assert "wrong rack" in machine.last_line


def _ended(machine: Machine, status: int, *, because: str) -> None:
    """The last line names the failure, and nothing was written."""
    assert machine.process.returncode == status, machine.lines
    assert because in machine.last_line, machine.lines
    assert machine.stdout == b""
    assert not any("Traceback" in line for line in machine.lines)


def test_each_kind_of_failure_has_its_exit_status() -> None:
    with AnsweringServer(lambda _: b"") as gone:
        nowhere = gone.url
    quick = ("--timeout", "1s")
    _ended(run_machine("--cmdline", "quiet"), 3, because="talos.config")
    _ended(run_machine("--cmdline", "talos.config=none"), 3, because="none")
    _ended(run_machine("--cmdline", "talos.config=tftp://x/y"), 4, because="tftp")
    _ended(run_machine("--cmdline-file", "/no/such/file"), 4, because="/no/such/file")
    _ended(run_machine(*boot(nowhere, "--set", "colour=red")), 4, because="colour")
    extra = parameters(nowhere, "talos.config.oauth.extra_variable=UUID")
    _ended(run_machine("--cmdline", extra), 4, because='unsupported variable name: "UUID"')
    _ended(run_machine(*boot(nowhere, *quick)), 6, because="cannot reach")
    _ended(run_machine(*boot(nowhere, "--output", "/etc/hostname/x")), 13, because="/etc/hostname")
    assert run_machine("--nonsense").process.returncode == 2


def test_a_machine_without_the_variable_ends_before_any_request(tmp_path: Path) -> None:
    with server_for(approved_provider()) as server:
        words = ("--cmdline", parameters(server.url), "--root", str(tmp_path), "--attempt-timeout", "400ms")
        _ended(run_machine(*words), 5, because="no uuid")
    assert server.asked == []


@pytest.mark.parametrize("more", ["talos.config.oauth.token_url=idp/token", "talos.config.oauth.device_auth_url="])
def test_an_unusable_url_ends_before_any_request(more: str) -> None:
    with server_for(approved_provider()) as server:
        machine = run_machine("--cmdline", parameters(server.url, more), "--set", f"uuid={UUID}")
        _ended(machine, 4, because=more.partition("=")[0])
        machine = run_machine("--cmdline", parameters(f"{server.url}@${{hostname}}", more), "--set", f"uuid={UUID}")
        assert machine.process.returncode == 4
    assert server.asked == []


def test_a_flow_that_nobody_approves_ends_in_time() -> None:
    with server_for(SmallProvider(hold=30.0)) as server:
        started = time.monotonic()
        _ended(run_machine(*boot(server.url, "--timeout", "2s")), 9, because="nobody approved")
        assert time.monotonic() - started < 6.0


def test_a_provider_that_refuses_the_client_is_quoted() -> None:
    refusal = reply(401, {"error": "invalid_client", "error_description": "who are you"})
    with AnsweringServer(lambda _: refusal) as server:
        _ended(run_machine(*boot(server.url)), 10, because="invalid_client: who are you")


@pytest.mark.parametrize(
    ("answer", "words", "status", "because"),
    [
        (http(410), (), 11, "status 410"),
        (http(404, b"nothing for you"), ("--timeout", "3s"), 11, "nothing for you"),
        (http(302, Location="/config"), (), 11, "redirects more than"),
        (http(200, b"x" * 2000), ("--max-size", "1000"), 11, "larger than 1000 bytes"),
        (http(200, b"<html>login</html>"), ("--expect", "talos"), 12, "not a Talos machine configuration"),
    ],
)
def test_a_download_that_fails_is_explained(answer: bytes, words: tuple[str, ...], status: int, because: str) -> None:
    provider = approved_provider()
    provider.config = lambda _: answer
    with server_for(provider) as server:
        _ended(run_machine(*boot(server.url, *words)), status, because=because)


def test_a_providers_text_cannot_move_the_cursor() -> None:
    provider = approved_provider()
    provider.user_code = "A\x1b[2J\r\nB\u202e"
    with server_for(provider) as server:
        machine = run_machine(*boot(server.url))
    line = machine.seen("enter the code")
    assert line.endswith("enter the code A\\x1b[2J\\r\\nB\\u202e")


def test_no_secret_is_ever_printed() -> None:
    secret = parameters("http://user:pa55word@{host}", "talos.config.oauth.client_secret=cl13nt")
    for answer in (http(200, CONFIG), http(410, b"no")):
        provider = approved_provider()
        provider.config = lambda _, answer=answer: answer
        with server_for(provider) as server:
            cmdline = secret.replace("{host}", server.url.removeprefix("http://")) + " x=${code}"
            words = ("--cmdline", cmdline, "--set", f"uuid={UUID}", "--log", "json")
            machine = run_machine(*words)
        output = "\n".join(machine.lines)
        for hidden in ("pa55word", "cl13nt", "s3cret-token", "device-1"):
            assert hidden not in output


def test_the_chosen_token_is_sent() -> None:
    both = {"access_token": "access", "id_token": "identity", "token_type": "bearer"}
    provider = SmallProvider(token=lambda _: reply(200, both))
    with server_for(provider) as server:
        run_machine(*boot(server.url, "--token", "id"))
        run_machine(*boot(server.url))
    shown = [asked.headers["authorization"] for asked in server.asked if asked.method == "GET"]
    assert shown == ["Bearer identity", "Bearer access"]
    with server_for(approved_provider()) as server:
        _ended(run_machine(*boot(server.url, "--token", "id")), 10, because="no id_token")


def test_the_endpoints_are_found_from_the_issuer() -> None:
    provider = approved_provider()

    def answer(asked: Asked) -> bytes:
        if "well-known" in asked.target:
            endpoints = {
                "device_authorization_endpoint": f"{server.url}/device/code?here",
                "token_endpoint": f"{server.url}/token?here",
            }
            return reply(200, {"issuer": server.url, "code_challenge_methods_supported": ["S256"], **endpoints})
        return provider(asked)

    with AnsweringServer(answer) as server:
        machine = run_machine(*boot(server.url, "--issuer", server.url))
    assert machine.process.returncode == 0
    assert [asked.target for asked in server.asked[1:3]] == ["/device/code?here", "/token?here"]
    assert "code_challenge" in server.asked[1].form
    assert "code_verifier" in server.asked[2].form


def test_a_provider_that_needs_basic_keeps_getting_basic() -> None:
    provider = approved_provider()

    def answer(asked: Asked) -> bytes:
        if asked.method == "POST" and "authorization" not in asked.headers:
            return reply(401, {"error": "invalid_client"})
        return provider(asked)

    with AnsweringServer(answer) as server:
        words = ("--cmdline", parameters(server.url, "talos.config.oauth.client_secret=s"), "--set", f"uuid={UUID}")
        assert run_machine(*words).process.returncode == 0
    posts = ["authorization" in asked.headers for asked in server.asked if asked.method == "POST"]
    assert posts == [False, True, True]


def test_the_log_can_be_one_json_object_per_line() -> None:
    with server_for(approved_provider()) as server:
        machine = run_machine(*boot(server.url, "--log", "json"))
    entries = [json.loads(line) for line in machine.lines]
    assert any("WDJB-MJHT" in json.dumps(entry) for entry in entries)


def test_explain_sends_nothing_and_shows_no_secret() -> None:
    with server_for(approved_provider()) as server:
        cmdline = parameters(server.url, "talos.config.oauth.client_secret=cl13nt")
        machine = run_machine("--cmdline", cmdline, "--set", f"uuid={UUID}", "--explain", "--json")
        assert server.asked == []
    found = json.loads(machine.stdout)
    assert list(found)[:6] == ["config_url", "oauth", "variables", "url", "findings", "parameters"]
    assert found["oauth"]["client_secret_set"] is True
    assert found["url"] == f"{server.url}/config?uuid={UUID}"
    assert b"cl13nt" not in machine.stdout


def test_a_command_can_take_the_configuration(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    with server_for(approved_provider()) as server:
        machine = run_machine(*boot(server.url, "--exec", f"cat > {taken}"))
        assert machine.process.returncode == 0
        _ended(run_machine(*boot(server.url, "--exec", "exit 3")), 13, because="3")
    assert taken.read_bytes() == CONFIG


def test_a_seed_for_cloud_init_has_the_uuid_of_the_machine(tmp_path: Path) -> None:
    provider = approved_provider()
    provider.config = lambda _: http(200, b"#cloud-config\n{}\n")
    with server_for(provider) as server:
        words = ("--nocloud", str(tmp_path / "seed"), "--expect", "cloud-config")
        assert run_machine(*boot(server.url, *words)).process.returncode == 0
    assert (tmp_path / "seed/user-data").read_bytes() == b"#cloud-config\n{}\n"
    assert UUID in (tmp_path / "seed/meta-data").read_text()


def test_a_seed_that_cloud_init_would_ignore_is_not_written(tmp_path: Path) -> None:
    provider = approved_provider()
    provider.config = lambda _: http(200, b"<!DOCTYPE html><html>login</html>")
    with server_for(provider) as server:
        machine = run_machine(*boot(server.url, "--nocloud", str(tmp_path / "seed")))
    _ended(machine, 12, because="web page")
    assert not (tmp_path / "seed/user-data").exists()


def test_a_configuration_on_the_machine_itself_needs_no_network(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(CONFIG)
    machine = run_machine("--cmdline", f"talos.config=file://{tmp_path}/config.yaml", "--expect", "talos")
    assert (machine.process.returncode, machine.stdout) == (0, CONFIG)
