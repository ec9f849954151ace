"""``bootgrant pending``, and ``bootgrant approve`` of several machines: which are approved, and what is printed."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from support.site import CONFIG, Served, served

MODEL = """
entries:
  - {name: worker-1, match: {serial: SN0001}, labels: {role: worker}}
  - {name: worker-2, match: {serial: SN0002}, labels: {role: worker}}
  - {name: pool, match: {mac: "52:54:00:*"}, labels: {role: worker}}
  - {name: spare, labels: {role: worker}}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("several")
    with served(folder, machine=None) as running:
        running.stop()
        (running.machines / "all").mkdir(exist_ok=True)
        (running.machines / "all" / "00-base.yaml").write_text(CONFIG)
        (running.machines / "machines.yaml").write_text(MODEL)
        running.start()
        yield running


def ask(site: Served, **identity: str) -> str:
    form = {"client_id": "talos", **identity}
    answer = httpx2.post(f"{site.url}/device/code", data=form, trust_env=False)
    code: str = answer.raise_for_status().json()["user_code"]
    return code


def test_only_machines_that_an_entry_names_exactly_are_approved_together(site: Served) -> None:
    exact, pooled = ask(site, serial="SN0001"), ask(site, mac="52:54:00:00:00:01")
    assigned = ask(site, serial="SN0077")
    assert site.command("assign", assigned, "spare").returncode == 0
    one, twin = ask(site, serial="SN0002"), ask(site, serial="SN0002", mac="52:00:00:00:00:02")
    rows = {line.split()[0]: line for line in site.command("pending").stdout.splitlines()[1:]}
    for code, verdict in (
        (exact, "expected"),
        (pooled, "matched by pattern"),
        (assigned, "assigned by"),
        (one, "expected, not unique"),
        (twin, "expected, not unique"),
    ):
        assert f"  {verdict}  " in rows[code] or f"  {verdict} " in rows[code]
    done = site.command("approve", exact, pooled, assigned, one, twin)
    assert done.returncode == 1
    assert done.stdout == f"approved {exact} (serial=SN0001): it gets worker-1\n"
    refusals = done.stderr.splitlines()
    assert [line.partition(": ")[2].partition(":")[0].split()[0] for line in refusals] == [pooled, assigned, one, twin]
    assert f"{pooled} (mac=52:54:00:00:00:01): it is only matched by pattern (mac 52:54:00:*)" in refusals[0]
    assert site.command("approve", pooled).stdout == f"approved {pooled} (mac=52:54:00:00:00:01): it gets pool\n"
