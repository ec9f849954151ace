"""How a setting is declared: a field of a dataclass, with its form, its default and its help."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from bootgrant.service.settings.forms import Form

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")
Written = str | int | tuple[str, ...]
_SETTING: Final = "setting"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. ``default`` is what the file would say, None if the setting is required.

    ``example`` shows lines of TOML for a table. ``section`` and ``name`` are filled in from the declaration.
    """

    form: Form[object]
    default: Written | None
    help: str
    flag: str = ""
    example: tuple[str, ...] = ()
    section: str = ""
    name: str = ""

    @property
    def key(self) -> str:
        """The key in the file, such as ``grants.hold``."""
        return f"{self.section}.{self.name}" if self.section else self.name

    @property
    def environment(self) -> str:
        """The variable that overrides the file."""
        return "BOOTGRANT_" + self.key.replace(".", "_").upper()


def setting(form: Form[T], default: Written | None, about: str, *, flag: str = "", example: tuple[str, ...] = ()) -> T:
    """Declare a setting as a field of a section; the type of the form is the type of the field."""
    row = Setting(form, default, about, flag, example)
    return field(default_factory=lambda: form.parse(default, Path()), metadata={_SETTING: row})


def own_settings(section: type[DataclassInstance], name: str = "") -> list[Setting]:
    """The settings that a section declares itself."""
    return [
        replace(row, section=name, name=each.name) for each in fields(section) if (row := each.metadata.get(_SETTING))
    ]


def inner_sections(section: type[DataclassInstance]) -> dict[str, type[DataclassInstance]]:
    """The sections in a section, by name."""
    held: list[tuple[str, object]] = [(each.name, each.default_factory) for each in fields(section)]
    return {name: kind for name, kind in held if isinstance(kind, type) and is_dataclass(kind)}


def all_settings(site: type[DataclassInstance]) -> Iterator[Setting]:
    """The settings of a site and of its sections, in the order of their declaration."""
    inner = inner_sections(site)
    own = {row.name: row for row in own_settings(site)}
    for each in fields(site):
        if each.name in own:
            yield own[each.name]
        elif each.name in inner:
            yield from own_settings(inner[each.name], each.name)
