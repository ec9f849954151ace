"""`bootgrant audit` on a site's database, with and without a running server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.evidence import Check, Verdict
from bootgrant.cli import main
from bootgrant.service.parts.database import migrate_database, open_audit
from bootgrant.service.settings.site import load_site
from bootgrant.store.sqlite.database import SqliteDatabase
from bootgrant.wire.identity import MachineIdentity
from support.grants import MAC, NOW, UUID
from support.postgres_cluster import PASSWORD, Cluster

CP = MachineIdentity(UUID, mac=MAC)
EVENTS = (
    AuditEvent(NOW, AuditKind.OPENED, grant_id="g1", identity=CP, address="10.20.0.11"),
    AuditEvent(
        NOW + 9,
        AuditKind.APPROVED,
        "ana",
        "session",
        "g1",
        CP,
        "10.20.0.11",
        "cp-1",
        evidence=(Check("history", Verdict.MISMATCH, "got it yesterday\x1b[31m"),),
    ),
    AuditEvent(NOW + 12, AuditKind.DELIVERED, grant_id="g1", identity=CP, address="10.20.0.11", entry="cp-1"),
    AuditEvent(NOW + 90_000, AuditKind.DENIED, "ben", "session", "g2", MachineIdentity("", "SN1"), reason="not today"),
)


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    """The settings of a site whose server runs: its database is open."""
    config = tmp_path / "bootgrant.toml"
    config.write_text('public_url = "http://boot.example:8080"')
    (tmp_path / "data").mkdir()
    with SqliteDatabase(tmp_path / "data", NOW) as database:
        asyncio.run(append(database))
        yield config


async def append(database: SqliteDatabase) -> None:
    await database.audit.append(EVENTS)


def ran(config: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    status = main(["audit", *words, "--config", str(config)])
    said = capsys.readouterr()
    return status, said.out + said.err


def test_the_newest_events_come_first_and_strange_text_is_harmless(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, said = ran(config, capsys)
    head, *rows = said.splitlines()
    assert (status, [row.split()[0] for row in rows]) == (0, ["4", "3", "2", "1"])
    assert head.split()[:3] == ["NO.", "WHEN", "(UTC)"]
    assert "\x1b" not in said
    assert "history: got it yesterday\\x1b[31m" in rows[2]


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        (["--kind", "approved", "--kind", "denied"], [2, 4]),
        (["--actor", "ben"], [4]),
        (["--uuid", UUID.upper()], [1, 2, 3]),
        (["--serial", "SN1"], [4]),
        (["--entry", "cp-1", "--grant", "g1"], [2, 3]),
        (["--since", "2027-01-16"], [4]),
        (["--until", "2027-01-15T08:00:05"], [1]),
        (["--limit", "2"], [3, 4]),
    ],
)
def test_filters_and_json_lines(
    config: Path, capsys: pytest.CaptureFixture[str], words: list[str], numbers: list[int]
) -> None:
    status, said = ran(config, capsys, *words, "--json")
    assert status == 0
    assert [json.loads(line)["seq"] for line in said.splitlines()] == numbers


@pytest.mark.parametrize("words", [["--kind", "aproved"], ["--uuid", "0000"], ["seal"], ["export", "a.jsonl"]])
def test_contradictory_arguments_are_reported(
    config: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    status, said = ran(config, capsys, *words)
    assert status == 2
    assert said.startswith("bootgrant: ")


def test_an_export_is_intact_until_it_is_changed(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "audit.jsonl"
    assert ran(config, capsys, "export", "--out", str(out))[0] == 0
    status, said = ran(config, capsys, "verify", str(out), "--json")
    head = json.loads(said)["head"]
    assert (status, json.loads(said)["records"]) == (0, 4)
    assert ran(config, capsys, "verify", "--head", head)[0] == 0
    out.write_text("".join(out.read_text().splitlines(keepends=True)[:3]))
    assert "the chain ends at 3, but it once reached 4" in ran(config, capsys, "verify", str(out), "--head", head)[1]
    out.write_text(out.read_text().replace('"ana"', '"eve"'))
    status, said = ran(config, capsys, "verify", str(out))
    assert (status, "broken at record 2" in said) == (1, True)


def test_a_changed_row_of_the_database_is_found(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import sqlite3

    with sqlite3.connect(config.parent / "data" / "bootgrant.sqlite3") as connection:
        connection.execute("UPDATE audit SET line = replace(line, 'ben', 'eve') WHERE seq = 4")
    connection.close()
    status, said = ran(config, capsys, "verify")
    assert (status, "broken at record 4" in said) == (1, True)


def test_a_corrupt_row_is_reported_and_not_sealed(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import sqlite3

    with sqlite3.connect(config.parent / "data" / "bootgrant.sqlite3") as connection:
        connection.execute("UPDATE audit SET line = 'gone' WHERE seq = 2")
    connection.close()
    assert "cannot be read: run `bootgrant audit verify` to find it" in ran(config, capsys)[1]
    assert "broken at record 2: this row is not an audit record" in ran(config, capsys, "verify")[1]
    out = tmp_path / "old.jsonl"
    assert "Nothing was sealed" in ran(config, capsys, "seal", "--before", "2028-01-01", "--out", str(out))[1]
    assert not out.exists()


def test_the_oldest_records_are_sealed_in_a_file_and_both_parts_are_intact(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, rest = tmp_path / "old.jsonl", tmp_path / "rest.jsonl"
    status, said = ran(config, capsys, "seal", "--before", "2027-01-16", "--out", str(old))
    assert (status, said.startswith("moved 3 records, up to 3, to ")) == (0, True)
    assert [row.split()[3] for row in ran(config, capsys)[1].splitlines()[1:]] == ["sealed", "denied"]
    assert ran(config, capsys, "verify")[0] == 0
    assert ran(config, capsys, "export", "--out", str(rest))[0] == 0
    status, said = ran(config, capsys, "verify", str(old), str(rest), "--json")
    assert (status, json.loads(said)["records"]) == (0, 5)
    assert ran(config, capsys, "seal", "--before", "2027-01-16", "--out", str(old))[0] == 1
    assert len(old.read_text().splitlines()) == 3


def test_a_site_without_a_database_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "bootgrant.toml"
    config.write_text('public_url = "http://boot.example:8080"')
    status, said = ran(config, capsys)
    assert (status, "start the site's server once to create it" in said) == (1, True)


def test_the_audit_of_servers_that_share_postgresql(
    postgres: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = postgres.create()
    (tmp_path / "password").write_text(PASSWORD)
    config = tmp_path / "bootgrant.toml"
    database = f'[database]\nurl = "{postgres.url(name, "")}"\npassword_file = "password"'
    config.write_text(f'public_url = "http://boot.example:8080"\n{database}')
    try:
        migrate_database(load_site(config))
        asyncio.run(append_to(config))
        status, said = ran(config, capsys, "seal", "--before", "2027-01-16", "--out", str(tmp_path / "old.jsonl"))
        assert (status, said.startswith("moved 3 records, up to 3, to ")) == (0, True)
        assert json.loads(ran(config, capsys, "verify", "--json")[1])["records"] == 2
        assert [row.split()[3] for row in ran(config, capsys)[1].splitlines()[1:]] == ["sealed", "denied"]
    finally:
        postgres.drop(name)


async def append_to(config: Path) -> None:
    async with open_audit(load_site(config)) as audit:
        await audit.append(EVENTS)
