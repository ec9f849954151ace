"""The server of the previous release is replaced by this version while machines wait (docs/upgrade.md)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from support.faults import rounds
from support.grants import UUID
from support.machine import DEVICE_GRANT, TALOS
from support.nodes import Nodes
from support.older_code import served_by
from support.older_site import IS_WHOLE
from support.postgres_cluster import PASSWORD, Cluster
from support.replicas import copied
from support.site import CONFIG, Served

pytestmark = pytest.mark.timeout(1800)
PREVIOUS = "8bea724"
"""The last commit of 0.1.0, which had no tag."""


in_packaging = pytest.mark.skipif(not IS_WHOLE, reason="a part of `make test-packaging`")


@pytest.mark.parametrize("version", ["7a656c6", PREVIOUS] if IS_WHOLE else [PREVIOUS])
def test_an_upgrade_behind_open_sockets_loses_no_code(tmp_path: Path, seed: int, version: str) -> None:
    with served_by(version, tmp_path) as (site, code):
        nodes = Nodes(seed, site, count=rounds(12, 36))
        with nodes.booting() as count:
            nodes.wait_for_more(12)
            code.upgrade()
            done = site.command("reload")
            assert done.returncode == 0, done.stderr
            nodes.wait_for_more(24)
        assert (count.lost, count.delivered > 0) == (0, True), count
        assert "Traceback" not in site.log
        # The next server is this version, and what the old one wrote is intact.
        assert httpx2.get(f"{site.url}/metrics").text.count("bootgrant_audit_sink_lag_records") >= 1
        assert site.command("audit", "verify").returncode == 0


def ask(site: Served) -> dict[str, Any]:
    codes: dict[str, Any] = httpx2.post(f"{site.url}/device/code", data=TALOS, timeout=60).json()
    return codes


def poll(site: Served, codes: dict[str, Any]) -> dict[str, Any]:
    form = {**TALOS, "grant_type": DEVICE_GRANT, "device_code": codes["device_code"]}
    answer: dict[str, Any] = httpx2.post(f"{site.url}/token", data=form, timeout=60).json()
    return answer


def fetch(site: Served, token: str) -> str:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx2.get(f"{site.url}/config?uuid={UUID}", headers=headers, timeout=60).text


def refused_start(site: Served) -> str:
    """Start a server that must not start, and return what it said last."""
    before = len(site.log) if (site.folder / "serve.log").exists() else 0
    site.launch()
    assert site.process.wait(60) == 1, site.log
    return site.log[before:]


def two_versions(folder: Path, cluster: Cluster) -> Any:
    password = folder / "database-password"
    password.write_text(PASSWORD)
    url = cluster.url(cluster.create(), "")
    return served_by(PREVIOUS, folder, "--database-url", url, "--database-password-file", str(password))


@in_packaging
def test_servers_of_two_versions_share_a_database_while_they_are_replaced(tmp_path: Path, postgres: Cluster) -> None:
    with two_versions(tmp_path, postgres) as (old, code):
        waiting = ask(old)
        new = copied(old, tmp_path / "second")
        new.variables = {}
        assert "lacks " in refused_start(new)
        assert "0026_audit_sinks" in new.command("migrate").stdout
        new.start()
        try:
            with ThreadPoolExecutor() as pool:
                held = pool.submit(poll, old, waiting)
                assert new.command("approve", waiting["user_code"]).returncode == 0
                token = held.result(60)["access_token"]
            assert [fetch(new, token), fetch(old, token)] == [CONFIG, CONFIG]
            there = ask(new)
            with ThreadPoolExecutor() as pool:
                held = pool.submit(poll, new, there)
                words = ("approve", there["user_code"], "--config", str(old.made.config))
                assert code.run(*words).returncode == 0
                assert fetch(old, held.result(60)["access_token"]) == CONFIG
            for site in (old, new):
                assert site.command("audit", "verify").returncode == 0
            # An old server that ends does not start again.
            old.stop()
            assert "was written by a newer bootgrant" in refused_start(old)
            code.upgrade()
            old.start()
            third = ask(old)
            assert new.command("deny", third["user_code"], "--reason", "not today").returncode == 0
            assert poll(old, third)["error"] == "access_denied"
        finally:
            if new.process.poll() is None:
                new.kill()


@in_packaging
def test_a_downgrade_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with served_by(PREVIOUS, tmp_path) as (site, code):
        codes = ask(site)
        site.stop()
        code.upgrade()
        assert site.command("migrate").stdout.splitlines()[-1] == "the database has this version's schema"
        code.install(tmp_path / "versions" / PREVIOUS / "src")
        said = refused_start(site)
        assert "was written by a newer bootgrant (it has 0025" in said or "(it has 0026_audit_sinks" in said
        assert "run that version, or restore the copy made before the upgrade" in said
        # Nothing was changed, so the newer version continues.
        code.upgrade()
        site.start()
        assert site.command("approve", codes["user_code"]).returncode == 0
        assert fetch(site, poll(site, codes)["access_token"]) == CONFIG
