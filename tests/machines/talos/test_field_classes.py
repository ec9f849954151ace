"""Every field of every Talos type has one class: shown, hidden, secret, or a key of the cluster."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files

import pytest

from bootgrant.machines.finish.secret_looks import is_secret_name
from bootgrant.machines.talos.container_types import Field, Free, ListOf, MapOf, Pointer, Struct
from bootgrant.machines.talos.field_classes import FieldClass, classes_in, listed_classes, placed_in, shown_step
from bootgrant.machines.talos.scalar_types import GoType
from bootgrant.machines.talos.tables import talos_tables
from bootgrant.machines.yaml.reading import parse_yaml

VERSIONS = sorted(entry.name for entry in (files("bootgrant.machines.talos") / "versions").iterdir() if entry.is_dir())
MAY_HOLD_A_KEY = re.compile(
    r"key|secret|token|passw|passphrase|credential|auth$|identity$|^ca$|CA$|serviceAccount$|psk"
)
PAIR_TYPES = frozenset({"x509.PEMEncodedCertificateAndKey", "x509.PEMEncodedKey", "meta.CertificateAndKey"})


def structs(version: str) -> list[Struct]:
    """Every type that a document of this version can have."""
    found: dict[str, Struct] = {}
    todo: list[GoType] = [kind.type for kind in talos_tables(version).kinds.values()]
    while todo:
        type_ = todo.pop()
        match type_:
            case Pointer(target=inner) | ListOf(element=inner) | MapOf(element=inner):
                todo.append(inner)
            case Struct() if type_.name not in found:
                found[type_.name] = type_
                todo += [field.type for field in type_.fields.values()]
    return list(found.values())


def fields(version: str) -> Iterator[tuple[Struct, Field]]:
    return ((struct, field) for struct in structs(version) for field in struct.fields.values())


def inner(type_: GoType) -> GoType:
    match type_:
        case Pointer(target=below) | ListOf(element=below) | MapOf(element=below):
            return inner(below)
        case _:
            return type_


@pytest.mark.parametrize("version", VERSIONS)
def test_every_field_has_a_class_or_is_a_struct_whose_fields_have_one(version: str) -> None:
    missing = [
        f"{struct.name}.{field.name}"
        for struct, field in fields(version)
        if field.name not in classes_in(struct) and not isinstance(inner(field.type), Struct)
    ]
    assert missing == []


@pytest.mark.parametrize("version", VERSIONS)
def test_a_field_that_may_hold_a_key_is_in_a_list_of_its_own_and_not_classed_by_its_type(version: str) -> None:
    listed = listed_classes()
    missing = [
        f"{struct.name}.{field.name}"
        for struct, field in fields(version)
        if MAY_HOLD_A_KEY.search(field.name)
        and (not isinstance(inner(field.type), Struct) or getattr(inner(field.type), "name", "") in PAIR_TYPES)
        and field.name not in listed.get(struct.name, {})
    ]
    assert missing == []


@pytest.mark.parametrize("version", VERSIONS)
def test_every_pair_of_certificate_and_key_is_the_cluster_s_or_the_machine_s_own(version: str) -> None:
    pairs = {
        f"{struct.name}.{field.name}": classes_in(struct).get(field.name)
        for struct, field in fields(version)
        if getattr(inner(field.type), "name", "") in PAIR_TYPES
    }
    assert pairs
    assert set(pairs.values()) <= {FieldClass.PRECIOUS, FieldClass.OWN}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_precious_field_is_recognised_by_its_name_or_the_names_in_it(version: str) -> None:
    precious = [
        (struct, field)
        for struct, field in fields(version)
        if classes_in(struct).get(field.name) is FieldClass.PRECIOUS
    ]
    assert precious
    for _, field in precious:
        assert isinstance(inner(field.type), (Struct, Free)) or is_secret_name(field.name)


def test_no_list_has_a_field_that_no_version_has() -> None:
    known = {(struct.name, field.name) for version in VERSIONS for struct, field in fields(version)}
    listed = {(type_, field) for type_, classes in listed_classes().items() if type_ != "*" for field in classes}
    assert sorted(listed - known) == []


def classes(text: str) -> dict[str, FieldClass]:
    placed = placed_in(parse_yaml(text.encode()).documents, talos_tables())
    return {each.path: each.holds for each in placed if not each.is_key}


def test_a_pair_gives_its_class_to_the_key_in_it_and_not_to_the_certificate() -> None:
    found = classes(
        "machine:\n  ca: {crt: YQ==, key: YQ==}\n"
        "  registries: {config: {ghcr.io: {tls: {clientIdentity: {crt: YQ==, key: YQ==}}}}}\n"
    )
    own = "machine.registries.config.ghcr.io.tls.clientIdentity"
    assert (found["machine.ca.crt"], found["machine.ca.key"]) == (FieldClass.SHOWN, FieldClass.PRECIOUS)
    assert (found[f"{own}.crt"], found[f"{own}.key"]) == (FieldClass.SHOWN, FieldClass.OWN)


def test_what_the_tables_do_not_know_is_hidden_and_the_name_of_its_document_is_shown() -> None:
    found = classes("machine: {type: worker, new: x}\n---\napiVersion: v2\nkind: New\nname: a\nb: {c: x}\n")
    assert (found["machine.type"], found["machine.new"]) == (FieldClass.SHOWN, FieldClass.HIDDEN)
    assert (found["New.kind"], found["New.name"], found["New.b.c"]) == (
        FieldClass.SHOWN, FieldClass.SHOWN, FieldClass.HIDDEN,
    )  # fmt: skip


def test_merge_keys_and_json_patches_have_the_classes_of_the_places_that_they_write_to() -> None:
    found = classes("machine:\n  ca:\n    <<: {key: YQ==}\n")
    assert found == {"machine.ca.key": FieldClass.PRECIOUS}
    patch = classes(
        "- {op: add, path: /machine/files/-, value: {content: x, path: /a}}\n"
        "- {op: add, path: /cluster/apiServer/env/A~1B, value: x}\n- {op: remove, path: /machine/type}\n"
    )
    assert patch["machine.files.-.content"] is FieldClass.TEXT
    assert patch["machine.files.-.path"] is FieldClass.SHOWN
    assert patch["cluster.apiServer.env.A/B"] is FieldClass.TEXT


def test_a_key_that_is_not_a_name_does_not_appear_in_a_path() -> None:
    assert shown_step("a.b/c-d_1") == "a.b/c-d_1"
    assert {shown_step(text) for text in ("a b", "x" * 65, "", "-----BEGIN X\n")} == {"…"}
