"""Machine configurations: 2,000 entries checked, 100 KiB composed and from the cache, deliveries per second."""

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
from bench.processes import LOAD_CORE, OUT, ROOT, children, most_memory
from bench.result import Bar, Result
from bench.rounds import Spread
from bootgrant.service.parts.machines import site_configurations
from bootgrant.service.settings.site import load_site
from bootgrant.service.system import SystemClock
from bootgrant.wire.identity import MachineIdentity

TITLE = "Machine configurations of five layers: check, cache, delivery"
_EXAMPLE = ROOT / "examples" / "fra" / "machines"
_CACHED = 20_000
_LAYERS = 5
_LAYER_SIZE = 20 << 10
_COMPOSED = 20


def run(options: Options) -> Result:
    entries, seconds = (100, 1) if options.quick else (2_000, 5)
    rounds = 1 if options.quick else options.rounds
    with _site(entries) as folder:
        checks = [_checked(folder, entries) for _ in range(rounds)]
        options.say(f"  {entries} entries: {checks}")
        cached = [_from_cache(folder) for _ in range(rounds)]
        rates, costs = _delivered(folder, seconds, rounds)
    with _large_site() as folder:
        large = [_composed(folder) for _ in range(rounds)]
        options.say(f"  {_LAYERS} layers of 100 KiB, ms cold and cached: {large}")
    wall, memory, workers = ([check[place] for check in checks] for place in (0, 1, 2))
    micros, delivered, cost = Spread.of(cached), Spread.of(rates), Spread.of(costs)
    cold, again = (Spread.of([one[place] for one in large]) for place in (0, 1))
    rows = [
        [f"{entries:,} entries checked, s", Spread.of(wall).shown(2)],
        ["memory of the check, MiB", Spread.of(memory).shown(0)],
        ["memory of its worker, MiB", Spread.of(workers).shown(0)],
        [f"100 KiB of {_LAYERS} layers composed and checked, ms", cold.shown(1)],
        ["the same from cache, ms", again.shown(3)],
        ["rendering from cache, µs", micros.shown(1)],
        ["deliveries per second on one core", delivered.shown(0)],
        ["CPU µs per delivery", cost.shown(0)],
    ]
    bars = [
        Bar(f"{entries:,} entries checked, s", rows[0][1], Spread.of(wall).median, 10.0, at_least=False),
        Bar("memory of the check, MiB", rows[1][1], Spread.of(memory).median, 200.0, at_least=False),
        Bar("memory of its worker, MiB", rows[2][1], Spread.of(workers).median, 256.0, at_least=False),
        Bar(rows[3][0], rows[3][1], cold.median, 40.0, at_least=False),
        Bar(rows[4][0], rows[4][1], again.median, 1.0, at_least=False),
        Bar("rendering from cache, µs", rows[5][1], micros.median, 1000.0, at_least=False),
        Bar("deliveries per second", rows[6][1], delivered.median, 3000.0, at_least=True),
    ]
    figures: dict[str, object] = {
        "checks": checks, "composed": large, "cached": cached, "rates": rates, "costs": costs,
    }  # fmt: skip
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


@contextmanager
def _large_site() -> Iterator[Path]:
    """Create a machines folder with entries of a base and ``_LAYERS`` layers, the last one their own: 100 KiB each."""
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="machines-", dir=OUT) as place:
        folder = Path(place) / "machines"
        (folder / "all").mkdir(parents=True)
        model = ['defaults: {layers: [all, "node/{name}"]}', "entries:"]
        for path in sorted((_EXAMPLE / "all").glob("*.yaml")):
            (folder / "all" / path.name).write_bytes(path.read_bytes())
        for layer in range(1, _LAYERS):
            (folder / "all" / f"{50 + layer}-large.yaml").write_text(_large_layer(layer))
        for number in range(_COMPOSED):
            own = folder / f"node/node-{number}"
            own.mkdir(parents=True)
            (own / "01-large.yaml").write_text(_large_layer(_LAYERS))
            model.append(f"  - name: node-{number}\n    match: {{uuid: {_uuid(number)}}}")
        (folder / "machines.yaml").write_text("\n".join(model) + "\n")
        yield folder


def _large_layer(layer: int) -> str:
    """A patch of 20 KiB: kernel settings, names of hosts, and the content of a file."""
    settings = "".join(f'    net.ipv4.layer{layer}.setting{number:03}: "{number}"\n' for number in range(150))
    hosts = "".join(f"      - {{ip: 10.{layer}.0.{n}, aliases: [host-{layer}-{n}.example]}}\n" for n in range(100))
    start = f"machine:\n  sysctls:\n{settings}  network:\n    extraHostEntries:\n{hosts}  files:\n"
    start += f"    - path: /var/etc/layer{layer}.conf\n      op: create\n      permissions: 0o644\n      content: |\n"
    lines = (f"        option-{number:03} = value of option {number}\n" for number in range(1000))
    while len(start) < _LAYER_SIZE:
        start += next(lines)
    return start


def _composed(folder: Path) -> tuple[float, float]:
    """Return the milliseconds of composing and checking a configuration in the worker, and of the next request."""
    config = folder.parent / "bootgrant.toml"
    config.write_text('public_url = "http://127.0.0.1:1"\n')

    async def measured() -> tuple[float, float]:
        source = site_configurations(load_site(config), SystemClock())
        await source.entries()
        times = []
        for _ in range(2):
            began = time.perf_counter()
            for number in range(_COMPOSED):
                if await source.render(f"node-{number}", MachineIdentity(_uuid(number))) is None:
                    raise RuntimeError("a large configuration is not served")
            times.append((time.perf_counter() - began) / _COMPOSED * 1e3)
        return times[0], times[1]

    return asyncio.run(measured())


def _checked(folder: Path, entries: int) -> tuple[float, float, float]:
    """Return the seconds of `bootgrant check` on one core, and the most MiB of it and of its worker."""
    words = ["taskset", "--cpu-list", str(LOAD_CORE), sys.executable, "-m", "bootgrant", "check"]
    began = time.perf_counter()
    process = subprocess.Popen([*words, "--machines", str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    own = worker = status = 0
    # An ended process has no memory left to read, and the kernel adds its children's to its own.
    while not os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        own = max(own, most_memory(process.pid))
        worker = max([worker, *(most_memory(child) for child in children(process.pid))])
        time.sleep(0.02)
    seconds = time.perf_counter() - began
    output = process.stdout.read() if process.stdout else ""
    _, status = os.waitpid(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if status or f"{entries} entries, no errors" not in output:
        raise RuntimeError(output)
    return seconds, own / (1 << 20), worker / (1 << 20)


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
