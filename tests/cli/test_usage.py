"""What every command does with a wrong command line, with `--json`, and with `--help`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bootgrant.cli import SUMMARIES, main, overview
from bootgrant.cli.parsing import CommandParser, actions_of, options_of, parsers_in, verbs_of

NOT_JSON = {
    "acquire": "a machine's log: --log json",
    "serve": "a server's log: log.format",
    "completion": "a script",
    "demo": "for people",
}
"""The commands without a flag --json, and why."""


def ran(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    try:
        status = main(words)
    except SystemExit as end:
        status = int(str(end.code))
    printed = capsys.readouterr()
    return status, printed.out, printed.err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["pendin"], "'pendin' is not a command; did you mean pending?"),
        (["frobnicate"], "'frobnicate' is not a command. `bootgrant --help` lists them"),
        (["tokens", "ad"], "did you mean add?"),
        (["tokens", "add", "ci", "--rol", "admin"], "unrecognized arguments: --rol admin; did you mean --role?"),
        (["tokens", "add", "ci", "--role", "amin"], "did you mean admin?"),
        (["pending", "--serv", "https://boot.example.org"], "did you mean --server?"),
        (["--vers"], "did you mean --version?"),
        (["tokens", "add", "ci", "--for", "900d"], "a token's lifetime must be between 1 second and 366 days"),
        (["tokens", "add", "ci", "--for", "0d"], "a token's lifetime must be between 1 second and 366 days"),
        (["login", "https://boot.example.org", "--for", "900d"], "lifetime must be between 1 second and 366 days"),
        (["tokens", "add", "ci", "--for", "90"], "'90' is not a time: write 12h or 90d"),
        (["arm", "site=fra", "--for", "8d", "--count", "1"], "a window stays open for at most 7 days"),
        (["approve", "foo"], "foo is not a code: a code looks like WDJB-MJHT"),
        (["approve", "481-092-337"], "481-092-337 is a code of `bootgrant login`, not of a machine"),
        (["approve", "WDJB-MJHT", "foo"], "foo is not a code"),
        (["deny", "WDJB-MJH", "--reason", "x"], "WDJB-MJH is not a code"),
        (["show", "AEIOUAEI"], "AEIOUAEI is not a code"),
        (["preview", "foo"], "foo is not a code"),
        (["assign", "foo", "cp-1"], "foo is not a code"),
        (["assign", "WDJB-MJHT"], "bootgrant assign CODE ENTRY"),
        (["pending", "--denied", "--text", "x"], "leave out --label and --text"),
        (["kernel-args", "--as", "gurb"], "did you mean grub?"),
    ],
)
def test_a_wrong_command_line_is_status_2_and_says_what_was_meant(
    words: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = ran(capsys, *words)
    assert (status, out) == (2, "")
    assert reason in err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["tokens", "add", "ci", "--json", "--rol", "admin"], "did you mean --role?"),
        (["approve", "foo", "--json"], "foo is not a code"),
        (["patch", "base.yaml", "--talos", "0.1", "--json"], "--talos: write one of"),
    ],
)
def test_with_json_a_wrong_command_line_is_json_too(
    words: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = ran(capsys, *words)
    assert (status, err) == (2, "")
    assert json.loads(out)["error"] in ("usage", "not_a_code")
    assert reason in json.loads(out)["message"]


@pytest.mark.parametrize(
    "words",
    [
        ["check"],
        ["render", "cp-1"],
        ["reload"],
        ["migrate"],
        ["notify", "test"],
        ["pending"],
        ["status"],
        ["audit"],
        ["operators", "list"],
    ],
)
def test_an_error_of_any_command_is_json_if_you_ask_for_it(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = ran(capsys, *words, "--json", "--config", str(tmp_path / "nothing.toml"))
    assert (status, err) == (1, "")
    assert set(json.loads(out)) == {"error", "message"}
    assert "nothing.toml" in json.loads(out)["message"]


def test_every_command_prints_json() -> None:
    without = {
        parser.prog.removeprefix("bootgrant ")
        for command in verbs_of(overview(whole=True)).values()
        for parser in [*verbs_of(command).values()] or [command]
        if "--json" not in options_of(parser)
    }
    assert without == set(NOT_JSON) - {"acquire"}


def test_every_command_and_every_argument_explains_itself() -> None:
    whole = overview(whole=True)
    for name, command in verbs_of(whole).items():
        assert SUMMARIES[name][1][0].islower(), name
        assert command.description, name
        for parser in parsers_in(command):
            assert isinstance(parser, CommandParser)
            for action in actions_of(parser):
                if not isinstance(action.choices, dict):
                    assert action.help, (parser.prog, action.dest)
            parser.format_help()


def test_kernel_parameters_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = ran(capsys, "kernel-args", "--url", "https://boot.example.org", "--as", "ipxe", "--json")
    answer = json.loads(out)
    assert (status, err, answer["form"]) == (0, "", "ipxe")
    assert answer["text"].startswith("#!ipxe")
    assert "talos.platform=metal" in answer["parameters"]


def test_a_patched_configuration_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "base.yaml").write_text("version: v1alpha1\nmachine: {type: worker}\n")
    (tmp_path / "patch.yaml").write_text("machine: {network: {hostname: w1}}\n")
    status, out, err = ran(capsys, "patch", str(tmp_path / "base.yaml"), str(tmp_path / "patch.yaml"), "--json")
    assert (status, err) == (0, "")
    assert "hostname: w1" in json.loads(out)["text"]
    assert json.loads(out)["surprises"] == []


def test_an_entry_and_its_check_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "machines").mkdir()
    (tmp_path / "machines" / "cp-1.yaml").write_text(
        "version: v1alpha1\nmachine: {type: worker, token: swordfish, ca: {crt: YQ==}}\ncluster: {}\n"
    )
    where = ("--machines", str(tmp_path / "machines"), "--json")
    status, out, _ = ran(capsys, "render", "cp-1.yaml", *where)
    shown = json.loads(out)
    assert (status, shown["entry"], "swordfish" in shown["text"]) == (0, "cp-1.yaml", False)
    checked = json.loads(ran(capsys, "check", *where)[1])
    assert checked["entries"] == 1
    missing = ran(capsys, "render", "cp-2.yaml", *where)
    assert (missing[0], json.loads(missing[1])["error"]) == (1, "no_entry")


def test_a_new_site_and_its_migrations_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = json.loads(ran(capsys, "init", str(tmp_path / "site"), "--operator", "ana", "--json")[1])
    assert (made["operator"], Path(made["config"]).name) == ("ana", "bootgrant.toml")
    assert made["password"]
    again = ran(capsys, "init", str(tmp_path / "site"), "--json")
    assert (again[0], "already exists" in json.loads(again[1])["message"]) == (1, True)
    migrated = json.loads(ran(capsys, "migrate", "--config", made["config"], "--json")[1])
    assert migrated == {"applied": []}
    out = tmp_path / "audit.jsonl"
    exported = json.loads(ran(capsys, "audit", "export", "--out", str(out), "--config", made["config"], "--json")[1])
    assert exported == {"records": len(out.read_text().splitlines()), "file": str(out)}
