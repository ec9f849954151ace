"""Read ``bootgrant.toml``: the file, overridden by ``BOOTGRANT_…`` variables, overridden by flags of ``serve``."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from bootgrant.operator_plane.shown_setting import ShownSetting
from bootgrant.service.settings.forms import SettingsError, as_written, did_you_mean
from bootgrant.service.settings.setting import Setting, inner_sections, own_settings
from bootgrant.service.settings.site import SETTINGS, Site

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    S = TypeVar("S", bound=DataclassInstance)

__all__ = ["SettingsError", "Site", "load_site"]


@dataclass(frozen=True, slots=True)
class _Written:
    """A value as it was found, and where."""

    value: object
    where: str


def load_site(
    config: Path, environment: Mapping[str, str] | None = None, flags: Mapping[str, str] | None = None
) -> Site:
    """Return the site that ``config`` describes. ``flags`` maps keys to values. Raises SettingsError."""
    written = _read_file(config)
    for setting in SETTINGS:
        if (given := (environment or {}).get(setting.environment)) is not None:
            written[setting.key] = _split(setting, given, setting.environment, config)
        if flags and setting.key in flags:
            written[setting.key] = _split(setting, flags[setting.key], setting.flag, config)
    site = _section(Site, written, config.absolute().parent)
    for key, problem in site.conflicts():
        raise SettingsError(f"{written[key].where}: {problem}")
    return replace(site, shown=tuple(_shown(setting, written) for setting in SETTINGS))


def _split(setting: Setting, given: str, where: str, config: Path) -> _Written:
    if setting.form.file_only:
        raise SettingsError(f"{where}: {setting.key} can only be set in {config}")
    parts = [part.strip() for part in given.split(",") if part.strip()]
    return _Written(parts if setting.form.is_list else given, where)


def _read_file(config: Path) -> dict[str, _Written]:
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
    found = {key: _Written(value, f"{config}: {key}") for key, value in _flatten(table)}
    known = [setting.key for setting in SETTINGS]
    for key in found:
        if key not in known:
            raise SettingsError(f"{config}: there is no setting {key!r}{did_you_mean(key, known)}")
    return found


def _flatten(table: Mapping[str, object]) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    for key, value in table.items():
        if isinstance(value, dict):
            rows += [(f"{key}.{name}", inner) for name, inner in value.items()]
        else:
            rows.append((key, value))
    return rows


def _section(section: type[S], written: Mapping[str, _Written], base: Path, name: str = "") -> S:
    values = {setting.name: _value(setting, written, base) for setting in own_settings(section, name)}
    inner = {key: _section(kind, written, base, key) for key, kind in inner_sections(section).items()}
    make: Callable[..., S] = section
    return make(**values, **inner)


def _value(setting: Setting, written: Mapping[str, _Written], base: Path) -> object:
    found = written.get(setting.key, _Written(setting.default, setting.key))
    if found.value is None:
        raise SettingsError(f"{setting.key} is missing: {setting.help}")
    try:
        return setting.form.parse(found.value, base)
    except ValueError as error:
        raise SettingsError(f"{found.where}: {error}") from None


def _shown(setting: Setting, written: Mapping[str, _Written]) -> ShownSetting:
    """The setting as the pages show it. A value that may hold a secret is hidden, unless it is the default."""
    value = written[setting.key].value if setting.key in written else setting.default
    value = tuple(value) if isinstance(value, list) else value
    is_default = value == setting.default
    show = setting.form.show or (as_written if is_default or not value else None)
    return ShownSetting(setting.key, show(value) if show and value else "", setting.help, is_default, show is None)
