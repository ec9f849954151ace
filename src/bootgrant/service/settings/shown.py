"""The settings as the pages show them. What may hold a secret is not shown: only kinds that are named here are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bootgrant.operator_plane.shown_setting import ShownSetting
from bootgrant.service.settings.table import SETTINGS, Kind, Setting

_OPEN: Final = frozenset(
    {
        Kind.URL, Kind.LISTEN, Kind.FOLDER, Kind.DURATION, Kind.NETWORKS, Kind.COUNT, Kind.CONFIRM, Kind.OPTIONAL_FILE,
        Kind.OPTIONAL_URL, Kind.OPTIONAL_LISTEN, Kind.TEXTS, Kind.LOG_FORMAT,
    }
)  # fmt: skip


def shown_settings(values: Mapping[str, tuple[object, str]]) -> tuple[ShownSetting, ...]:
    """Each setting as it was written. ``values`` maps keys to what was found, and where."""
    return tuple(_shown(setting, values.get(setting.key, (setting.default, ""))[0]) for setting in SETTINGS)


def _shown(setting: Setting, value: object) -> ShownSetting:
    value = tuple(value) if isinstance(value, list) else value
    told = _told(setting, value)
    return ShownSetting(setting.key, told or "", setting.help, value == setting.default, told is None)


def _told(setting: Setting, value: object) -> str | None:
    """None for what is hidden."""
    if not value:
        return ""
    if setting.kind in _OPEN or value == setting.default:
        return ", ".join(str(item) for item in value) if isinstance(value, tuple) else str(value)
    if setting.kind is Kind.CLIENTS and isinstance(value, tuple):
        return ", ".join(str(row["id"]) for row in value if isinstance(row, dict) and "id" in row)
    return None
