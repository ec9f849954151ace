"""Writes the docs that are made from tables in the code; with ``--check`` it says which are out of date instead."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from bootgrant.acquire.errors import AcquireError, ExitStatus
from bootgrant.approval.grant import TRANSITIONS, GrantState
from bootgrant.service.settings_table import SETTINGS, Setting

ROOT = Path(__file__).resolve().parents[1]
NOTE = "<!-- Made by `make format` from {source}; changes belong there. -->\n"


def settings_page() -> str:
    rows = "\n".join(_setting_row(setting) for setting in SETTINGS)
    return f"""{NOTE.format(source="src/bootgrant/service/settings_table.py")}
# Settings

`bootgrant.toml` in the working folder; `bootgrant init DIR` writes one with every setting. A variable of the
environment overrules the file, a flag of `bootgrant serve` overrules both. Lists in the environment are separated by
commas. Durations are `250ms`, `90s`, `10m`, `4h`, `1h30m`. Folders are relative to the file. An unknown key is an
error.

| key | environment | flag | form | default | what it is |
| --- | --- | --- | --- | --- | --- |
{rows}
"""


def _setting_row(setting: Setting) -> str:
    default = setting.default
    shown = "required" if default is None else f"`{', '.join(default) if isinstance(default, tuple) else default}`"
    flag = f"`{setting.flag}`" if setting.flag else ""
    return (
        f"| `{setting.key}` | `{setting.environment}` | {flag} | {setting.kind.value} | {shown} | "
        f"{setting.help.replace('|', chr(92) + '|')} |"
    )


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


PAGES: Mapping[str, Callable[[], str]] = {
    "docs/settings.md": settings_page,
    "docs/grant_states.md": states_page,
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
