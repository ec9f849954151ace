"""`bootgrant show` and `bootgrant status` against a running server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import httpx2
import pytest

from bootgrant.cli import main
from bootgrant.cli.client.show import as_lines
from bootgrant.cli.client.status import problems
from bootgrant.cli.output import Json
from bootgrant.cli.screen import Screen
from support.grants import MAC, UUID
from support.site import Served, served, wait_until

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("show")) as running:
        yield running


@pytest.fixture
def run(site: Served, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command of this site in this process."""

    def ran(*words: str) -> tuple[int, str, str]:
        status = main([*words, "--config", str(site.made.config)])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return ran


def ask(site: Served, **identity: str) -> tuple[str, str]:
    """A machine asks; the code on its screen, and what it polls with."""
    form = {"client_id": "talos", **identity}
    answer = httpx2.post(f"{site.url}/device/code", data=form, trust_env=False).raise_for_status().json()
    return answer["user_code"], answer["device_code"]


def fetch(site: Served, device_code: str) -> None:
    """The machine gets its configuration."""
    form = {"client_id": "talos", "device_code": device_code}
    form["grant_type"] = "urn:ietf:params:oauth:grant-type:device_code"
    token = httpx2.post(f"{site.url}/token", data=form, trust_env=False, timeout=60).raise_for_status().json()
    headers = {"authorization": f"Bearer {token['access_token']}"}
    httpx2.get(f"{site.url}/config?uuid={UUID}", headers=headers, trust_env=False).raise_for_status()


def test_show_is_the_card_before_and_after_a_decision(site: Served, run: Run) -> None:
    code, device_code = ask(site, uuid=UUID, mac=MAC)
    status, out, err = run("show", code.lower().replace("-", " "))
    assert (status, err) == (0, "")
    first, *rest = out.splitlines()
    assert first == f"{code}  expected  {UUID}.yaml"
    assert f"  machine        uuid={UUID} mac={MAC}" in rest
    assert "match: history: first request of this machine" in out
    assert f"bootgrant approve {code}, or bootgrant deny {code} --reason TEXT" in rest[-1]
    run("approve", code)
    fetch(site, device_code)
    # A delivery is recorded once the machine has all of it.
    wait_until(lambda: run("show", code)[1].startswith(f"{code}  delivered by "), "the delivery is recorded")
    again, _ = ask(site, uuid=UUID, mac="52:2f:fd:df:fc:c1")
    changed = run("show", again)[1]
    assert "  changed        " in changed
    assert f"mac was {MAC}, is now 52:2f:fd:df:fc:c1" in changed
    assert "▲" not in changed
    assert f"{UUID}.yaml delivered to 127.0.0.1" in changed


def test_show_as_json_is_the_answer_of_the_api(site: Served, run: Run) -> None:
    code, _ = ask(site, serial="JSON1")
    answer = json.loads(run("show", code, "--json")[1])
    assert set(answer) == {"request", "past"}
    assert (answer["request"]["code"], answer["past"]["deliveries"]) == (code, [])
    status, out, _ = run("show", "BBBB-BBBB", "--json")
    assert (status, json.loads(out)["error"]) == (1, "unknown")


def test_the_lines_of_show_fit_the_terminal_and_hide_nothing(site: Served, run: Run) -> None:
    code, _ = ask(site, serial="S" * 120)
    answer = json.loads(run("show", code, "--json")[1])
    lines = list(as_lines(answer["request"], answer["past"], Screen(60)))
    assert max(map(len, lines)) <= 60
    assert "S" * 120 in "".join(line.strip() for line in lines)


def test_status_shows_what_waits_and_that_nothing_is_wrong(site: Served, run: Run) -> None:
    code, _ = ask(site, serial="STATUS1")
    run("arm", "role=spare", "--for", "1h", "--count", "2", "--name", "spares", "--force")
    status, out, err = run("status")
    assert (status, err) == (0, "")
    rows = {line[:16].strip(): line[16:] for line in out.splitlines()}
    assert rows["wrong"] == "nothing"
    assert "unknown" in rows["waiting"]
    assert "; the oldest for " in rows["waiting"]
    assert rows["windows"].startswith("spares (role=spare): approved 0 of 2, open until ")
    assert rows["database"] == "sqlite, 1 server"
    answer = json.loads(run("status", "--json")[1])
    assert (answer["problems"], answer["open_windows"][0]["name"]) == ([], "spares")
    assert sum(answer["verdicts"].values()) == answer["waiting"]
    run("deny", code, "--reason", "test")


def test_a_configuration_that_cannot_be_loaded_is_wrong_and_status_1(site: Served, run: Run) -> None:
    broken = site.machines / "machines.yaml"
    broken.write_text("entries: [\n")
    try:
        wait_until(lambda: run("status")[0] == 1, "the server has read the broken file")
        first = run("status")[1].splitlines()[0]
        assert first.startswith("wrong           configurations, since ")
        assert "machines.yaml" in first
    finally:
        broken.write_text("entries: []\n")
    wait_until(lambda: run("status")[0] == 0, "the server has read the file again")


def test_an_entry_that_cannot_be_served_is_wrong_and_status_1(site: Served, run: Run) -> None:
    broken = site.machines / "52-54-00-00-00-99.yaml"
    broken.write_text("machine: {}\n")
    try:
        wait_until(lambda: run("status")[0] == 1, "the server has read the broken file")
        first = run("status")[1].splitlines()[0]
        reason = f"1 entry cannot be served ({broken.name}): `bootgrant machines show NAME` says why"
        assert first == f"wrong           {reason}"
        assert json.loads(run("status", "--json")[1])["problems"] == [reason]
        code, _ = ask(site, mac="52:54:00:00:00:99")
        assert run("show", code)[1].splitlines()[-1].split(maxsplit=1) == [
            "next", f"correct the configuration, then run bootgrant show {code} again"
        ]  # fmt: skip
    finally:
        broken.unlink()
    wait_until(lambda: run("status")[0] == 0, "the server has seen that it is gone")


def test_every_problem_is_one_line() -> None:
    answer: Json = {
        "now": 1000.0 * 86400,
        "configurations": {"problem": "commit abc is not signed", "since": 999.0 * 86400},
        "chores": [
            {"name": "retention", "ok": False, "last_success": None, "error": "disk full"},
            {"name": "live pages", "ok": True, "last_success": 1.0, "error": ""},
        ],
        "sources": [
            {"name": "machine configurations", "ok": False, "last_success": 1.0, "error": "commit abc is not signed"},
            {"name": "https://sso.example.org", "ok": False, "last_success": None, "error": "it does not answer"},
        ],
        "certificate_end": 1010.0 * 86400,
    }
    assert problems(answer) == [
        "configurations, since 1972-09-26 00:00 UTC: commit abc is not signed",
        "https://sso.example.org: it does not answer",
        "retention fails (no success yet): disk full",
        "the server's certificate ends on 1972-10-07 00:00 UTC: renew it",
    ]
    assert "has ended" in problems({**answer, "certificate_end": 1.0})[-1]
    assert problems({**answer, "certificate_end": 1020.0 * 86400})[-1].startswith("retention")
    assert "5 entries cannot be served (a, b, c, ...): " in problems(answer, list("abcde"))[1]
