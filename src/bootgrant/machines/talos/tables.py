"""The tables of a Talos version: its kinds of document, their types, and the merge rules of fields.

They are in ``versions/<release>/``: ``schema.json`` (types, and the order of their fields) and ``rules.json`` (for each
kind: whether documents have names, which kinds exclude each other, and which paths are merged by a rule). Both are
taken from Talos itself by ``tools/talos`` (docs/talos-versions.md); a new Talos version is a new folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache, cached_property
from importlib.resources import files
from typing import Any, Final

from bootgrant.machines.talos import go_sizes, go_values
from bootgrant.machines.talos.container_types import Argument, Field, Free, ListOf, MapOf, Pointer, Struct
from bootgrant.machines.talos.scalar_types import (
    Boolean,
    Bytes,
    Choice,
    Duration,
    FileMode,
    GoType,
    HardwareAddress,
    Integer,
    KeyBytes,
    PortRange,
    Text,
    TextForm,
    TrimmedText,
    Url,
)
from bootgrant.machines.talos.size_types import MaxSize, PartitionSize, SizeCondition

RELEASES: Final = ("1.11", "1.12", "1.13", "1.14")
"""The releases that have tables, oldest first."""
NEWEST: Final = RELEASES[-1]
"""The tables used where no release is named: Talos's development branch of August 2026, commit ad8823176."""
LEGACY: Final = "v1alpha1"
"""The kind of the document without ``kind``: ``machine``, ``cluster``, ``debug``, ``persist``."""


class Strategy(Enum):
    """How a field is merged if not by its type; explained in ``strategies`` of rules.json."""

    REPLACE = "replace"
    KEYED_MERGE = "keyed-merge"
    KEYED_REPLACE = "keyed-replace"
    MAP_OVERWRITE = "map-overwrite"
    OPAQUE_NONZERO = "opaque-nonzero"
    OPAQUE_ALWAYS = "opaque-always"
    SIZE_EITHER = "size-either"
    URL_FIELDWISE = "url-fieldwise"
    PEM_WHOLE = "pem-whole"
    BYTES_REPLACE = "bytes-replace"
    UNSETTABLE_ERROR = "unsettable-error"
    UNSETTABLE_ALWAYS = "unsettable-always"


@dataclass(frozen=True, slots=True)
class Rule:
    """A merge rule. ``keys`` are the fields that identify list elements; the first one that an element has counts."""

    strategy: Strategy
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What differs between releases in how they read and merge, whatever the type.

    ``zero_overrides_pointers``: 0 and "" of a patch replace the value of a pointer.
    ``patches_repeat_documents``: a patch may have the same document twice.
    ``argument_lists``: arguments of Kubernetes components can be lists.
    ``elements_by_form``: ``$patch: delete`` finds an element by an address or another form of text, too.
    ``deletes_inline``: ``$patch: delete`` deletes fields that a kind shares with others, such as the mtu of links.
    ``zero_durations``: 0 without a unit is a duration.
    ``float_durations``: a whole number with a point or an exponent is a duration in nanoseconds.
    ``negative_sizes``: a volume size may begin with ``-``.
    ``dates_are_texts``: a date without quotes can be given for a text.
    ``lenient_scalars``: fractions of whole numbers are cut off, and ``{}`` can be given for a text of its own form.
    """

    zero_overrides_pointers: bool
    patches_repeat_documents: bool
    argument_lists: bool
    elements_by_form: bool
    deletes_inline: bool
    zero_durations: bool
    float_durations: bool
    negative_sizes: bool
    dates_are_texts: bool
    lenient_scalars: bool


@dataclass(frozen=True, eq=False)
class Kind:
    """A kind of document. ``rules`` are by path: ``a.b``, ``[]`` for list elements, ``{}`` for values of a map."""

    name: str
    api_version: str
    type: Struct
    named: bool
    conflicts_with: frozenset[str]
    claims_link_name: bool
    controlplane_only: bool
    behaviour: Behaviour
    rules: Mapping[str, Rule]

    @cached_property
    def cleared_below(self) -> frozenset[str]:
        """The structs with a field that every merge overwrites."""
        ends = [path for path, rule in self.rules.items() if rule.strategy is Strategy.OPAQUE_ALWAYS]
        return frozenset(path[:at] for path in ends for at, char in enumerate(path) if char == ".")

    @cached_property
    def unmergeable(self) -> Mapping[str, str]:
        """The structs that Talos fails to merge, and the field which is the cause."""
        ends = [path for path, rule in self.rules.items() if rule.strategy is Strategy.UNSETTABLE_ALWAYS]
        return {path.rpartition(".")[0]: path for path in ends}


@dataclass(frozen=True, eq=False)
class TalosTables:
    """``kinds`` by ``(apiVersion, kind)``; the legacy document is ``("", "v1alpha1")``. ``version`` is for messages.

    ``release`` is the version whose rules apply, such as ``1.12``.
    """

    version: str
    release: str
    behaviour: Behaviour
    kinds: Mapping[tuple[str, str], Kind]


@cache
def talos_tables(release: str = NEWEST) -> TalosTables:
    """Load the tables of one of RELEASES."""
    folder = files("bootgrant.machines.talos") / "versions" / release
    schema = json.loads((folder / "schema.json").read_text("utf-8"))
    rules = json.loads((folder / "rules.json").read_text("utf-8"))
    return read_tables(release, schema, rules)


def read_tables(release: str, schema: Mapping[str, Any], rules: Mapping[str, Any]) -> TalosTables:
    """Make tables of the contents of ``schema.json`` and ``rules.json``."""
    behaviour = _behaviour(rules["behaviour"])
    types = _Types(schema["types"], behaviour)
    kinds = {}
    for root, type_name in schema["roots"].items():
        api_version, _, name = root.partition("/")
        described = rules["kinds"][root if api_version else name]
        kinds[api_version, name] = _kind(name, api_version, types.struct(type_name), described, behaviour)
    return TalosTables(f"Talos {release}", release, behaviour, kinds)


def _behaviour(described: Mapping[str, bool]) -> Behaviour:
    return Behaviour(
        zero_overrides_pointers=described["zeroOverridesPointers"],
        patches_repeat_documents=described["patchesRepeatDocuments"],
        argument_lists=described["argumentLists"],
        elements_by_form=described["elementsByForm"],
        deletes_inline=described["deletesInline"],
        zero_durations=described["zeroDurations"],
        float_durations=described["floatDurations"],
        negative_sizes=described["negativeSizes"],
        dates_are_texts=described["datesAreTexts"],
        lenient_scalars=described["lenientScalars"],
    )


def _kind(name: str, api_version: str, struct: Struct, described: Mapping[str, Any], behaviour: Behaviour) -> Kind:
    return Kind(
        name,
        api_version,
        struct,
        named=described["named"],
        conflicts_with=frozenset(described.get("conflictsWith", ())),
        claims_link_name=described.get("claimsLinkName", False),
        controlplane_only=described.get("controlplaneOnly", False),
        behaviour=behaviour,
        rules={path: Rule(Strategy(strategy), tuple(*keys)) for path, strategy, *keys in described.get("rules", ())},
    )


_INT64: Final = Integer(-(2**63), 2**63 - 1)
_UINT64: Final = Integer(0, 2**64 - 1)
# Types with a text form of their own; all others follow from the tables.
_OWN_FORMS: Final[dict[str, GoType]] = {
    "string": Text(),
    "bool": Boolean(),
    "int": _INT64,
    "int64": _INT64,
    "int32": Integer(-(2**31), 2**31 - 1),
    "uint": _UINT64,
    "uint64": _UINT64,
    "uint32": Integer(0, 2**32 - 1),
    "uint16": Integer(0, 2**16 - 1),
    "uint8": Integer(0, 2**8 - 1),
    "[]uint8": Bytes(),
    "time.Duration": Duration(),
    "netip.Addr": TextForm(go_values.address),
    "netip.Prefix": TextForm(go_values.prefix),
    "netip.AddrPort": TextForm(go_values.address_port),
    "meta.Addr": TextForm(go_values.address),
    "meta.Prefix": TextForm(go_values.prefix),
    "meta.AddrPort": TextForm(go_values.address_port),
    "meta.URL": Url(),
    "meta.ArgValue": Argument(),
    "meta.Unstructured": Free(),
    "network.Addr": TextForm(go_values.address),
    "network.AddrPort": TextForm(go_values.address_port),
    "network.Prefix": TextForm(go_values.prefix),
    "v1alpha1.ArgValue": Argument(),
    "v1alpha1.Unstructured": Free(),
    "v1alpha1.Endpoint": Url(),
    "v1alpha1.Base64Bytes": Bytes(),
    "v1alpha1.DiskSize": PartitionSize(),
    "v1alpha1.FileMode": FileMode(0, 2**32 - 1),
    "v1alpha1.InstallDiskSizeMatcher": SizeCondition(go_sizes.size_condition),
    "runtime.EtcFileMode": FileMode(0, 2**32 - 1),
    "nethelpers.HardwareAddr": HardwareAddress(go_values.hardware_address),
    "network.PortRange": PortRange(),
    "block.ByteSize": TextForm(go_sizes.checked_size),
    "block.Size": MaxSize(),
    "cel.Expression": TextForm(str),
}
# Fields that Talos reads in a special way, by type and name.
_OWN_FIELDS: Final[dict[tuple[str, str], GoType]] = {
    ("v1alpha1.ClusterInlineManifest", "contents"): TrimmedText(),
    ("x509.PEMEncodedCertificateAndKey", "key"): KeyBytes(),
    ("x509.PEMEncodedKey", "key"): KeyBytes(),
}
_NUMBERED_CHOICES: Final[Mapping[str, range]] = {"nethelpers.RoutingTable": range(1, 253)}
_LENIENT_CHOICES: Final = frozenset(("nethelpers.FailOverMAC",))
# The fields that Talos asks whether a struct is empty (IsZero); for other structs it asks all of them.
_DECIDING_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "block.EncryptionSpec": frozenset(("provider", "keys")),
    "runtime.ProvisioningSpec": frozenset(("diskSelector",)),
}


class _Types:
    """The types by their names in Go, each built once."""

    def __init__(self, described: Mapping[str, Any], behaviour: Behaviour) -> None:
        self._described = described
        self._behaviour = behaviour
        self._built: dict[str, GoType] = dict(_OWN_FORMS)
        self._built["time.Duration"] = Duration(behaviour.zero_durations, behaviour.float_durations)
        if not behaviour.negative_sizes:
            self._built |= {"block.ByteSize": TextForm(go_sizes.unsigned_size), "block.Size": MaxSize(negative=False)}
        if not behaviour.argument_lists:
            self._built |= dict.fromkeys(("meta.ArgValue", "v1alpha1.ArgValue"), Argument(lists=False))

    def struct(self, name: str) -> Struct:
        built = self.get(name)
        if not isinstance(built, Struct):
            raise TypeError(f"the tables say that {name} is not a struct")
        return built

    def get(self, name: str) -> GoType:
        if name not in self._built:
            self._built[name] = self._build(name)
        return self._built[name]

    def _build(self, name: str) -> GoType:
        if name.startswith("*"):
            return Pointer(self.get(name[1:]))
        if name.startswith("[]"):
            return self._list(name[2:])
        if name.startswith("map[string]"):
            return MapOf(self.get(name.removeprefix("map[string]")))
        described = self._described[name]
        match described["kind"]:
            case "struct":
                fields = {known.name: known for known in self._fields(name, described)}
                decides = "IsZero:v" in described.get("traits", ())
                return Struct(name, fields, _DECIDING_FIELDS.get(name) if decides else None)
            case "slice":
                return self._list(described["elem"])
            case "map":
                return MapOf(self.get(described["elem"]))
            case "string":
                return Text()
            case _:
                names = {int(number): text for number, text in described["enum"].items()}
                numbers = _NUMBERED_CHOICES.get(name, range(0))
                return Choice(name, names, numbers, lenient=name in _LENIENT_CHOICES)

    def _list(self, element: str) -> ListOf:
        return ListOf(self.get(element), by_form=self._behaviour.elements_by_form)

    def _fields(self, owner: str, described: Mapping[str, Any]) -> list[Field]:
        found: list[Field] = []
        for name, type_name, flags in described["fields"]:
            if "i" in flags:
                inline = self._fields(type_name, self._described[type_name])
                found += [replace(field, is_deletable=self._behaviour.deletes_inline) for field in inline]
            elif "u" not in flags:
                type_ = _OWN_FIELDS.get((owner, name)) or self.get(type_name)
                found.append(Field(name, type_, omitted="o" in flags))
        return found
