"""Two servers on a PostgreSQL database that is older than what they have seen: what was revoked stays revoked."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from support.postgres_cluster import PASSWORD, Cluster
from support.replicas import two_servers
from support.restored import SECOND, prepared, ready, run
from support.site import clean_environment, wait_until


def in_shell(postgres: Cluster, line: str) -> None:
    """Run a command of docs/backup.md with the programs of PostgreSQL."""
    shell = {**clean_environment(), "PGPASSWORD": PASSWORD, "PATH": f"{postgres.programs}:/usr/bin:/bin"}
    subprocess.run(["sh", "-c", line], env=shell, check=True, timeout=60)


def test_both_servers_of_a_restored_postgresql_wait_until_an_admin_accepts_on_one(
    tmp_path: Path, postgres: Cluster
) -> None:
    with two_servers(tmp_path, postgres, 'hold = "0s"') as (here, there):
        known = prepared(here)
        backup, dump = tmp_path / "outside.backup", tmp_path / "database.dump"
        shown = run(here, "backup", str(backup))
        command = re.search(r"(?m)^  (pg_dump --format=custom --file=)FILE ('postgresql://.*')$", shown)
        assert command, shown
        in_shell(postgres, f"{command[1]}{dump} {command[2]}")
        known.take_away(there)
        here.stop()
        there.stop()
        in_shell(postgres, f"pg_restore --clean --if-exists --dbname={command[2]} {dump}")
        here.start()
        # This one revoked it; the other one heard of it within a second.
        there.start()
        known.assert_waits(here)
        known.assert_waits(there)
        assert "token ci revoked" in run(here, "restore", "--accept")
        for site in (here, there):
            wait_until(lambda: ready(site).status_code == 200, "both servers serve again")  # noqa: B023
        known.assert_stays_revoked(there)


def test_one_server_that_keeps_running_is_enough_where_the_data_folders_are_in_memory(
    tmp_path: Path, postgres: Cluster
) -> None:
    with two_servers(tmp_path, postgres, 'hold = "0s"') as (here, there):
        known = prepared(here)
        shown = run(here, "backup", str(tmp_path / "outside.backup"))
        address = re.search(r"(?m)^  pg_dump .* ('postgresql://.*')$", shown)
        assert address, shown
        dump = tmp_path / "database.dump"
        in_shell(postgres, f"pg_dump --format=custom --file={dump} {address[1]}")
        known.take_away(there)
        # A server looks at the end of the audit once a second: the other one did all of this in less.
        wait_until(lambda: SECOND in (here.folder / "data/epoch").read_text(), "the running server heard of it")
        there.stop()
        # A new container has an empty folder.
        (there.folder / "data/epoch").unlink()
        in_shell(postgres, f"pg_restore --clean --if-exists --single-transaction --dbname={address[1]} {dump}")
        wait_until(lambda: ready(here).status_code == 503, "the running server notices it")
        known.assert_waits(here)
        assert "token ci revoked" in run(here, "restore", "--accept")
        there.start()
        for site in (here, there):
            wait_until(lambda: ready(site).status_code == 200, "both servers serve again")  # noqa: B023
        known.assert_stays_revoked(there)
