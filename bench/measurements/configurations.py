"""Machine configurations: 2,000 entries checked, one rendered from cache, deliveries per second."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from bench.load.config import deliveries
from bench.measurements import Options
from bench.peers.bootgrant import bootgrant
from bench.peers.server import GRANT_TYPE, Server
from bench.processes import LOAD_CORE, OUT, ROOT
from bench.result import Bar, Result
from bench.rounds import Spread
from bootgrant.service.parts.machines import site_configurations
from bootgrant.service.settings.site import load_site
from bootgrant.service.system import SystemClock
from bootgrant.wire.identity import MachineIdentity

TITLE = "Machine configurations of five layers: check, cache, delivery"
_EXAMPLE = ROOT / "examples" / "fra" / "machines"
_CACHED = 20_000


def run(options: Options) -> Result:
    entries, seconds = (100, 1) if options.quick else (2_000, 5)
    rounds = 1 if options.quick else options.rounds
    with _site(entries) as folder:
        checks = [_checked(folder, entries) for _ in range(rounds)]
        options.say(f"  {entries} entries: {checks}")
        cached = [_from_cache(folder) for _ in range(rounds)]
        rates, costs = _delivered(folder, seconds, rounds)
    wall, memory = ([check[place] for check in checks] for place in (0, 1))
    micros, delivered, cost = Spread.of(cached), Spread.of(rates), Spread.of(costs)
    rows = [
        [f"{entries:,} entries checked, s", Spread.of(wall).shown(2)],
        ["memory of the check, MiB", Spread.of(memory).shown(0)],
        ["rendering from cache, µs", micros.shown(1)],
        ["deliveries per second on one core", delivered.shown(0)],
        ["CPU µs per delivery", cost.shown(0)],
    ]
    bars = [
        Bar(f"{entries:,} entries checked, s", rows[0][1], Spread.of(wall).median, 10.0, at_least=False),
        Bar("memory of the check, MiB", rows[1][1], Spread.of(memory).median, 200.0, at_least=False),
        Bar("rendering from cache, µs", rows[2][1], micros.median, 1000.0, at_least=False),
        Bar("deliveries per second", rows[3][1], delivered.median, 3000.0, at_least=True),
    ]
    figures: dict[str, object] = {"checks": checks, "cached": cached, "rates": rates, "costs": costs}
    return Result("configurations", TITLE, ("quantity", "result"), rows, bars, figures)


@contextmanager
def _site(entries: int) -> Iterator[Path]:
    """Create a machines folder with ``entries`` entries, each with its own template; the rest is from the example."""
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="machines-", dir=OUT) as place:
        folder = Path(place) / "machines"
        for path in sorted(_EXAMPLE.rglob("*.yaml")):
            copy = folder / path.relative_to(_EXAMPLE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
        template = (_EXAMPLE / "node/cp-1/01-network.yaml.j2").read_text()
        model = ['defaults: {layers: [all, "{role}", "hardware/{hardware}", "node/{name}"]}', "entries:"]
        for number in range(entries):
            own = folder / f"node/node-{number}"
            own.mkdir(parents=True)
            (own / "01-network.yaml.j2").write_text(template)
            address = f"10.20.{number // 250}.{number % 250}/16"
            model.append(f"  - name: node-{number}\n    match: {{uuid: {_uuid(number)}}}")
            model.append("    labels: {role: worker, hardware: r640}")
            model.append(f"    variables: {{address: {address}, gateway: 10.20.0.1}}")
        (folder / "machines.yaml").write_text("\n".join(model) + "\n")
        yield folder


def _uuid(number: int) -> str:
    return f"40dcbd19-3b10-444e-bfff-{number:012x}"


def _checked(folder: Path, entries: int) -> tuple[float, float]:
    """Return the seconds and MiB of `bootgrant check` on one core."""
    words = ["taskset", "--cpu-list", str(LOAD_CORE), sys.executable, "-m", "bootgrant", "check"]
    began = time.perf_counter()
    process = subprocess.Popen([*words, "--machines", str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    output = process.stdout.read() if process.stdout else ""
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if status or f"{entries} entries, no errors" not in output:
        raise RuntimeError(output)
    return seconds, used.ru_maxrss / 1024


def _from_cache(folder: Path) -> float:
    """Return the microseconds of a rendering through the port, from the cache."""
    config = folder.parent / "bootgrant.toml"
    config.write_text('public_url = "http://127.0.0.1:1"\n')

    async def measured() -> float:
        source = site_configurations(load_site(config), SystemClock())
        machine = MachineIdentity(_uuid(0))
        await source.render("node-0", machine)
        began = time.perf_counter()
        for _ in range(_CACHED):
            await source.render("node-0", machine)
        return (time.perf_counter() - began) / _CACHED * 1e6

    return asyncio.run(measured())


def _delivered(folder: Path, seconds: int, rounds: int) -> tuple[list[float], list[float]]:
    rates, costs = [], []
    with bootgrant({"machines": str(folder)}) as server:
        token = _token(server)
        deliveries(server, token, 1)
        for _ in range(rounds):
            before = server.running.usage()
            rate, count = deliveries(server, token, seconds)
            costs.append((server.running.usage().cpu - before.cpu) / count * 1e6)
            rates.append(rate)
    return rates, costs


def _token(server: Server) -> str:
    """Return the token of one machine, approved over the admin socket."""
    with httpx2.Client(base_url=server.url, trust_env=False, timeout=60) as machine:
        codes = machine.post("/device/code", data={"client_id": "talos", "uuid": _uuid(0)}).json()
        if server.folder is None:
            raise RuntimeError(f"{server.name} has no admin socket")
        words = [sys.executable, "-m", "bootgrant", "approve", codes["user_code"]]
        subprocess.run(
            [*words, "--config", str(server.folder / "bootgrant.toml")], cwd=ROOT, check=True, capture_output=True
        )
        asked = {"grant_type": GRANT_TYPE, "client_id": "talos", "device_code": codes["device_code"]}
        token: str = machine.post("/token", data=asked).json()["access_token"]
        return token
