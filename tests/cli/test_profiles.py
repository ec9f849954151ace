"""The file of the profiles, and which server a command asks."""

from __future__ import annotations

import argparse
import json
import os
import pwd
import stat
from pathlib import Path

import pytest

from bootgrant.cli import main
from bootgrant.cli.client import profiles
from bootgrant.cli.client.asking import add_server_arguments, destination
from bootgrant.cli.client.profiles import Profile, Profiles, server_address
from bootgrant.cli.output import Refused
from bootgrant.wire.secret import Secret
from support.answering_server import AnsweringServer, http

FRA = Profile("fra", "https://fra.example", Secret("bootgrant_fra"), about={"role": "viewer"})
AMS = Profile("ams", "https://ams.example:8443", Secret("bootgrant_ams"))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SERVER", "TOKEN_FILE", "PROFILE", "CONFIG"):
        monkeypatch.delenv(f"BOOTGRANT_{name}", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path


@pytest.fixture
def both() -> Path:
    for one in (FRA, AMS):
        with profiles.changing() as changes:
            changes.profiles = changes.profiles.with_profile(one)
    return profiles.place()


def asks(*words: str) -> str:
    """The server and the token that a command with these words uses."""
    parser = argparse.ArgumentParser()
    add_server_arguments(parser)
    remote = destination(parser.parse_args(words))
    return f"{remote.server} {remote.token.reveal()}" if remote else "here"


def refusal(*words: str) -> Refused:
    with pytest.raises(Refused) as refused:
        asks(*words)
    return refused.value


def test_profiles_are_kept_in_a_file_that_only_their_user_can_read(both: Path, home: Path) -> None:
    assert both == home / "config/bootgrant/profiles.json"
    assert stat.S_IMODE(both.stat().st_mode) == 0o600
    assert stat.S_IMODE(both.parent.stat().st_mode) == 0o700
    found = profiles.load()
    assert (list(found.by_name), found.default) == (["fra", "ams"], "fra")
    assert found.by_name["fra"] == FRA
    assert list(both.parent.iterdir()) == [both]


def test_a_file_that_a_killed_process_left_is_replaced(both: Path) -> None:
    left = both.parent / ".profiles.json.new"
    left.write_text("half")
    left.chmod(0o644)
    with profiles.changing() as changes:
        changes.profiles = changes.profiles.without("ams")
    assert (left.exists(), stat.S_IMODE(both.stat().st_mode)) == (False, 0o600)


def test_a_failed_command_changes_nothing(both: Path) -> None:
    before = both.read_bytes()

    def fail() -> None:
        with profiles.changing() as changes:
            changes.profiles = Profiles()
            raise Refused("test", "failed")

    with pytest.raises(Refused):
        fail()
    assert both.read_bytes() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_that_others_can_read_is_refused(both: Path, mode: int) -> None:
    both.chmod(mode)
    refused = refusal()
    assert refused.error == "not_private"
    assert f"chmod 600 {both}" in str(refused)
    with pytest.raises(Refused), profiles.changing():
        pass


def test_a_folder_that_others_can_change_is_refused(both: Path) -> None:
    both.parent.chmod(0o777)
    assert f"chmod 700 {both.parent}" in str(refusal())


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"version": 2}', '{"version": 1, "profiles": {"x": {"server": 7}}}', "[" * 100_000,
     '{"version": 1, "profiles": {"x": {"server": "file:///etc"}}}'],
)  # fmt: skip
def test_a_damaged_file_is_reported(both: Path, text: str) -> None:
    both.write_text(text)
    assert refusal().error in ("no_profiles", "bad_server")


def test_a_pipe_instead_of_the_file_is_refused(both: Path) -> None:
    both.unlink()
    os.mkfifo(both, 0o600)
    assert "is not a file" in str(refusal())


def test_the_default_profile_is_used_when_nothing_else_is_named(both: Path) -> None:
    assert asks() == "https://fra.example bootgrant_fra"
    assert asks("--profile", "ams") == "https://ams.example:8443 bootgrant_ams"
    assert both.exists()


def test_a_site_in_the_folder_comes_before_the_default_profile(both: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("bootgrant.toml").write_text("")
    assert asks() == "here"
    assert asks("--profile", "ams") == "https://ams.example:8443 bootgrant_ams"
    monkeypatch.setenv("BOOTGRANT_PROFILE", "ams")
    assert asks() == "https://ams.example:8443 bootgrant_ams"


def test_a_named_site_comes_before_the_default_profile(both: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asks("--config", "/srv/site.toml") == "here"
    monkeypatch.setenv("BOOTGRANT_CONFIG", "/srv/site.toml")
    assert asks() == "here"


def test_arguments_come_before_the_environment(both: Path, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    (home / "token").write_text("bootgrant_file\n")
    monkeypatch.setenv("BOOTGRANT_SERVER", "https://env.example")
    monkeypatch.setenv("BOOTGRANT_TOKEN_FILE", str(home / "token"))
    monkeypatch.setenv("BOOTGRANT_PROFILE", "ams")
    assert asks() == "https://env.example bootgrant_file"
    assert asks("--profile", "fra") == "https://fra.example bootgrant_fra"
    assert asks("--server", "https://flag.example") == "https://flag.example bootgrant_file"
    monkeypatch.delenv("BOOTGRANT_SERVER")
    assert asks() == "https://ams.example:8443 bootgrant_ams"


def test_a_server_without_a_token_file_gets_only_its_own_profile(both: Path) -> None:
    assert asks("--server", "https://AMS.example:8443/") == "https://ams.example:8443 bootgrant_ams"
    for other in ("https://ams.example", "https://ams.example:8444", "https://fra.example.evil.example"):
        refused = refusal("--server", other)
        assert (refused.error, "bootgrant login" in str(refused)) == ("no_token", True)
    assert refusal("--server", "http://fra.example").error == "bad_server"


def test_of_two_profiles_for_a_server_the_default_one_is_used(both: Path) -> None:
    with profiles.changing() as changes:
        second = Profile("fra-admin", FRA.server, Secret("bootgrant_admin"))
        changes.profiles = changes.profiles.with_profile(second)
    assert asks("--server", FRA.server) == "https://fra.example bootgrant_fra"


def test_what_contradicts_itself_is_refused(both: Path) -> None:
    assert refusal("--profile", "ams", "--server", "https://ams.example:8443").error == "usage"
    assert refusal("--profile", "ams", "--token-file", "token").error == "usage"
    refused = refusal("--profile", "lab")
    assert (refused.error, "the profiles are fra, ams" in str(refused)) == ("no_profile", True)


def test_without_a_default_the_command_asks_for_one(both: Path) -> None:
    with profiles.changing() as changes:
        changes.profiles = Profiles(changes.profiles.by_name)
    assert "bootgrant profiles use PROFILE" in str(refusal())


def test_the_last_profile_becomes_the_default_when_the_other_goes(both: Path) -> None:
    with profiles.changing() as changes:
        changes.profiles = changes.profiles.without("fra")
    assert asks() == "https://ams.example:8443 bootgrant_ams"


def test_plain_http_needs_the_permission_of_the_login(both: Path) -> None:
    for allowed in (False, True):
        with profiles.changing() as changes:
            plain = Profile("plain", "http://lab.example", Secret("bootgrant_lab"), allows_http=allowed)
            changes.profiles = changes.profiles.with_profile(plain)
        if allowed:
            assert asks("--profile", "plain") == "http://lab.example bootgrant_lab"
        else:
            assert refusal("--profile", "plain").error == "bad_server"


def test_no_token_is_shown_by_a_repr(both: Path) -> None:
    assert "bootgrant_fra" not in repr(profiles.load())
    assert json.loads(both.read_text())["profiles"]["fra"]["token"] == "bootgrant_fra"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://Boot.Example.org", "https://boot.example.org"),
        ("https://boot.example.org:443/", "https://boot.example.org"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("https://[::1]:8443/", "https://[::1]:8443"),
    ],
)
def test_the_address_of_a_server_has_one_form(url: str, address: str) -> None:
    assert server_address(url) == address


@pytest.mark.parametrize(
    "url",
    ["boot.example.org", "ftp://boot.example.org", "https://", "https://a@boot.example.org", "https://b.example/login",
     "https://b.example?x", "https://b.example#x", "http://[::1", "https://b.example:port"],
)  # fmt: skip
def test_what_is_not_the_address_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(Refused) as refused:
        server_address(url)
    assert refused.value.error == "bad_server"


def test_a_user_without_a_home_folder_has_no_profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    assert asks() == "here"
    with pytest.raises(Refused, match="set HOME or XDG_CONFIG_HOME"):
        profiles.check_writable()


def test_a_folder_that_cannot_have_profiles_is_reported_before_a_person_has_to_approve(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/proc")
    with AnsweringServer(lambda _: http(500)) as server:
        assert main(["login", server.url]) == 1
    assert server.asked == []
    assert capsys.readouterr().err == "bootgrant: /proc/bootgrant cannot be used: No such file or directory\n"
