"""Read ``bootgrant.toml``: the file, overridden by ``BOOTGRANT_…`` variables, overridden by flags of ``serve``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bootgrant.operator_plane.shown_setting import ShownSetting
from bootgrant.service.settings.setting import BadSetting, Setting, SettingsError, as_written, did_you_mean, read
from bootgrant.service.settings.site import SETTINGS, Site

__all__ = ["SettingsError", "Site", "load_site"]


def load_site(
    config: Path, environment: Mapping[str, str] | None = None, flags: Mapping[str, str] | None = None
) -> Site:
    """Return the site that ``config`` describes. ``flags`` maps keys to values. Raises SettingsError."""
    written = _read_file(config)
    places = {key: f"{config}: {key}" for key in written}
    for setting in SETTINGS:
        for place, given in (
            (setting.environment, (environment or {}).get(setting.environment)),
            (setting.flag, (flags or {}).get(setting.key)),
        ):
            if given is not None and setting.form.file_only:
                raise SettingsError(f"{place}: {setting.key} can only be set in {config}")
            if given is not None:
                written[setting.key], places[setting.key] = _split(setting, given), place
    try:
        site = read(Site, written, config.absolute().parent)
        site.check()
    except BadSetting as bad:
        raise SettingsError(f"{places.get(bad.key, bad.key)}: {bad.problem}") from None
    return replace(site, shown=tuple(_shown(setting, written) for setting in SETTINGS))


def _split(setting: Setting, given: str) -> str | list[str]:
    if not setting.form.is_list:
        return given
    return [part.strip() for part in given.split(",") if part.strip()]


def _read_file(config: Path) -> dict[str, object]:
    try:
        table = tomllib.loads(config.read_text("utf-8"))
    except FileNotFoundError:
        raise SettingsError(
            f"{config} does not exist: create a site with `bootgrant init DIR`, or name its file with --config"
        ) from None
    except OSError as error:
        raise SettingsError(f"{config} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{config} is not TOML: {error}") from error
    found = _flatten(table)
    known = [setting.key for setting in SETTINGS]
    for key in found:
        if key not in known:
            raise SettingsError(f"{config}: there is no setting {key!r}{did_you_mean(key, known)}")
    return found


def _flatten(table: Mapping[str, object]) -> dict[str, object]:
    """The values by their keys: a key in a section is ``section.key``."""
    found: dict[str, object] = {}
    for key, value in table.items():
        found |= {f"{key}.{name}": inner for name, inner in value.items()} if isinstance(value, dict) else {key: value}
    return found


def _shown(setting: Setting, written: Mapping[str, object]) -> ShownSetting:
    """The setting as the pages show it. A value that may hold a secret is hidden, unless it is the default."""
    value = written.get(setting.key, setting.default)
    value = tuple(value) if isinstance(value, list) else value
    is_default = value == setting.default
    show = setting.form.show or (as_written if is_default or not value else None)
    return ShownSetting(setting.key, show(value) if show and value else "", setting.help, is_default, show is None)
