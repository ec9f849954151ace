"""`bootgrant migrate`, and `bootgrant init` on PostgreSQL."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.postgres_cluster import PASSWORD, Cluster
from support.site import Served, bootgrant, clean_environment, served


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(bootgrant(*words), capture_output=True, text=True, env=clean_environment(), timeout=60)


@pytest.fixture
def database(postgres: Cluster, tmp_path: Path) -> Iterator[list[str]]:
    """The words for an empty PostgreSQL database."""
    (tmp_path / "password").write_text(PASSWORD)
    name = postgres.create()
    yield ["--database-url", postgres.url(name, ""), "--database-password-file", str(tmp_path / "password")]
    postgres.drop(name)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as running:
        yield running


def test_a_new_site_on_postgresql_is_ready_to_serve(tmp_path: Path, database: list[str]) -> None:
    made = run("init", str(tmp_path / "site"), "--operator", "ana", *database)
    assert made.returncode == 0, made.stderr
    again = run("migrate", "--config", str(tmp_path / "site/bootgrant.toml"))
    assert (again.returncode, again.stdout) == (0, "the database has this version's schema\n")
    assert PASSWORD not in (tmp_path / "site/bootgrant.toml").read_text()


def test_a_second_site_on_the_same_database_must_be_a_copy(tmp_path: Path, database: list[str]) -> None:
    assert run("init", str(tmp_path / "site"), "--operator", "ana", *database).returncode == 0
    second = run("init", str(tmp_path / "second"), "--operator", "ana", *database)
    assert (second.returncode, len(second.stderr.splitlines())) == (1, 1)
    assert "is not the code key of the other servers" in second.stderr
    (tmp_path / "second/data/code.key").write_bytes((tmp_path / "site/data/code.key").read_bytes())
    third = run("init", str(tmp_path / "second"), "--operator", "ana", *database)
    assert third.returncode == 1
    assert "ana is already an operator in this database" in third.stderr
    assert run("init", str(tmp_path / "second"), "--operator", "ben", *database).returncode == 0


def test_a_password_on_the_command_line_is_refused(tmp_path: Path) -> None:
    refused = run("init", str(tmp_path / "site"), "--database-url", "postgresql://ana:geheim@127.0.0.1/x")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)
    assert "--database-password-file" in refused.stderr
    assert "geheim" not in refused.stderr


def test_a_database_that_is_not_there_leaves_no_half_made_site(tmp_path: Path) -> None:
    refused = run("init", str(tmp_path / "site"), "--database-url", "postgresql://ana@127.0.0.1:1/x")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)
    assert "cannot be migrated" in refused.stderr
    assert not (tmp_path / "site/bootgrant.toml").exists()


def test_sqlite_is_not_migrated_under_a_running_server(site: Served) -> None:
    refused = site.command("migrate")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)
    assert "in use by another bootgrant" in refused.stderr
    site.stop()
    assert site.command("migrate").returncode == 0
