"""`bootgrant audit --follow`: records as they are written, here and at another server, through a restart."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind, ChainCheck, ChainedEvent, Head, chain
from bootgrant.cli import main
from bootgrant.cli.client.follow_audit import print_new
from bootgrant.cli.output import Refused
from support.grants import NOW
from support.site import Served, bootgrant, clean_environment, served, wait_until


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as running:
        yield running


class Following:
    """A running `bootgrant audit --follow`, and what it has printed so far."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self.process = process
        self.folder = folder

    def lines(self, count: int) -> list[str]:
        """Wait until it has printed so many lines, and return all of them."""
        wait_until(lambda: len(self._printed()) >= count or self.process.poll() is not None, "the records are printed")
        return self._printed()

    def _printed(self) -> list[str]:
        return (self.folder / "followed").read_text().splitlines()

    def interrupt(self) -> tuple[int, str]:
        """Press Ctrl-C; return the exit status and what it said on standard error."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30), (self.folder / "said").read_text()


@contextmanager
def following(folder: Path, *words: str) -> Iterator[Following]:
    with (folder / "followed").open("wb") as out, (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            bootgrant("audit", "--follow", *words), stdout=out, stderr=said, env=clean_environment()
        )
    try:
        yield Following(process, folder)
    finally:
        process.kill()
        process.wait()


def ask(site: Served, *serials: str) -> None:
    for serial in serials:
        form = {"client_id": "talos", "serial": serial}
        assert httpx2.post(f"{site.url}/device/code", data=form).status_code == 200


def remote(site: Served, folder: Path) -> list[str]:
    """The words by which a command asks this server from another computer."""
    answer = json.loads(site.command("tokens", "add", "follower", "--role", "auditor", "--json").stdout)
    (folder / "token").write_text(answer["token"])
    return ["--server", site.url, "--token-file", str(folder / "token")]


@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_records_are_followed_through_a_restart(site: Served, tmp_path: Path, where: str) -> None:
    words = ["--config", str(site.made.config)] if where == "here" else remote(site, tmp_path)
    before = int(site.command("audit", "head").stdout.partition(":")[0])
    with following(tmp_path, "--json", "--after", "0", *words) as running:
        assert len(running.lines(before)) == before
        site.stop()
        site.start()
        ask(site, "AFTER")
        wait_until(lambda: any("AFTER" in line for line in running.lines(before)), "the new record is printed")
        status, said = running.interrupt()
        lines = running.lines(0)
    check = ChainCheck()
    for line in lines:
        check.take_exported(line)
    assert (check.finish(), status) == (None, 130)
    assert said.splitlines()[-1] == f"continue with: bootgrant audit --follow --after {check.head.seq}"


def test_text_for_people_can_be_filtered(site: Served, tmp_path: Path) -> None:
    ask(site, "OTHER", "NEW")
    words = ("--after", "0", "--kind", "opened", "--serial", "NEW", "--config", str(site.made.config))
    with following(tmp_path, *words) as running:
        [line] = running.lines(1)
        assert running.interrupt()[0] == 130
    assert "opened" in line
    assert "serial=NEW" in line


class Source:
    """bootgrant.cli.client.follow_audit.Source with these records; at their end, Ctrl-C is pressed."""

    def __init__(self, *parts: Sequence[ChainedEvent] | Refused) -> None:
        self.parts = iter(parts)
        self.asked: list[int] = []

    def end(self) -> int:
        return 7

    def newer(self, after: int) -> tuple[Sequence[ChainedEvent], int]:
        self.asked.append(after)
        part = next(self.parts, None)
        if part is None:
            raise KeyboardInterrupt
        if isinstance(part, Refused):
            raise part
        return part, max((record.seq for record in part), default=after)


def record(seq: int) -> ChainedEvent:
    [made] = chain([AuditEvent(NOW, AuditKind.DENIED, "ana")], Head(seq - 1))
    return made


def test_it_begins_with_new_records_and_says_where_to_continue(capsys: pytest.CaptureFixture[str]) -> None:
    source = Source([record(8), record(9)], Refused("no_connection", "boot.example is away"), [record(10)])
    with pytest.raises(KeyboardInterrupt):
        print_new(source, None, lambda each: str(each.seq))
    said = capsys.readouterr()
    assert (said.out.split(), source.asked) == (["8", "9", "10"], [7, 9, 9, 10])
    assert said.err.splitlines() == [
        "bootgrant audit: boot.example is away; waiting",
        "continue with: bootgrant audit --follow --after 10",
    ]


def test_a_server_that_refuses_ends_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Refused):
        print_new(Source([record(3)], Refused("bad_token", "the token has expired")), 2, lambda each: str(each.seq))
    assert capsys.readouterr().err == "continue with: bootgrant audit --follow --after 3\n"


def test_the_head_is_the_same_here_and_elsewhere(site: Served, tmp_path: Path) -> None:
    words = remote(site, tmp_path)
    here = site.command("audit", "head")
    there = subprocess.run(
        bootgrant("audit", "head", *words), capture_output=True, text=True, env=clean_environment(), timeout=60
    )
    assert here.stdout == there.stdout
    verified = site.command("audit", "verify", "--head", here.stdout.strip())
    assert (verified.returncode, here.stdout.strip() in verified.stdout) == (0, True)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["verify", "--follow"], "--follow prints new records: leave out 'verify'"),
        (["--after", "3"], "--after is for --follow"),
        (["--from", f"3:{'a' * 64}"], "only `bootgrant audit verify` with files accepts files and --from"),
    ],
)
def test_words_that_do_not_fit_together_are_refused(
    words: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", *words]) == 2
    assert reason in capsys.readouterr().err
