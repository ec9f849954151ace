"""Strategic merge: merge a document of a patch into the same document of the configuration, by types and rules.

The left value is the configuration's and may be changed in place; the right one is the patch's and is used up. Results
that the author of a patch probably did not intend are noted as surprises.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, Final, assert_never

from bootgrant.machines.talos.container_types import Free, ListOf, MapOf, Pointer, Struct
from bootgrant.machines.talos.documents import ComposeError, Notes, Reason
from bootgrant.machines.talos.scalar_types import Boolean, Choice, GoType, Url, Value
from bootgrant.machines.talos.tables import Kind, Rule, Strategy
from bootgrant.machines.yaml.scalars import INT64_MAX
from bootgrant.machines.yaml.writing import Written
from bootgrant.wire.go_url import GoUrl

_DELETE_FIRST: Final = "To replace it, delete it in an earlier patch ($patch: delete)"
_MOST_COMPARISONS: Final = 10_000


@dataclass(slots=True)
class Place:
    """A path in a document: ``rule_path`` as the tables write it, ``shown`` as people read it."""

    rule_path: str = ""
    shown: str = ""

    def field(self, name: str) -> Place:
        dot = "." if self.rule_path else ""
        return Place(f"{self.rule_path}{dot}{name}", f"{self.shown}{dot}{name}")

    def element(self, index: int) -> Place:
        return Place(self.rule_path + "[]", f"{self.shown}[{index}]")

    def value(self, key: str) -> Place:
        return Place(self.rule_path + "{}", f"{self.shown}.{key}")


@dataclass(slots=True)
class Merge:
    """The merge of one document of a patch (``part``, from ``line``) into a document of the configuration."""

    kind: Kind
    part: str
    line: int
    notes: Notes = field(default_factory=list)

    def documents(self, left: Value, right: Value) -> Value:
        """Return the merged document. Raises ComposeError (MERGE)."""
        return self._structs(self.kind.type, left, right, Place())

    def _structs(self, struct: Struct, left: Value, right: Value, place: Place) -> Value:
        if (field_path := self.kind.unmergeable.get(place.rule_path)) is not None:
            cause = f"this Talos release fails on {field_path} whatever is in it"
            raise self._error(f"{self.kind.name} cannot be patched, because {cause}: write the document as a whole")
        for name, value in right.items():
            known = struct.fields[name]
            below = place.field(name)
            if name in left:
                left[name] = self._field(known.type, left[name], value, below)
            else:
                # There is nothing to merge with, but Talos still merges the elements of a keyed list with each other.
                left[name] = self._into_nothing(known.type, value, below)
        if place.rule_path in self.kind.cleared_below or not place.rule_path:
            self._clear(struct, left, right, place)
        return left

    def _clear(self, struct: Struct, left: Value, right: Value, place: Place) -> None:
        """Clear fields that a merge always overwrites and the patch does not repeat."""
        for name in [name for name in left if name not in right]:
            known = struct.fields[name]
            below = place.field(name)
            rule = self.kind.rules.get(below.rule_path)
            if rule is not None and rule.strategy is Strategy.OPAQUE_ALWAYS:
                cleared = left.pop(name)
                self._note(below, f"is cleared: patches of this document must repeat it. Add {cleared} to the patch")
            elif isinstance(known.type, Struct) and below.rule_path in self.kind.cleared_below:
                self._structs(known.type, left[name], {}, below)

    def _error(self, message: str) -> ComposeError:
        return ComposeError(message, self.part, self.line, Reason.MERGE)

    def _note(self, place: Place, message: str) -> None:
        self.notes.append((place.shown, message))

    def _into_nothing(self, type_: GoType, right: Value, place: Place) -> Value:
        rule = self.kind.rules.get(place.rule_path)
        if rule is not None and rule.strategy is Strategy.KEYED_MERGE and isinstance(type_, ListOf):
            return self._keyed_merge(type_, [], right, place, rule)
        if isinstance(type_, Struct):
            return self._structs(type_, {}, right, place)
        return right

    def _field(self, type_: GoType, left: Value, right: Value, place: Place) -> Value:
        rule = self.kind.rules.get(place.rule_path)
        if rule is not None:
            return self._by_rule(rule, type_, left, right, place)
        match type_:
            case Pointer():
                return self._pointers(type_, left, right, place)
            case Struct():
                return self._structs(type_, left, right, place)
            case ListOf():
                self._note_appended(left, right, place)
                return [*left, *right]
            case MapOf():
                return self._maps(type_, left, right, place)
            case Free():
                return self._free(left, right, place)
            case Url():
                return self._urls(left, right, place)
            case _:
                return self._scalars(type_, left, right, place)

    def _scalars(self, type_: GoType, left: Value, right: Value, place: Place) -> Value:
        if not type_.is_zero(right) or isinstance(type_, Boolean):
            return right
        if not type_.is_zero(left):
            if isinstance(type_, Choice):
                unset = f"Talos takes {type_.written(right)} for a value that is not given"
                self._note(place, f"stays {type_.written(left)}: {unset}. {_DELETE_FIRST}")
            else:
                self._note_zero(type_.written(right), place)
        return left

    def _note_zero(self, zero: Written, place: Place) -> None:
        shown = "an empty text" if zero == "" else f"{zero}"
        self._note(place, f"does not change: {shown} never overrides a value. {_DELETE_FIRST}")

    def _note_appended(self, left: list[Any], right: list[Any], place: Place) -> None:
        """Note an empty list, which replaces nothing, and elements that are in the list twice afterwards."""
        if left and not right:
            self._note(place, f"keeps its {len(left)} elements: [] adds nothing to a list. {_DELETE_FIRST}")
        texts = {value for value in left if isinstance(value, str)}
        may_compare = len(left) * len(right) <= _MOST_COMPARISONS
        for index, value in enumerate(right):
            if value in texts if isinstance(value, str) else may_compare and value in left:
                # The value itself may be a secret.
                self._note(place.element(len(left) + index), "is in the list twice: lists are appended to. Remove one")

    def _pointers(self, type_: Pointer, left: Value, right: Value, place: Place) -> Value:
        if right is None or left is None:
            return left if right is None else right
        if isinstance(type_.target, Struct):
            return self._structs(type_.target, left, right, place)
        if isinstance(type_.target, Url):
            return self._urls(left, right, place)
        is_kept = not self.kind.behaviour.zero_overrides_pointers
        return self._scalars(type_.target, left, right, place) if is_kept else right

    def _maps(self, type_: MapOf, left: Value, right: Value, place: Place) -> Value:
        for key, value in right.items():
            left[key] = self._field(type_.element, left[key], value, place.value(key)) if key in left else value
        return left

    def _by_rule(self, rule: Rule, type_: GoType, left: Value, right: Value, place: Place) -> Value:
        match rule.strategy:
            case Strategy.REPLACE:
                return left if right == {} else right
            case Strategy.KEYED_MERGE if isinstance(type_, ListOf):
                return self._keyed_merge(type_, left, right, place, rule)
            case Strategy.KEYED_REPLACE if isinstance(type_, ListOf):
                return self._keyed_replace(left, right, place, rule)
            case Strategy.MAP_OVERWRITE:
                return left | right
            case Strategy.OPAQUE_NONZERO:
                return self._scalars(type_, left, right, place)
            case Strategy.OPAQUE_ALWAYS | Strategy.BYTES_REPLACE:
                return right
            case Strategy.SIZE_EITHER:
                return self._sizes(left, right, place)
            case Strategy.URL_FIELDWISE:
                return self._urls(left, right, place)
            case Strategy.PEM_WHOLE:
                self._note_emptied(left or {}, right, place)
                return right
            case Strategy.UNSETTABLE_ERROR | Strategy.UNSETTABLE_ALWAYS:
                raise self._error(f"Talos cannot replace {place.shown}: delete it in an earlier patch ($patch: delete)")
            case Strategy.KEYED_MERGE | Strategy.KEYED_REPLACE:
                raise TypeError(f"the tables have a rule for lists at {place.rule_path}, which is not a list")
            case _:
                assert_never(rule.strategy)

    def _note_emptied(self, left: dict[str, bytes], right: dict[str, bytes], place: Place) -> None:
        """Note a patch that gives only one half of a pair of certificate and key."""
        for name, value in left.items():
            if value and not right.get(name):
                message = f"becomes empty: Talos replaces the pair as a whole. Repeat {name} in the patch"
                self._note(place.field(name), message)

    def _keyed_merge(self, type_: ListOf, left: Value, right: Value, place: Place, rule: Rule) -> Value:
        """Merge each element into the first one with the same key, or append it."""
        places: dict[Hashable, int] = {}
        for at, value in enumerate(left):
            _remember_first(places, value, at, rule)
        for value in right:
            self._check_element(value, place)
            key = _key_of(value, rule)
            if key is not None and key in places:
                at = places[key]
                left[at] = self._field(type_.element, left[at], value, place.element(at))
            else:
                _remember_first(places, value, len(left), rule)
                left.append(value)
        return left

    def _keyed_replace(self, left: Value, right: Value, place: Place, rule: Rule) -> Value:
        """Replace the last element with the same key, or append. Elements appended by this patch are not replaced."""
        places = {_key_of(value, rule): at for at, value in enumerate(left) if value is not None}
        for value in right:
            self._check_element(value, place)
            key = _key_of(value, rule)
            if key is not None and key in places:
                left[places[key]] = value
            else:
                left.append(value)
        return left

    def _check_element(self, value: Value, place: Place) -> None:
        if value is None:
            raise self._error(f"an element of {place.shown} is null, which crashes Talos: remove it")

    def _sizes(self, left: Value, right: Value, place: Place) -> Value:
        merged = tuple(new or old for old, new in zip(left, right, strict=True))
        if right[0] and left[1]:
            self._note(place, f"stays {left[1]}: a size in bytes wins over {right[0]}. Delete it in an earlier patch")
        return merged

    def _urls(self, left: GoUrl | None, right: GoUrl | None, place: Place) -> Value:
        """Replace the parts of a URL that the right one has; two user names cannot be merged."""
        if left is None or right is None:
            return left if right is None else right
        if left.user is not None and right.user is not None:
            message = f"{place.shown} already has a user name, and Talos cannot replace one: delete the URL first"
            raise self._error(message)
        named = left if right.user is None else right
        merged = GoUrl(
            scheme=right.scheme or left.scheme,
            opaque=right.opaque or left.opaque,
            user=named.user,
            password=named.password,
            host=right.host or left.host,
            path=right.path or left.path,
            raw_path=right.raw_path or left.raw_path,
            raw_query=right.raw_query or left.raw_query,
            force_query=right.force_query,
            omit_host=right.omit_host,
            fragment=right.fragment or left.fragment,
            raw_fragment=right.raw_fragment or left.raw_fragment,
        )
        if right.host and right.host != left.host:
            self._note_kept_parts(left, right, place)
        return merged

    def _note_kept_parts(self, left: GoUrl, right: GoUrl, place: Place) -> None:
        """Note the parts of the old URL that stay in the new one."""
        parts = (
            ("path", left.path.strip("/"), right.path),
            ("query", left.raw_query, right.raw_query),
            ("user name", left.user, right.user),
        )
        if kept := [name for name, old, new in parts if old and not new]:
            what = " and the ".join(kept)
            self._note(place, f"keeps the {what} of the old URL: Talos merges URLs part by part. {_DELETE_FIRST}")

    def _free(self, left: Value, right: Value, place: Place) -> Value:
        """Merge free YAML: mappings by key, lists appended, scalars of the same type replaced."""
        for key, value in right.items():
            left[key] = self._free_values(left[key], value, place.value(key)) if key in left else value
        return left

    def _free_values(self, left: Value, right: Value, place: Place) -> Value:
        if left is None:
            return right
        if right is None:
            raise self._error(f"{place.shown} is null in the patch, which crashes Talos: write $patch: delete below it")
        if _free_type(left) != _free_type(right):
            types = f"{_free_type(left)} in the configuration and {_free_type(right)} in the patch"
            raise self._error(f"{place.shown} is {types}: write the same type, or delete the old value first")
        match right:
            case dict():
                return self._free(left, right, place)
            case list():
                return left + right
            case bool():
                return right
            case _:
                if not right and left:
                    self._note_zero(right, place)
                return right or left


def _free_type(value: Value) -> str:
    match value:
        case bool():
            return "a boolean"
        case int():
            return "a whole number" if value <= INT64_MAX else "a whole number of more than 63 bits"
        case float():
            return "a number with a fraction"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "a mapping"


def _key_of(value: dict[str, Any], rule: Rule) -> Hashable | None:
    """Return the first of the rule's fields that the element has. A rule's only field counts even if it is missing."""
    if len(rule.keys) == 1:
        return rule.keys[0], value.get(rule.keys[0]) or None
    return next((key for name in rule.keys if (key := _field_key(value, name)) is not None), None)


def _field_key(value: dict[str, Any], name: str) -> Hashable | None:
    held = value.get(name)
    if not held:
        return None
    if isinstance(held, dict):
        # Talos compares pointers to booleans, so two selectors that have one are never equal.
        return None if any(isinstance(item, bool) for item in held.values()) else (name, frozenset(held.items()))
    return name, held


def _remember_first(places: dict[Hashable, int], value: dict[str, Any] | None, at: int, rule: Rule) -> None:
    """Remember an element by each of its keys; the first element with a key wins."""
    if value is None:
        return
    keys = [_key_of(value, rule)] if len(rule.keys) == 1 else [_field_key(value, name) for name in rule.keys]
    for key in keys:
        if key is not None:
            places.setdefault(key, at)
