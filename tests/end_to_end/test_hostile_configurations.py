"""End to end: what authors of configurations can write does not stop `bootgrant serve`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from support.grants import UUID
from support.layered_site import BASE
from support.site import Served, booting, served, wait_until

LIMITS = 'entry_cpu = "500ms"\nentry_time = "60s"\nentry_memory = "64MiB"'
MODEL = f"""\
defaults: {{layers: [all, "node/{{name}}"]}}
entries:
  - {{name: good, match: {{uuid: {UUID}}}}}
  - {{name: loop, match: {{serial: SN-LOOP-1}}}}
  - {{name: memory, match: {{serial: SN-MEMORY-1}}}}
  - {{name: merge, match: {{serial: SN-MERGE-1}}}}
"""
HOSTS = "".join(f"      - {{ip: 10.0.{n // 250}.{n % 250}, aliases: [h{n}]}}\n" for n in range(30_000))
LOOP = "{% for a in range(99999) %}\n{% for b in range(99999) %}{% endfor %}{% endfor %}"
BOMBS = {
    "good": ("10.yaml", "# nothing\n"),
    "loop": ("10.yaml.j2", "{% set _bootgrant_budget = 1 %}" + LOOP),
    "memory": ("10.yaml.j2", "a: 1\n# {{ (5).to_bytes(5000000000, 'big') | length }}\n"),
    "merge": ("10.yaml", f"machine:\n  network:\n    extraHostEntries:\n{HOSTS}"),
}


def write(machines: Path, cluster: str, *, bombs: bool) -> None:
    """Write the files of the site. Those who look for a change wait until the folder is quiet."""
    for name, (file, text) in BOMBS.items():
        (machines / "node" / name).mkdir(parents=True, exist_ok=True)
        (machines / "node" / name / file).write_text(text if bombs else "# nothing\n")
    (machines / "all").mkdir(exist_ok=True)
    (machines / "all/00-base.yaml").write_text(BASE.replace("demo", cluster))
    (machines / "machines.yaml").write_text(MODEL)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path, machine=None, settings=LIMITS) as running:
        yield running


def delivered(site: Served, folder: Path) -> str:
    folder.mkdir()
    with booting(site.url, folder) as machine:
        approved = site.command("approve", machine.code())
        assert approved.returncode == 0, approved.stderr
        return machine.delivered()


def test_bombs_in_the_configurations_leave_the_rest_of_the_server_as_it_is(site: Served, tmp_path: Path) -> None:
    write(site.machines, "first", bombs=False)
    wait_until(lambda: "4 entries" in site.log, "the first revision is served")
    first = site.configurations()["revision"]
    # A change with bombs: refused, named, and everything else is answered meanwhile.
    write(site.machines, "second", bombs=True)
    wait_until(lambda: site.configurations()["problem"], "the change is refused", 90)
    assert httpx2.get(f"{site.url}/healthz", timeout=5).status_code == 200
    assert site.configurations()["revision"] == first
    for file in ("node/loop/10.yaml.j2:2: takes more than", "node/memory/10.yaml.j2:2: ", "node/merge/10.yaml"):
        assert file in site.log
    assert "clusterName: first" in delivered(site, tmp_path / "one")
    # A later good change is taken.
    write(site.machines, "third", bombs=False)
    wait_until(lambda: not site.configurations()["problem"], "the good change is served", 90)
    assert "clusterName: third" in delivered(site, tmp_path / "two")
    # A start on bombs: the good entries are served.
    write(site.machines, "fourth", bombs=True)
    assert site.stop() == 0
    site.start()
    wait_until(lambda: "fourth" in delivered_if_served(site, tmp_path), "the good entries are served", 90)
    # A signal while it works on bombs.
    write(site.machines, "fifth", bombs=True)
    wait_until(lambda: workers(site.server_pid) > 1, "it works on the change")
    assert site.stop() == 0
    assert "Traceback" not in site.log


def workers(server: int) -> int:
    """How many processes the threads of a server have started: one for what is served, one for what is read."""
    count = 0
    for task in Path(f"/proc/{server}/task").iterdir():
        with contextlib.suppress(FileNotFoundError):
            count += len((task / "children").read_text().split())
    return count


def delivered_if_served(site: Served, folder: Path) -> str:
    if not site.configurations()["revision"]:
        return ""
    return delivered(site, folder / "three")
