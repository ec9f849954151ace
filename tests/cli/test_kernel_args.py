"""`bootgrant kernel-args`, as a person uses it: what it prints, what it warns about, what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bootgrant.acquire.cmdline.kernel_cmdline import parse_cmdline
from bootgrant.acquire.cmdline.settings import EARLY, read_settings
from bootgrant.cli import main
from bootgrant.service.commands.init_site import init_site
from support.certificates import Authority

URL = ("--url", "https://boot.example")


def test_both_endpoints_and_each_variable_are_always_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kernel-args", *URL]) == 0
    out, err = capsys.readouterr()
    oauth = read_settings(parse_cmdline(out)).oauth
    assert oauth is not None
    assert oauth.device_auth_url == "https://boot.example/device/code"
    assert oauth.token_url == "https://boot.example/token"
    assert out.count("extra_variable=") == 2
    assert "talos.platform=metal" in out
    assert err == ""


def test_the_server_of_a_site_is_found_in_its_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = init_site(tmp_path / "site", "https://boot.site.example", "127.0.0.1:8080", "ana")
    assert main(["kernel-args", "--config", str(made.config), "--no-platform"]) == 0
    assert capsys.readouterr().out.startswith("talos.config=https://boot.site.example/config?uuid=${uuid} ")


def test_a_site_names_the_client_that_needs_no_secret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = init_site(tmp_path / "site", "https://boot.site.example", "127.0.0.1:8080", "ana")
    (tmp_path / "site/secret").write_text("a secret of some length")
    text = made.config.read_text().replace('id = "talos"', 'id = "talos"\nsecret_file = "secret"')
    made.config.write_text(text)
    assert main(["kernel-args", "--config", str(made.config)]) == 1
    assert "every client of this site has a secret" in capsys.readouterr().err
    made.config.write_text(f'{text}\n[[clients]]\nid = "machines"\n')
    assert main(["kernel-args", "--config", str(made.config)]) == 0
    assert "talos.config.oauth.client_id=machines " in capsys.readouterr().out


def test_without_a_server_it_says_what_to_give(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kernel-args"]) == 1
    assert "--url https://boot.example.org" in capsys.readouterr().err


def test_a_private_authority_comes_along(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kernel-args", *URL, "--ca", str(Authority(tmp_path).certificate)]) == 0
    out, err = capsys.readouterr()
    assert parse_cmdline(out).first(EARLY)
    assert err == ""


def test_a_line_that_is_too_long_for_the_kernel_gets_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    words = [word for number in range(60) for word in ("--add", f"module.parameter{number}=some-value-{number}")]
    assert main(["kernel-args", *URL, *words]) == 0
    out, err = capsys.readouterr()
    assert len(out) > 2000
    assert f"warning: {len(out) - 1} bytes, and the kernel truncates them at 2048" in err


def test_a_secret_needs_a_flag_to_get_into_a_schematic(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "secret").write_text("hunter2\nnotes\n")
    words = ["kernel-args", *URL, "--client-secret-file", str(tmp_path / "secret"), "--as", "schematic"]
    assert main(words) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "talos.config.oauth.client_secret" in err
    assert "hunter2" not in err
    assert main([*words, "--secret-in-schematic"]) == 0
    out, err = capsys.readouterr()
    assert "talos.config.oauth.client_secret=hunter2" in yaml.safe_load(out)["customization"]["extraKernelArgs"]
    assert "/proc/cmdline" in err


def test_a_secret_in_an_added_word_counts_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["kernel-args", *URL, "--add", "talos.config.oauth.client_secret=hunter2"]
    assert main([*words, "--as", "schematic"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "hunter2" not in err
    assert main(words) == 0
    assert "can read the client secret" in capsys.readouterr().err


def test_a_secret_in_a_url_is_one_too(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["kernel-args", *URL, "--config-url", "https://boot.example/c?token=abc", "--as", "schematic"]
    assert main(words) == 1
    assert "abc" not in capsys.readouterr().err


def test_plain_http_and_a_serial_number_are_warned_about(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kernel-args", "--url", "http://boot.example", "--variable", "serial"]) == 0
    err = capsys.readouterr().err
    assert "plain HTTP" in err
    assert "90 seconds" in err


def test_what_no_machine_could_use_is_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kernel-args", *URL, "--client-id", ""]) == 1
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("flag", "what"), [("--ca", "--ca"), ("--client-secret-file", "--client-secret-file")])
def test_a_file_that_is_not_there_is_named(flag: str, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kernel-args", *URL, flag, "/nowhere/file"]) == 1
    assert f"{what}: /nowhere/file cannot be read: No such file or directory" in capsys.readouterr().err
