"""The commands of docs/backup.md and docs/disasters.md, copied from the pages and run in their order on real sites."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyrage
import pytest

from bootgrant.cli import main
from bootgrant.store.sqlite.database import DATABASE
from support.certificates import Authority
from support.restored import Known, call, poll, prepared, ready, whoami
from support.site import Served, served, wait_until

_DOCS = Path(__file__).resolve().parents[2] / "docs"
_BLOCK = re.compile(r"(?ms)^```sh\n(.*?)^```$")


def blocks(page: str, heading: str) -> list[str]:
    """The blocks of commands under a heading of a page."""
    text = (_DOCS / page).read_text("utf-8")
    found = re.search(rf"^(#+) {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"{page} has no heading {heading!r}"
    return _BLOCK.findall(found[2])


@dataclass(slots=True)
class Host:
    """A computer on which the commands of the pages run: `systemctl` starts and stops the server of ``site``."""

    site: Served
    capture: pytest.CaptureFixture[str]
    replaced: dict[str, str]

    def run(self, page: str, heading: str, *, block: int = 0) -> str:
        """Run a block, and return what it printed. Every command of it must work."""
        self.capture.readouterr()
        written = blocks(page, heading)[block]
        for line in written.splitlines():
            self.line(line)
        return self.capture.readouterr().out

    def line(self, line: str) -> None:
        """Run one command."""
        for before, after in self.replaced.items():
            line = line.replace(before, after)
        match shlex.split(line):
            case ["sudo", "systemctl", ("stop" | "restart" | "start") as verb, "bootgrant.service"]:
                if verb != "start" and self.site.process.poll() is None:
                    self.site.stop()
                if verb != "stop":
                    self.site.start()
            case ["bootgrant", *words]:
                assert main(words) == 0, (line, self.capture.readouterr())
            case words:
                raise AssertionError(f"nothing here runs {words}")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Host]:
    monkeypatch.chdir(tmp_path)
    with served(tmp_path, settings='hold = "0s"') as site:
        key = pyrage.x25519.Identity.generate()
        (tmp_path / "key.txt").write_text(str(key))
        yield Host(site, capsys, {"age1…": str(key.to_public())})


def test_what_the_pages_say_works_and_nothing_comes_back_that_was_revoked(host: Host, tmp_path: Path) -> None:
    known = prepared(host.site)
    assert whoami(host.site, known.token).status_code == 200
    assert "is written: 3 files" in host.run("backup.md", "Make a backup", block=0)
    host.run("backup.md", "Make a backup", block=1)
    assert host.run("backup.md", "Check a backup").count("is intact: 3 files") == 2
    known.take_away(host.site)
    restored_over_a_lost_database(host, known)
    set_back(host, known)
    on_a_new_host(host, known)
    stolen_laptop(host, tmp_path)


def restored_over_a_lost_database(host: Host, known: Known) -> None:
    site = host.site
    # The last answer has just been given: what is outside the database has it.
    site.kill()
    for path in (site.folder / "data").glob(f"{DATABASE}*"):
        path.unlink()
    stop, restore, start, look, accept = blocks("backup.md", "Restore a backup")[0].splitlines()
    assert blocks("disasters.md", "The database is lost")[0].splitlines() == [stop, restore, start, accept]
    for line in (stop, restore, start):
        host.line(line)
    known.assert_waits(site)
    host.capture.readouterr()
    host.line(look)
    listed = host.capture.readouterr().out
    for text in ("token ci revoked", "operator ben disabled", "machine denied: uuid=", "nothing was changed"):
        assert text in listed
    assert ready(site).status_code == 503
    host.line(accept)
    accepted = host.capture.readouterr().out
    for text in ("operator ben disabled again", "denied again: uuid=", "all sessions, API tokens"):
        assert text in accepted
    known.assert_stays_revoked(site)
    assert main(["audit", "verify", "--config", str(site.made.config)]) == 0
    assert main(["restore", "--accept", "--config", str(site.made.config)]) == 1
    assert "nothing to accept" in host.capture.readouterr().err


def set_back(host: Host, known: Known) -> None:
    assert blocks("disasters.md", "The host was set back") == blocks("backup.md", "What cannot be noticed")
    assert "marked as an older copy" in host.run("disasters.md", "The host was set back")
    wait_until(lambda: ready(host.site).status_code == 200, "the server serves again")
    assert whoami(host.site, known.token).status_code == 401


def on_a_new_host(host: Host, known: Known) -> None:
    site = host.site
    site.kill()
    # The machines folder comes from git.
    shutil.rmtree(site.folder / "data")
    site.made.config.unlink()
    assert "missing records: not known" in host.run("disasters.md", "The host is lost")
    wait_until(lambda: ready(site).status_code == 200, "the server serves again")
    assert whoami(site, known.token).status_code == 401
    assert poll(site, known.waiting)["error"] == "authorization_pending"
    key = site.folder / "data/code.key"
    key.unlink()
    host.run("disasters.md", "The code key is lost")
    assert key.exists()
    assert poll(site, known.waiting)["error"] == "authorization_pending"


def stolen_laptop(host: Host, tmp_path: Path) -> None:
    site = host.site
    shutil.copy(Authority(tmp_path).certificate, tmp_path / "new-ca.pem")
    assert "talos.config" in host.run("disasters.md", "The authority is lost")
    token = call(site, "POST", "tokens", name="ci", role="admin", seconds=3600)["token"]
    assert whoami(site, token).status_code == 200
    for block in range(3):
        host.run("disasters.md", "An admin's laptop is stolen", block=block)
    assert whoami(site, token).status_code == 401
    [ana] = [each for each in call(site, "GET", "operators")["operators"] if each["name"] == "ana"]
    assert ana["disabled_at"] is None
