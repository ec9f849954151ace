"""How a setting is declared: as a field of a dataclass, with its form, its default and its help.

A dataclass of such fields is a section of ``bootgrant.toml``, or a row of one of its arrays of tables.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    G = TypeVar("G", bound=DataclassInstance)

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Default = str | int | tuple[str, ...]
_SETTING: Final = "setting"


class SettingsError(Exception):
    """A setting that cannot be used. The text names the file or variable, the key, and what to write."""


class BadSetting(ValueError):
    """What is wrong with the value of one key."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}")
        self.key = key
        self.problem = problem


def as_written(value: object) -> str:
    """A value as the settings page shows it."""
    return ", ".join(str(item) for item in value) if isinstance(value, (list, tuple)) else str(value)


@dataclass(frozen=True, slots=True)
class Form(Generic[T_co]):
    """A form of values, under the name that the documentation uses.

    ``parse`` takes the value as it is written and the folder that relative paths start from, and raises ValueError.
    ``show`` is None where a value may hold a secret: it is never shown, except for the ``summary`` that auditors and
    admins see. The environment separates the items of an
    ``is_list`` with commas, and cannot set what is ``file_only``.
    """

    name: str
    parse: Callable[[object, Path], T_co]
    show: Callable[[object], str] | None = None
    is_list: bool = False
    file_only: bool = False
    summary: Callable[[object], str] | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. ``default`` is what the file would say, None if the setting is required.

    ``example`` shows lines of TOML for a table. ``name`` is the key in the file, and ``field`` the name of the field.
    """

    form: Form[object]
    default: Default | None
    help: str
    flag: str
    example: tuple[str, ...]
    name: str
    section: str = ""
    field: str = ""

    @property
    def key(self) -> str:
        """The place in the file, such as ``grants.hold``."""
        return f"{self.section}.{self.name}" if self.section else self.name

    @property
    def environment(self) -> str:
        """The variable that overrides the file."""
        return "BOOTGRANT_" + self.key.replace(".", "_").upper()

    def parse(self, value: object, base: Path) -> object:
        """Return what a written value means. Raises BadSetting."""
        if value is None:
            raise BadSetting(self.key, f"required, but not set. {self.help}".rstrip(". "))
        try:
            return self.form.parse(value, base)
        except ValueError as error:
            raise BadSetting(self.key, str(error)) from None


def setting(
    form: Form[T],
    default: Default | None = None,
    about: str = "",
    *,
    flag: str = "",
    example: tuple[str, ...] = (),
    name: str = "",
) -> T:
    """Declare a setting, whose type is that of its form; ``name`` is its key if a field cannot be called so."""
    row = Setting(form, default, about, flag, example, name)
    return field(default_factory=lambda: form.parse(default, Path()), metadata={_SETTING: row})


@cache
def own_settings(group: type[DataclassInstance], section: str = "") -> tuple[Setting, ...]:
    """The settings that a group declares itself."""
    declared = [(each.name, each.metadata.get(_SETTING)) for each in fields(group)]
    return tuple(replace(row, name=row.name or name, field=name, section=section) for name, row in declared if row)


@cache
def inner_sections(group: type[DataclassInstance]) -> dict[str, type[DataclassInstance]]:
    """The sections in a group, by name."""
    held: list[tuple[str, object]] = [(each.name, each.default_factory) for each in fields(group)]
    return {name: kind for name, kind in held if isinstance(kind, type) and is_dataclass(kind)}


def all_settings(group: type[DataclassInstance], section: str = "") -> Iterator[Setting]:
    """The settings of a site and of its sections, in the order of their declaration."""
    own, inner = {row.field: row for row in own_settings(group, section)}, inner_sections(group)
    for each in fields(group):
        if each.name in own:
            yield own[each.name]
        elif each.name in inner:
            yield from all_settings(inner[each.name], _inner(section, each.name))


def all_sections(group: type[DataclassInstance], section: str = "") -> Iterator[str]:
    """The sections of a group, and those in them: ``tls.acme`` is in ``tls``."""
    for name, kind in inner_sections(group).items():
        yield _inner(section, name)
        yield from all_sections(kind, _inner(section, name))


def _inner(section: str, name: str) -> str:
    return f"{section}.{name}" if section else name


def read(group: type[G], written: Mapping[str, object], base: Path, section: str = "") -> G:
    """Return the group that ``written`` describes, a value for each key that is set. Raises BadSetting."""
    rows = own_settings(group, section)
    values: dict[str, object] = {row.field: row.parse(written.get(row.key, row.default), base) for row in rows}
    inner = {name: read(kind, written, base, _inner(section, name)) for name, kind in inner_sections(group).items()}
    make: Callable[..., G] = group
    return make(**values, **inner)


def read_row(group: type[G], written: Mapping[str, object], base: Path, table: str) -> G:
    """Return the group that a row of ``[[table]]`` describes. Raises ValueError."""
    known = [row.name for row in own_settings(group)]
    if unknown := sorted(written.keys() - set(known)):
        raise ValueError(f"[[{table}]] has no key {unknown[0]!r}{did_you_mean(unknown[0], known)}")
    return read(group, written, base)


def did_you_mean(key: str, known: Collection[str]) -> str:
    """The end of an error about an unknown key: at most three keys that are like it, or nothing."""
    same_name = [each for each in known if each.rpartition(".")[2] == key.rpartition(".")[2]]
    near = list(dict.fromkeys([*same_name, *get_close_matches(key, known)]))[:3]
    return f"; did you mean {' or '.join(near)}?" if near else ""


def rows_of(value: object, table: str) -> list[Mapping[str, object]]:
    """Return the rows of ``[[table]]``; a single table is a list of one. Raises ValueError."""
    rows = [value] if isinstance(value, dict) else value
    if not isinstance(rows, (list, tuple)) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"expected tables, each written as [[{table}]]")
    return list(rows)


def tables(parse: Callable[[object, Path], tuple[T, ...]]) -> Form[tuple[T, ...]]:
    """An array of tables, which only the file can set; ``parse`` is not called if there are none."""
    return Form("list of tables", lambda value, base: () if value in ((), []) else parse(value, base), file_only=True)


def table_of(group: type[G], table: str, make: Callable[[G], T], label: str = "name") -> Form[tuple[T, ...]]:
    """An array of tables of a group. ``make`` makes a value of each, and ``label`` is the key that names it."""

    def parse_row(written: Mapping[str, object], base: Path) -> T:
        try:
            return make(read_row(group, written, base, table))
        except ValueError as error:
            named = written.get(label)
            is_shown = isinstance(named, str) and named and named.isprintable()
            raise ValueError(f"{named}: {error}" if is_shown else str(error)) from None

    def parse(value: object, base: Path) -> tuple[T, ...]:
        made = [(row.get(label), parse_row(row, base)) for row in rows_of(value, table)]
        names = [name for name, _ in made if name is not None]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"two [[{table}]] tables have the {label} {twice[0]!r}")
        return tuple(each for _, each in made)

    return tables(parse)
