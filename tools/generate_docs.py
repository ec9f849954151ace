"""Writes the docs that are made from tables in the code; with ``--check`` it says which are out of date instead."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from bootgrant.acquire.errors import AcquireError, ExitStatus
from bootgrant.approval.grant import TRANSITIONS, GrantState
from bootgrant.service.metrics.table import METRICS
from bootgrant.service.settings.setting import Setting
from bootgrant.service.settings.site import SETTINGS

ROOT = Path(__file__).resolve().parents[1]
NOTE = "<!-- Made by `make format` from {source}; changes belong there. -->\n"


def settings_page() -> str:
    rows = "\n".join(_setting_row(setting) for setting in SETTINGS)
    return f"""{NOTE.format(source="src/bootgrant/service/settings/site.py")}
# Settings

The settings of a site are in `bootgrant.toml`; `bootgrant init DIR` writes one with every setting. An environment
variable overrides the file, and a flag of `bootgrant serve` overrides both. Tables can only be set in the file.

Lists in the environment are separated by commas. Durations are written `250ms`, `90s`, `10m`, `4h` or `1h30m`.
Relative paths start from the folder of the file. An unknown key is an error.

| key | environment | flag | form | default | meaning |
| --- | --- | --- | --- | --- | --- |
{rows}
"""


def _setting_row(setting: Setting) -> str:
    match setting.default:
        case None:
            default = "required"
        case "" | ():
            default = "none"
        case (*items,):
            default = f"`{', '.join(items)}`"
        case value:
            default = f"`{value}`"
    environment = "file only" if setting.form.file_only else f"`{setting.environment}`"
    flag = f"`{setting.flag}`" if setting.flag else ""
    help_text = setting.help.replace("|", "\\|")
    return f"| `{setting.key}` | {environment} | {flag} | {setting.form.name} | {default} | {help_text} |"


def states_page() -> str:
    arrows = "\n".join(f"    {old.value} --> {new.value}: {event.value}" for (old, event), new in TRANSITIONS.items())
    final = "\n".join(f"    {state.value} --> [*]" for state in GrantState if not _leaves(state))
    return f"""{NOTE.format(source="src/bootgrant/approval/grant.py")}
# The life of a grant

One device authorization (RFC 8628), from the machine's request to the delivered configuration. What has no arrow is
refused.

```mermaid
stateDiagram-v2
    [*] --> pending: a machine asks
{arrows}
{final}
```
"""


def _leaves(state: GrantState) -> bool:
    return any(old is state for old, _ in TRANSITIONS)


def exit_status_page() -> str:
    kinds: Mapping[int, str] = {kind.status: kind.__name__ for kind in AcquireError.__subclasses__()}
    rows = "\n".join(f"| {status.value} | {_meaning(status, kinds)} |" for status in ExitStatus)
    return f"""{NOTE.format(source="src/bootgrant/acquire/errors.py")}
# Exit statuses of `bootgrant acquire`

A failure ends with one line on standard error that says what failed and what to do, and with one of these:

| status | when |
| --- | --- |
{rows}
"""


def _meaning(status: ExitStatus, kinds: Mapping[int, str]) -> str:
    fixed = {
        ExitStatus.OK: "the configuration is delivered, or was there already",
        ExitStatus.USAGE: "the command line of `bootgrant acquire` itself is wrong",
        ExitStatus.INTERRUPTED: "interrupted (Ctrl-C)",
        ExitStatus.TERMINATED: "ended by SIGTERM",
    }
    if status in fixed:
        return fixed[status]
    name = kinds[status]
    lines = (line for line in (sys.modules[AcquireError.__module__].__doc__ or "").splitlines() if name in line)
    return next(lines).split(name, 1)[1].strip()


def metrics_page() -> str:
    rows = "\n".join(
        f"| `{metric.name}` | {metric.kind.value} | {_named(metric.labels)} | {metric.help} |" for metric in METRICS
    )
    return f"""{NOTE.format(source="src/bootgrant/service/metrics/table.py")}
# Metrics

`GET /metrics` answers in the formats of Prometheus and OpenMetrics, on `listen`. The setting `networks.metrics` says
who may read it: loopback and private networks, unless you name others. A request that a proxy passed on is refused
unless `networks.trusted_proxies` names the proxy, because every reader would have the proxy's address. No machine,
no code and no person is named in the answer.

Counters belong to one server, and begin at 0 when it starts. The first three gauges below come from the database:
servers of one PostgreSQL all tell the same, so take their `max`, not their `sum`. Durations are in seconds.

| metric | kind | labels | what it is |
| --- | --- | --- | --- |
{rows}

Beside these stand prometheus-client's own of every Python process: `process_*` (CPU, memory, open files),
`python_info`, `python_gc_*`.

## Prometheus and Grafana

```yaml
scrape_configs:
  - job_name: bootgrant
    static_configs:
      - targets: ["127.0.0.1:8080"]
```

`packaging/grafana/bootgrant.json` is a dashboard of all of them: in Grafana, Dashboards, New, Import.

Worth an alert: `bootgrant_store_up == 0`, `bootgrant_pending_oldest_seconds > 300` (codes live 10 minutes unless
`grants.lifetime` says otherwise), `bootgrant_approved_unfetched > 0` for longer than a machine needs to boot.
"""


def _named(labels: tuple[str, ...]) -> str:
    return ", ".join(f"`{label}`" for label in labels)


PAGES: Mapping[str, Callable[[], str]] = {
    "docs/settings.md": settings_page,
    "docs/grant_states.md": states_page,
    "docs/metrics.md": metrics_page,
    "docs/exit_statuses.md": exit_status_page,
}


def main(arguments: list[str]) -> int:
    stale = [name for name, page in PAGES.items() if not _same(ROOT / name, page())]
    if "--check" in arguments:
        for name in stale:
            print(f"{name} is out of date: run `make format`", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        (ROOT / name).write_text(PAGES[name](), "utf-8")
    return 0


def _same(path: Path, text: str) -> bool:
    return path.exists() and path.read_text("utf-8") == text


sys.exit(main(sys.argv[1:]))
