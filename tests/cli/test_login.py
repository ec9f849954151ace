"""`bootgrant login` at servers that answer as they please, and the commands about profiles."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bootgrant.cli import main
from bootgrant.cli.client import profiles
from bootgrant.cli.client.device_login import ask_codes, poster, wait_for_token
from bootgrant.cli.output import Refused
from bootgrant.wire.device_flow import DeviceAuthorization
from support.answering_server import RESET, AnsweringServer, Asked, http, reply
from support.login import Computer
from support.screen import QuickClock
from support.site import bootgrant as command

TOKEN = "bootgrant_" + "t" * 43
WHO = {
    "name": "login-laptop-1", "role": "viewer", "labels": ["site=fra"], "via": "token:login-laptop-1",
    "person": "ana", "expires_at": 4_000_000_000.0,
}  # fmt: skip


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("BOOTGRANT_SERVER", "BOOTGRANT_TOKEN_FILE", "BOOTGRANT_PROFILE", "BOOTGRANT_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def codes(server: str, **changes: Any) -> dict[str, Any]:
    usual = {"device_code": "secret", "user_code": "123-456-789", "verification_uri": f"{server}/login/device"}
    return {**usual, "expires_in": 600, "interval": 5, **changes}


def error(name: str, status: int = 400) -> bytes:
    return reply(status, {"error": name})


class Bootgrant:
    """A server that gives the token to the first poll. ``replies`` are other answers by path, one after another."""

    def __init__(self, **replies: list[bytes]) -> None:
        self.replies = replies
        self.server = AnsweringServer(self.answer)

    def answer(self, asked: Asked) -> bytes:
        name = asked.target.rpartition("/")[2]
        if self.replies.get(name):
            return self.replies[name].pop(0)
        answers: dict[str, Callable[[], bytes]] = {
            "code": lambda: reply(200, codes(self.server.url)),
            "token": lambda: reply(200, {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 43200}),
            "whoami": lambda: reply(200, WHO),
            "pending": lambda: reply(200, {"pending": [], "next": None}),
            "logout": lambda: reply(200, {"revoked": "login-laptop-1"}),
        }
        return answers[name]()


def log_in(*words: str) -> int:
    """Log in with a pasted token, which needs no polling."""
    usual, sys.stdin = sys.stdin, io.StringIO(f"{TOKEN}\n")
    try:
        return main(["login", *words, "--token"])
    finally:
        sys.stdin = usual


def begin(server: AnsweringServer) -> DeviceAuthorization:
    return ask_codes(server.url, {"host": "laptop"}, poster(server.url, QuickClock()))


def wait(server: AnsweringServer, clock: QuickClock | None = None, notes: list[str] | None = None) -> str:
    clock = clock or QuickClock()
    post = poster(server.url, clock)
    got = wait_for_token(server.url, begin(server), post, clock, (notes if notes is not None else []).append)
    return got.reveal()


def refused_by(answer: bytes) -> Refused:
    with AnsweringServer(lambda _: answer) as server, pytest.raises(Refused) as refused:
        begin(server)
    return refused.value


def test_the_command_line_says_who_it_is_and_polls_at_the_interval() -> None:
    pending = error("authorization_pending")
    clock = QuickClock()
    with Bootgrant(token=[pending, pending]).server as server:
        assert wait(server, clock) == TOKEN
    assert [round(pause) for pause in clock.slept] == [5, 5, 5]
    assert server.asked[0].form == {"client_id": "bootgrant-cli", "host": "laptop"}
    assert server.asked[1].form == {
        "client_id": "bootgrant-cli",
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": "secret",
    }


def test_a_storm_of_slow_downs_slows_down_and_ends_with_the_code() -> None:
    clock = QuickClock()
    with Bootgrant(token=[error("slow_down")] * 200).server as server, pytest.raises(Refused) as refused:
        wait(server, clock)
    assert refused.value.error == "expired"
    assert [round(pause) for pause in clock.slept[:4]] == [5, 10, 15, 20]
    assert sum(clock.slept) <= 600
    assert len(server.asked) < 20


def test_a_server_cannot_make_us_wait_for_ever() -> None:
    clock = QuickClock()
    bootgrant = Bootgrant(token=[error("authorization_pending")] * 1000)
    with bootgrant.server as server:
        bootgrant.replies["code"] = [reply(200, codes(server.url, expires_in=10**9))]
        with pytest.raises(Refused):
            wait(server, clock)
    assert sum(clock.slept) <= 1800


@pytest.mark.parametrize(
    "trouble", [RESET, http(502, b"<h1>Bad gateway</h1>"), http(503), error("temporarily_unavailable", 503), b"junk"]
)
def test_trouble_on_the_way_is_reported_and_passes(trouble: bytes) -> None:
    notes: list[str] = []
    with Bootgrant(token=[trouble, trouble]).server as server:
        assert wait(server, notes=notes) == TOKEN
    assert len(notes) == 2
    assert all("trying again" in note for note in notes)


@pytest.mark.parametrize(
    ("name", "known_as"),
    [("access_denied", "denied"), ("expired_token", "expired"), ("invalid_grant", "expired"), ("odd", "odd")],
)
def test_a_refusal_ends_the_login(name: str, known_as: str) -> None:
    with Bootgrant(token=[error(name)]).server as server, pytest.raises(Refused) as refused:
        wait(server)
    assert refused.value.error == known_as


@pytest.mark.parametrize(
    "answer",
    [http(200, b"<html>A portal</html>"), http(200), reply(200, []), reply(200, {"access_token": 7}),
     reply(200, {"access_token": "a\nb"}), reply(200, {"access_token": TOKEN, "token_type": "mac"}),
     http(200, b"{" + b" " * 100_000 + b"}")],
)  # fmt: skip
def test_what_is_not_a_token_is_refused(answer: bytes) -> None:
    with Bootgrant(token=[answer]).server as server, pytest.raises(Refused) as refused:
        wait(server)
    assert refused.value.error == "no_answer"


@pytest.mark.parametrize(
    ("answer", "name", "reason"),
    [
        (http(200, b"hello"), "no_answer", "is not a bootgrant server"),
        (reply(200, codes("https://evil.example")), "other_server", "another server, https://evil.example/login/device"),
        (reply(200, {"user_code": "1"}), "no_answer", "is not a bootgrant server"),
        (http(404, b"nothing"), "no_login", "does not offer"),
        (http(421, b"wrong host"), "other_server", "another public_url"),
        (http(302, Location="https://evil.example/\x1b[2J"), "redirect", "redirects to https://evil.example/"),
        (http(200, b" " * 70_000), "no_answer", "too long"),
        (reply(429, {"error": "temporarily_unavailable", "error_description": "too many"}), "temporarily_unavailable",
         "too many"),
    ],
)  # fmt: skip
def test_a_strange_server_is_refused(answer: bytes, name: str, reason: str) -> None:
    refused = refused_by(answer)
    assert (refused.error, reason in str(refused)) == (name, True), str(refused)
    assert str(refused).isprintable()


def test_an_endless_answer_is_given_up() -> None:
    def endless(_: Asked) -> Any:
        yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
        while True:
            yield b" " * 65_536

    with AnsweringServer(endless) as server, pytest.raises(Refused) as refused:
        begin(server)
    assert "too long" in str(refused.value)


def test_a_token_goes_only_to_its_server() -> None:
    with AnsweringServer(lambda _: reply(200, {})) as other:
        moved = http(307, Location=f"{other.url}/api/v1/pending")
        with Bootgrant(pending=[moved]).server as server:
            assert log_in(server.url) == 0
            assert main(["pending"]) == 1
            assert main(["pending", "--server", other.url]) == 1
    assert other.asked == []
    assert {asked.headers.get("authorization") for asked in server.asked} == {f"Bearer {TOKEN}"}


def test_a_login_is_kept_and_used(capsys: pytest.CaptureFixture[str]) -> None:
    bootgrant = Bootgrant()
    with bootgrant.server as server:
        bootgrant.replies["code"] = [reply(200, codes(server.url, interval=1))]
        name = server.url.removeprefix("http://")
        assert main(["login", server.url, "--role", "approver", "--for", "30d", "--label", "site=fra"]) == 0
        shown = capsys.readouterr()
        assert main(["pending"]) == 0
        assert capsys.readouterr().out == "no machines waiting\n"
        asked = server.asked[0].form
    assert (asked["role"], asked["labels"], asked["seconds"]) == ("approver", "site=fra", str(30 * 86400))
    assert asked["host"]
    assert f"{server.url}/login/device\n" in shown.err
    assert "Type this code there: 123-456-789\n" in shown.err
    assert shown.out.splitlines()[0] == (
        f"logged in to {server.url} as ana: role viewer, site=fra, until 2096-10-02 07:06 UTC"
    )
    assert shown.out.splitlines()[1] == f"profile {name} (the default); its token is in {profiles.place()}"
    assert TOKEN not in shown.out + shown.err
    assert stat.S_IMODE(profiles.place().stat().st_mode) == 0o600


def test_json_has_the_outcome_and_never_the_token(capsys: pytest.CaptureFixture[str]) -> None:
    with Bootgrant().server as server:
        assert log_in(server.url, "--json", "--name", "lab") == 0
        login = json.loads(capsys.readouterr().out)
        assert main(["profiles", "--json"]) == 0
        listed = capsys.readouterr().out
        assert main(["logout", "--json"]) == 0
    about = {"token_name": WHO["name"]} | {key: WHO[key] for key in ("person", "role", "labels", "expires_at")}
    assert login == {"profile": "lab", "server": server.url, "default": True, "kept_in": "file", **about}
    assert json.loads(listed) == {"profiles": [login]}
    assert TOKEN not in listed
    assert json.loads(capsys.readouterr().out) == {"profile": "lab", "server": server.url, "revoked": True}


def test_an_expired_login_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    expired = reply(401, {"error": "bad_token", "message": "this token is unknown, revoked or expired"})
    with Bootgrant(pending=[expired]).server as server:
        log_in(server.url, "--name", "lab")
        capsys.readouterr()
        assert main(["pending"]) == 1
    reason = f"the login lab has expired or was revoked: run `bootgrant login {server.url}` again"
    assert capsys.readouterr().err == f"bootgrant: {reason}\n"


def test_two_profiles_are_listed_and_one_is_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    with Bootgrant().server as fra, Bootgrant().server as ams:
        log_in(fra.url, "--name", "fra")
        log_in(ams.url, "--name", "ams")
        assert "use it with --profile ams, or run `bootgrant profiles use ams`" in capsys.readouterr().out
        main(["pending"])
        assert (fra.targets()[-1], ams.targets()[-1]) == ("/api/v1/pending", "/api/v1/whoami")
        assert main(["profiles", "use", "ams"]) == 0
        rows = [line.split() for line in capsys.readouterr().out.splitlines()]
        assert [(row[0], row[1]) for row in rows[-2:]] == [("fra", fra.url), ("*", "ams")]
        main(["pending"])
        assert ams.targets()[-1] == "/api/v1/pending"
        assert log_in(ams.url, "--name", "fra") == 1
        assert f"the profile fra is for {fra.url}" in capsys.readouterr().err
        assert main(["logout", "fra"]) == 0
    assert list(profiles.load().by_name) == ["ams"]


def test_a_logout_keeps_what_it_cannot_revoke_without_forget(capsys: pytest.CaptureFixture[str]) -> None:
    with Bootgrant().server as server:
        log_in(server.url)
    capsys.readouterr()
    assert main(["logout"]) == 1
    assert "with --forget" in capsys.readouterr().err
    assert len(profiles.load().by_name) == 1
    assert main(["logout", "--forget"]) == 0
    assert "revoke it on your account page" in capsys.readouterr().out
    assert profiles.load().by_name == {}
    assert main(["logout"]) == 1
    assert capsys.readouterr().err == "bootgrant: not logged in\n"


def test_a_logout_with_an_expired_token_removes_the_profile() -> None:
    with Bootgrant(logout=[reply(401, {"error": "bad_token", "message": "expired"})]).server as server:
        log_in(server.url)
        assert main(["logout"]) == 0
    assert profiles.load().by_name == {}


def test_a_profile_is_renewed_without_its_address(capsys: pytest.CaptureFixture[str]) -> None:
    with Bootgrant().server as server:
        assert log_in() == 2
        assert "name the server" in capsys.readouterr().err
        log_in(server.url)
        assert log_in() == 0
    assert server.targets() == ["/api/v1/whoami"] * 2


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://boot.example.org", "plain HTTP would expose the token"),
        ("https://boot.example.org/login", "write https://boot.example.org"),
        ("boot.example.org", "is not the address of a server"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(url: str, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["login", url]) == 2
    assert reason in capsys.readouterr().err
    assert not profiles.place().exists()


def test_a_file_that_others_can_read_is_found_before_the_login(capsys: pytest.CaptureFixture[str]) -> None:
    with Bootgrant().server as server:
        log_in(server.url)
        profiles.place().chmod(0o644)
        count = len(server.asked)
        assert main(["login", server.url]) == 1
        assert "chmod 600" in capsys.readouterr().err
        assert len(server.asked) == count


@pytest.mark.parametrize("who", [{}, {"name": 7, "role": "viewer", "via": ""}, {"name": "x"}])
def test_a_server_that_does_not_know_the_token_keeps_nothing(who: dict[str, Any]) -> None:
    with Bootgrant(whoami=[reply(200, who)]).server as server:
        assert log_in(server.url) == 1
    assert not profiles.place().exists()


def test_a_strange_answer_about_the_token_is_shown_safely(capsys: pytest.CaptureFixture[str]) -> None:
    odd = {**WHO, "person": "ana\x1b[2J", "role": "\u202eking", "labels": "all", "expires_at": 1e300}
    with Bootgrant(whoami=[reply(200, odd)]).server as server:
        assert log_in(server.url) == 0
        assert main(["profiles"]) == 0
    out = capsys.readouterr().out
    assert "ana\\x1b[2J: role \\u202eking, every machine, until unknown" in out
    assert "\x1b" not in out


@pytest.mark.parametrize("text", ["", "\n", "two words\u00e9", "x" * 5000, "a\x1bb"])
def test_what_is_not_a_token_is_not_sent(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    with Bootgrant().server as server:
        assert main(["login", server.url, "--token"]) == 1
    assert (server.asked, capsys.readouterr().err) == ([], "bootgrant: that is not an API token; nothing was stored\n")


def test_a_token_that_the_server_does_not_know_is_not_kept(capsys: pytest.CaptureFixture[str]) -> None:
    with Bootgrant(whoami=[reply(401, {"error": "bad_token", "message": "unknown"})]).server as server:
        assert log_in(server.url) == 1
    assert "does not know this token; nothing was stored" in capsys.readouterr().err
    assert not profiles.place().exists()


def test_ctrl_c_ends_a_login_in_one_line(tmp_path: Path) -> None:
    with Bootgrant(token=[error("authorization_pending")] * 100).server as server:
        login = Computer(tmp_path).login(server.url)
        login.process.send_signal(signal.SIGINT)
        status, out, err = login.finish()
    assert (status, out) == (130, "")
    assert err.endswith("bootgrant: cancelled; nothing was stored\n")
    assert "Traceback" not in err


def test_a_terminal_shows_the_address_as_a_qr_code(tmp_path: Path) -> None:
    laptop = Computer(tmp_path, {"COLUMNS": "80", "LINES": "60", "PYTHONIOENCODING": "utf-8"})
    bootgrant = Bootgrant()
    mine, theirs = pty.openpty()
    with bootgrant.server as server, os.fdopen(mine, "rb", buffering=0) as screen:
        bootgrant.replies["code"] = [reply(200, codes(server.url, interval=1))]
        process = subprocess.Popen(
            command("login", server.url), stderr=theirs, stdout=subprocess.DEVNULL, env=laptop.environment, cwd=tmp_path
        )
        os.close(theirs)
        shown = b""
        while b"Waiting" not in shown:
            shown += screen.read(4096)
        assert process.wait(30) == 0
    drawn = [line for line in shown.decode().splitlines() if "\u2588" in line or "\u2580" in line]
    assert len(drawn) > 12
    assert "scan this code with your phone" in shown.decode()


def test_a_computer_with_nothing_suggests_a_login(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pending"]) == 1
    assert "for a server on another computer, run `bootgrant login URL` first" in capsys.readouterr().err
