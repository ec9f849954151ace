"""`bootgrant doctor` as a command: text, JSON, exit statuses, and the real server."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from bootgrant.cli import main
from bootgrant.service.commands.init_site import init_site
from support.answering_server import AnsweringServer, Asked, http
from support.examined import HealthyServer, line
from support.fakes import FakeClock
from support.signing_provider import signing_provider
from support.site import bootgrant, clean_environment, free_port, served


def doctor(server: HealthyServer, *words: str) -> int:
    with AnsweringServer(server) as listening:
        server.url = listening.url
        return main(["doctor", listening.url, *words])


def test_a_good_server_gives_status_0_and_the_remaining_request_is_mentioned(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert doctor(HealthyServer(), "--strict") == 0
    out = capsys.readouterr().out
    assert "the code WDJB-MJHT: do not approve it, it expires within 600 s" in out
    assert out.endswith("no problems: a machine will get through once a person approves it\n")


def test_an_error_ends_with_1_in_text_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor(HealthyServer(config=http(200, b"a: b")), "--json") == 1
    report = json.loads(capsys.readouterr().out)
    assert report["errors"] == 2
    assert report["pending"] == {"user_code": "WDJB-MJHT", "expires_in": 600}
    wrong = [each for each in report["findings"] if each["level"] == "error"]
    assert [each["code"] for each in wrong] == ["no-token-open", "wrong-token-open"]
    assert all(each["message"] and each["fix"] and each["step"] for each in wrong)


def test_a_warning_counts_with_strict_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor(HealthyServer(codes={"expires_in": 60})) == 0
    assert doctor(HealthyServer(codes={"expires_in": 60}), "--strict") == 1
    assert "1 warning: a machine will get through, but expect trouble" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ["--cmdline-file", "/nowhere/cmdline"],
        ["--config", "/nowhere/bootgrant.toml"],
        ["no-url-at-all"],
        ["talos.config=https://boot.example/config talos.config.oauth.client_id=talos"],
        ["--cmdline", "quiet", "--ca", "/nowhere/ca.pem"],
        ["--cmdline", "quiet", "--set", "shoe=42"],
    ],
)
def test_an_unusable_subject_is_a_usage_error(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", *words]) == 2
    assert capsys.readouterr().err.startswith("bootgrant doctor: ")


@pytest.mark.parametrize("platform", ["talos.platform=nocloud", ""])
def test_a_line_that_talos_ignores_fails_unless_it_is_for_another_linux(
    platform: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server = HealthyServer()
    with AnsweringServer(server) as listening:
        server.url = listening.url
        text = line(listening.url).replace("talos.platform=metal", platform)
        assert main(["doctor", "--cmdline", text]) == 1
        assert "talos.platform=metal" in capsys.readouterr().out
        assert main(["doctor", "--cmdline", text, "--no-platform"]) == 0
    explain = bootgrant("acquire", "--explain", "--cmdline", text)
    explained = subprocess.run(explain, capture_output=True, text=True, env=clean_environment(), check=True).stdout
    assert re.search(r"error: .*talos\.platform", explained)


def test_a_kernel_command_line_is_read_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = HealthyServer()
    with AnsweringServer(server) as listening:
        server.url = listening.url
        (tmp_path / "cmdline").write_text(line(listening.url) + "\n")
        assert main(["doctor", "--cmdline-file", str(tmp_path / "cmdline"), "--set", "uuid=a", "--json"]) == 0
    assert listening.asked[1].form["uuid"] == "a"
    assert json.loads(capsys.readouterr().out)["about"] == str(tmp_path / "cmdline")


def test_an_interrupted_run_mentions_the_remaining_request() -> None:
    stop = threading.Event()

    def hold(_: Asked) -> bytes:
        stop.wait(20)
        return http(503)

    server = HealthyServer(token=hold)
    with AnsweringServer(server) as listening:
        server.url = listening.url
        command = bootgrant("doctor", listening.url)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=clean_environment()) as process:
            # Metadata, the code, the page, the token.
            listening.came(4)
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=30)
        stop.set()
    assert process.returncode == 130
    assert "One request is left waiting, with the code WDJB-MJHT" in said
    assert said.endswith("interrupted; 0 warnings so far\n")


def test_nothing_is_wrong_with_bootgrant_itself_and_it_approves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(tmp_path, settings='hold = "1100ms"') as site:
        for _ in range(2):
            assert main(["doctor", "--config", str(site.made.config), "--strict"]) == 0
            assert "a request is held for 1 s" in capsys.readouterr().out
        listed = site.command("pending").stdout
        assert listed.count("d0c70000-0000-4000-8000-") == 1
        assert "delivered" not in site.log


def test_a_site_that_is_open_to_every_network_gets_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = init_site(tmp_path / "site", f"http://127.0.0.1:{free_port()}", "127.0.0.1:8080", "ana")
    monkeypatch.setenv("BOOTGRANT_NETWORKS_MACHINES", "10.0.0.0/8,0.0.0.0/0")
    assert main(["doctor", "--config", str(made.config), "--strict"]) == 1
    assert "networks.machines has 0.0.0.0/0" in capsys.readouterr().out


def test_the_outside_providers_of_a_site_are_asked_for_what_is_needed_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = init_site(tmp_path / "site", f"http://127.0.0.1:{free_port()}", "127.0.0.1:8080", "ana")
    rule = '[[providers.rules]]\nclaims = {email = "*"}\nselect = ["*"]\n'
    with signing_provider(FakeClock()) as provider, made.config.open("a") as file:
        for name, issuer in (("good", provider.issuer), ("gone", f"http://127.0.0.1:{free_port()}")):
            file.write(f'[[providers]]\nname = "{name}"\nissuer = "{issuer}"\naudiences = ["x"]\n{rule}')
        file.flush()
        assert main(["doctor", "--config", str(made.config), "--json"]) == 1
    found = {each["message"]: each for each in json.loads(capsys.readouterr().out)["findings"]}
    assert found["good: the provider good is usable"]["level"] == "ok"
    (gone,) = [each for message, each in found.items() if message.startswith("provider gone")]
    assert (gone["level"], gone["code"]) == ("error", "outside-provider-unusable")
    assert "[[providers]]" in gone["fix"]
