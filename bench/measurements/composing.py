"""A Talos configuration of 100 KiB composed of five layers, compared with talosctl as a process."""

from __future__ import annotations

import statistics
from time import perf_counter, process_time

from bench.measurements import Options
from bench.result import Bar, Result
from bootgrant.machines.talos.composing import compose
from bootgrant.machines.talos.documents import Part

TITLE = "A Talos configuration of 100 KiB composed of five layers"
REFERENCE_MS = 62.0
"""The time of `talosctl machineconfig patch` as a process, on a reference computer with 2 cores."""


def run(options: Options) -> Result:
    parts = layers()
    size = len(compose(parts).config)
    wall, cpu = _times(parts, 10 if options.quick else 40 * options.rounds)
    with_origins, _ = _times(parts, 5 if options.quick else 20, origins=True)
    rows = [
        ["composing", f"{size / 1024:.0f} KiB", f"{statistics.median(wall):.1f}", f"{statistics.median(cpu):.1f}"],
        [
            "composing with the origin of each value",
            f"{size / 1024:.0f} KiB",
            f"{statistics.median(with_origins):.1f}",
            "",
        ],
    ]
    median = statistics.median(wall)
    bar = Bar("composing, median ms", f"{median:.1f}", median, REFERENCE_MS, at_least=False)
    head = ("operation", "result", "median ms", "median CPU ms")
    return Result("composing", TITLE, head, rows, [bar], {"wall_ms": median, "cpu_ms": statistics.median(cpu)})


def _times(parts: list[Part], times: int, *, origins: bool = False) -> tuple[list[float], list[float]]:
    compose(parts)
    wall, cpu = [], []
    for _ in range(times):
        before, spent = perf_counter(), process_time()
        made = compose(parts)
        if origins:
            len(made.origins)
        wall.append((perf_counter() - before) * 1000)
        cpu.append((process_time() - spent) * 1000)
    return wall, cpu


def layers() -> list[Part]:
    """Return a typical base of 95 KiB (files, manifests, labels) and four patches."""
    files = "".join(_file(number) for number in range(220))
    labels = "".join(f'    example.org/label-{number}: "value {number}"\n' for number in range(300))
    manifests = "".join(_manifest(number) for number in range(160))
    base = (
        "version: v1alpha1\nmachine:\n  type: controlplane\n  token: abcdef.0123456789abcdef\n"
        f"  network:\n    interfaces:\n{_links()}  files:\n{files}  nodeLabels:\n{labels}"
        "cluster:\n  controlPlane:\n    endpoint: https://k8s.example.org:6443\n  apiServer:\n    certSANs: [k8s]\n"
        f"  inlineManifests:\n{manifests}"
    )
    sysctls = "".join(f'    net.example.key{number}: "{number}"\n' for number in range(60))
    patches = {
        "role/controlplane.yaml": f"machine:\n  sysctls:\n{sysctls}",
        "hardware/r640.yaml": "machine:\n  install: {disk: /dev/nvme0n1}\n  kernel: {modules: [{name: nvme_tcp}]}\n",
        "site/fra.yaml": "machine:\n  time: {servers: [a.example]}\ncluster:\n  apiServer: {certSANs: [10.0.0.1]}\n",
        "machine/cp-1.yaml": "machine:\n  network:\n    interfaces: [{interface: eth0, addresses: [10.20.0.11/24]}]\n"
        "---\napiVersion: v1alpha1\nkind: HostnameConfig\nhostname: cp-1\n",
    }
    return [Part("all.yaml", base.encode()), *(Part(name, text.encode()) for name, text in patches.items())]


def _file(number: int) -> str:
    text = (
        f"    - content: |\n        setting-one = {number}\n        setting-two = a longer text of the file {number}\n"
    )
    return f"{text}      permissions: 0o644\n      path: /var/etc/example-{number}.conf\n      op: create\n"


def _manifest(number: int) -> str:
    text = "        apiVersion: v1\n        kind: ConfigMap\n        metadata:\n          namespace: kube-system\n"
    values = "".join(f"          key-{key}: value {key} of {number}\n" for key in range(4))
    return f"    - name: map-{number}\n      contents: |\n{text}          name: map-{number}\n        data:\n{values}"


def _links() -> str:
    return "".join(f"      - {{interface: eth{number}, mtu: 9000, dhcp: false}}\n" for number in range(8))
