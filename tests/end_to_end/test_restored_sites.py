"""Two servers on a PostgreSQL database that is older than what they have seen: what was revoked stays revoked."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from support.postgres_cluster import PASSWORD, Cluster
from support.replicas import two_servers
from support.restored import prepared, ready, run
from support.site import clean_environment, wait_until


def test_both_servers_of_a_restored_postgresql_wait_until_an_admin_accepts_on_one(
    tmp_path: Path, postgres: Cluster
) -> None:
    with two_servers(tmp_path, postgres, 'hold = "0s"') as (here, there):
        known = prepared(here)
        backup, dump = tmp_path / "outside.backup", tmp_path / "database.dump"
        shown = run(here, "backup", str(backup))
        command = re.search(r"(?m)^  (pg_dump --format=custom --file=)FILE ('postgresql://.*')$", shown)
        assert command, shown
        shell = {**clean_environment(), "PGPASSWORD": PASSWORD, "PATH": f"{postgres.programs}:/usr/bin:/bin"}
        dumping = f"{command[1]}{dump} {command[2]}"
        subprocess.run(["sh", "-c", dumping], env=shell, check=True, timeout=60)
        known.take_away(there)
        here.stop()
        there.stop()
        restoring = f"pg_restore --clean --if-exists --dbname={command[2]} {dump}"
        subprocess.run(["sh", "-c", restoring], env=shell, check=True, timeout=60)
        here.start()
        # This one revoked it; the other one heard of it within a second.
        there.start()
        known.assert_waits(here)
        known.assert_waits(there)
        assert "token ci revoked" in run(here, "restore", "--accept")
        for site in (here, there):
            wait_until(lambda: ready(site).status_code == 200, "both servers serve again")  # noqa: B023
        known.assert_stays_revoked(there)
