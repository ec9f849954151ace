"""``[audit]``: where audit records are sent as they are written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bootgrant.service.settings.setting import setting, tables
from bootgrant.service.settings.summaries import summary_of

if TYPE_CHECKING:
    from bootgrant.workflows.record.stream_audit import SinkTarget


def _sinks(value: object, base: Path) -> tuple[SinkTarget, ...]:
    # Every command reads the settings, and most sites have no sink.
    from bootgrant.service.settings.audit_sinks import parse_sinks

    return parse_sinks(value, base)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """``[audit]``."""

    sinks: tuple[SinkTarget, ...] = setting(
        replace(
            tables(_sinks),
            summary=summary_of("kind", "name", "start", "path", "sync", "address", "security", "body"),
        ),
        (),
        "Where each audit record is sent as it is written, each as [[audit.sinks]]: a file, a syslog server, or an "
        "HTTP server (docs/audit-stream.md).",
        example=("[[audit.sinks]]", 'kind = "syslog"', 'name = "logs"', 'address = "logs.example.org:6514"'),
    )
