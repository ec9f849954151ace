"""The files of a machines folder: the layers of entries, and finished configurations.

A layer is a file, or a folder whose files are used in the order of their names (folders in it are layers of their own).
The end of a file's name says what it is: ``10-net.yaml``, ``10-net.yaml.j2`` (a template), ``secrets.yaml.age``
(encrypted), ``secrets.yaml.j2.age`` (both).

A finished configuration is named after its machine: ``<uuid>.yaml``, ``<serial>.yaml`` or ``<mac with dashes>.yaml``.
Next to a ``machines.yaml``, only files named after a uuid or a mac count, because any other name may be a layer's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bootgrant.machines.site.findings import Finding, error, warning
from bootgrant.machines.site.foreign import foreign_name
from bootgrant.machines.site.model import MODEL, MODELS, Entry, Layer, Schema
from bootgrant.machines.site.pattern import PatternError, pattern
from bootgrant.machines.site.pointers import SUBMODULE
from bootgrant.wire.identity import MachineIdentity, canonical_mac, canonical_uuid, swapped_uuid

_STRUCTURED: Final = (".yaml", ".yml", ".json")
_MORE_ENDINGS: Final[Mapping[Schema, str]] = {Schema.CLOUD_CONFIG: ".cfg", Schema.IGNITION: ".ign"}
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_FOREIGN_TEMPLATES: Final = (".tpl", ".tmpl", ".gotmpl", ".tftpl")
_NOT_READ: Final = (".md", ".example", ".bak", ".orig", ".swp", ".tmp", "~", "#")


@dataclass(frozen=True, slots=True)
class LayerFile:
    """A file of a layer, with its path in the tree."""

    path: str

    @property
    def is_encrypted(self) -> bool:
        return self.path.endswith(".age")

    @property
    def is_template(self) -> bool:
        return self.path.removesuffix(".age").endswith(".j2")

    @property
    def plain_name(self) -> str:
        """The path without the endings for encryption and templates."""
        return self.path.removesuffix(".age").removesuffix(".j2")


class Listing:
    """The paths of a tree, by folder. ``submodules`` are the folders of git submodules, whose files are not there."""

    def __init__(self, paths: Iterable[str], submodules: Sequence[str] = ()) -> None:
        self.submodules = submodules
        self._folders: dict[str, list[str]] = {}
        self.paths = frozenset(paths)
        for path in sorted(self.paths):
            self._folders.setdefault(path.rpartition("/")[0], []).append(path)

    def files(self, layer: str) -> list[str] | None:
        """Return the files of a layer, or None if there is no file or folder of that name."""
        if layer in self.paths:
            return [layer]
        if layer in self._folders:
            return self._folders[layer]
        folder, _, name = layer.rpartition("/")
        near = [path for path in self._folders.get(folder, ()) if _stem(path) == name]
        return near if len(near) == 1 else None

    def folders(self) -> list[str]:
        return sorted(folder for folder in self._folders if folder)


def _stem(path: str) -> str:
    name = LayerFile(path.rpartition("/")[2]).plain_name
    return next((name.removesuffix(end) for end in _STRUCTURED if name.endswith(end)), name)


def layer_files(entry: Entry, listing: Listing) -> tuple[list[LayerFile], list[Finding]]:
    """Return the files of an entry in the order in which they are merged, and what is wrong with its layers."""
    files: list[LayerFile] = []
    findings: list[Finding] = []
    for layer in entry.layers:
        paths = listing.files(layer.name)
        if paths is None:
            if not layer.is_optional:
                findings.append(_missing(entry, layer.name, listing))
            continue
        for path in paths:
            wrong = _name_error(entry, path, named=path == layer.name)
            if wrong is not None:
                findings.append(wrong)
            elif not path.endswith(_NOT_READ):
                files.append(LayerFile(path))
    if not files and not findings:
        tried = ", ".join(layer.name for layer in entry.layers) or "no layers"
        message = f"{entry.name} has no file in its layers ({tried}): name its layers, or add a file to one of them"
        findings.append(error("no-layers", message, entry.file, entry.line, entry.name))
    return files, findings


def _missing(entry: Entry, layer: str, listing: Listing) -> Finding:
    message = f"the layer {layer} is not a file or a folder with files in the machines folder"
    if any(f"{layer}/".startswith(f"{submodule}/") for submodule in listing.submodules):
        message = f"the layer {layer} is in {SUBMODULE}"
    return error("missing-layer", message, entry.file, entry.line, entry.name)


def _name_error(entry: Entry, path: str, *, named: bool) -> Finding | None:
    file = LayerFile(path)
    if path.endswith(_NOT_READ):
        return None
    if file.plain_name.endswith(".age"):
        return error("odd-name", "a file is rendered after it is decrypted: name it .j2.age", path, 0, entry.name)
    if path.endswith(_FOREIGN_TEMPLATES):
        tool = "Terraform" if path.endswith(".tftpl") else "Go"
        message = f"{tool} templates are not supported: write it for Jinja2, with a name that ends in .j2"
        return error("go-template", message, path, 0, entry.name)
    endings = (*_STRUCTURED, _MORE_ENDINGS[entry.schema]) if entry.schema in _MORE_ENDINGS else _STRUCTURED
    if named or entry.schema is Schema.TEXT or file.plain_name.endswith(endings):
        return None
    message = (
        f"a layer with schema {entry.schema.value} uses files that end in {', '.join(endings)} (then .j2, .age): "
        "rename the file, or move it out of the layer"
    )
    return error("odd-name", message, path, 0, entry.name)


def missing_submodules(listing: Listing) -> list[Finding]:
    """Return a warning for each git submodule whose files are not there."""
    return [warning("submodule", SUBMODULE, path) for path in listing.submodules]


def unused_layers(entries: Sequence[Entry], listing: Listing) -> list[Finding]:
    """Return a warning for each folder or file that no entry uses. A folder is reported once, not for each file."""
    used = {path for entry in entries for layer in entry.layers for path in listing.files(layer.name) or ()}
    folders: dict[str, list[str]] = {}
    for path in sorted(path for path in listing.paths - used if not _is_not_a_layer(path)):
        folders.setdefault(path.rpartition("/")[0] or path, []).append(path)
    message = "no entry uses it: add it to the layers of one, or remove it"
    places = [paths[0] if len(paths) == 1 else folder for folder, paths in folders.items()]
    return [warning("unused-layer", foreign_name(place) or message, place) for place in places]


def _is_not_a_layer(path: str) -> bool:
    """Whether a file belongs into the folder without being a layer."""
    name = path.rpartition("/")[2]
    return (
        path == MODEL
        or path.startswith(f"{MODELS}/")
        or name.endswith(_NOT_READ)
        or name.startswith(("LICENSE", "README"))
    )


def is_valid_name(name: str) -> bool:
    """Whether a file name, with or without ``.yaml``, is safe to look up in the folder."""
    return _NAME.fullmatch(name.removesuffix(".yaml")) is not None


def variable_of(name: str) -> str:
    """Which value of the machine a file is named after: ``uuid``, ``mac``, or else ``serial``."""
    stem = name.removesuffix(".yaml")
    return "uuid" if canonical_uuid(stem) else "mac" if canonical_mac(stem) else "serial"


def names_one_machine(name: str) -> bool:
    """Whether a file at the top of the folder is named after a uuid or a mac, and so cannot be a layer."""
    return name.endswith(".yaml") and variable_of(name) != "serial"


def file_names(identity: MachineIdentity) -> Iterator[tuple[str, str]]:
    """Yield the files that a machine may have, best first, each as (variable, name).

    Uuids and macs are tried in lower and upper case.
    """
    # A serial number that looks like a uuid or a mac would find the file of the machine that has it.
    serial = "" if canonical_uuid(identity.serial) or canonical_mac(identity.serial) else identity.serial
    # Firmware disagrees about the byte order of the UUID, so the machine's label may show the other one.
    swapped = swapped_uuid(identity.uuid) if identity.uuid else ""
    mac = identity.mac.replace(":", "-")
    for variable, stem in (
        ("uuid", identity.uuid),
        ("uuid", identity.uuid.upper()),
        ("uuid", swapped),
        ("uuid", swapped.upper()),
        ("serial", serial),
        ("mac", mac),
        ("mac", mac.upper()),
    ):
        if is_valid_name(stem):
            yield variable, f"{stem}.yaml"


def finished_entries(
    names: Iterable[str], schema_of: Callable[[str], Schema] = lambda name: Schema.YAML
) -> Sequence[Entry]:
    """Return an entry for each finished configuration among these paths."""
    found = []
    for name in sorted(names):
        if not name.endswith(".yaml") or not is_valid_name(name):
            continue
        variable = variable_of(name)
        try:
            match = {variable: (pattern(variable, name.removesuffix(".yaml")),)}
        except PatternError:
            continue
        found.append(Entry(name, match, layers=(Layer(name),), schema=schema_of(name), file=name, line=1))
    return found


def shadowed_files(entries: Iterable[Entry], finished: Iterable[Entry]) -> list[Finding]:
    """Return a warning for each finished file of a machine that an entry names too."""
    named = {(one.variable, one.key): entry.name for entry in entries for ones in entry.match.values() for one in ones}
    found = []
    for file in finished:
        for ones in file.match.values():
            owner = named.get((ones[0].variable, ones[0].key))
            if owner is not None:
                message = f"no machine gets it: the entry {owner} names the same {ones[0].variable} and goes first"
                found.append(warning("unreachable", message, file.file))
    return found
