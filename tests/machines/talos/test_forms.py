"""The forms of texts are those of Go; tests/vectors/go_forms.json was made by running its packages (Go 1.26)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.machines.talos.validation import forms
from bootgrant.machines.talos.validation.forms import annotation_faults, label_faults, taint_faults
from support.vectors import vectors

CHECKS = [
    forms.is_subnet, forms.is_ip, forms.is_cidr, forms.is_ip_or_cidr, forms.is_endpoint_uri, forms.is_qualified_name,
    forms.is_dns1123_subdomain, forms.is_label_value, forms.is_dns_name, forms.is_key32, forms.is_byte_size,
    forms.is_netip_addr, forms.is_netip_prefix,
]  # fmt: skip


@pytest.mark.parametrize("entry", vectors("go_forms"), ids=lambda entry: str(entry["check"]))
def test_every_form_is_the_one_of_go(entry: dict[str, Any]) -> None:
    check = getattr(forms, entry["check"])
    assert [text for text in entry["accepted"] if not check(text)] == []
    assert [text for text in entry["refused"] if check(text)] == []


@given(st.text(st.characters() | st.sampled_from(".:/%0[]@-"), max_size=60))
def test_no_text_makes_a_check_fail(text: str) -> None:
    for check in CHECKS:
        assert check(text) in {True, False}


def test_a_minus_is_part_of_a_size_only_where_it_may_be_negative() -> None:
    assert not forms.is_byte_size("-5GiB")
    assert forms.is_byte_size("-5GiB", signed=True)
    assert not forms.is_byte_size("--5GiB", signed=True)


def test_a_size_of_a_million_digits_is_refused() -> None:
    assert not forms.is_byte_size("9" * 1_000_000)
    assert forms.is_byte_size("0" * 1_000_000)


@pytest.mark.parametrize(
    ("port", "accepted"),
    [("1", True), ("65535", True), ("0080", True), ("0", False), ("65536", False), ("", False), ("8e1", False),
     ("+80", False), ("9" * 5000, False)],
)  # fmt: skip
def test_ports(port: str, accepted: bool) -> None:
    assert forms.is_port_number(port) is accepted


def test_a_second_colon_in_an_endpoint_is_an_error_since_1_13() -> None:
    assert forms.is_endpoint_uri("https://a::1", "1.12")
    assert not forms.is_endpoint_uri("https://a::1", "1.13")
    assert not forms.is_endpoint_uri("https://a::x", "1.12")


def test_two_roles_are_known_since_1_13() -> None:
    assert forms.roles("1.14") == forms.roles("1.13") == forms.ROLES
    assert forms.ROLES - forms.roles("1.12") == {"os:image:verifier", "os:meta:writer"}


def test_labels_are_checked_by_key_and_value() -> None:
    assert label_faults({"a": "", "example.com/zone": "b_1.c"}) == []
    (fault,) = label_faults({"a/b/c": "x"})
    assert fault.startswith("'a/b/c' is not a name for a label: write at most 63 letters")
    assert len(label_faults({"-": "-", "b": "x" * 64})) == 3


@pytest.mark.parametrize("faults", [label_faults, taint_faults])
def test_no_message_repeats_a_value(faults: Any) -> None:
    messages = faults({"role": "hunter2 hunter2", "other": "hunter2 hunter2:NoSchedule"})
    assert len(messages) >= 2
    assert not any("hunter2" in message for message in messages)


def test_values_of_annotations_are_free_up_to_256_kib_in_bytes() -> None:
    assert annotation_faults({"note": "any text\n" + "x" * 1000}) == []
    assert annotation_faults({"a": "é" * ((256 * 1024 - 1) // 2)}) == []
    assert annotation_faults({"a": "é" * (256 * 1024 // 2)}) == [
        "all annotations together must not be longer than 262144 bytes"
    ]


@pytest.mark.parametrize("what", ["labels", "annotations", "taints"])
def test_what_talos_writes_itself_is_reserved(what: str) -> None:
    assert annotation_faults({f"talos.dev/owned-{what}": "[]"}) == [
        f"the annotation 'talos.dev/owned-{what}' is reserved for Talos"
    ]


@pytest.mark.parametrize("taint", ["NoSchedule", "PreferNoSchedule", "NoExecute", "value:NoExecute", ":NoSchedule"])
def test_taints(taint: str) -> None:
    assert taint_faults({"a": taint}) == []


@pytest.mark.parametrize("taint", ["", "noschedule", "value:", "a:b:NoSchedule", "-:NoSchedule", "value: NoSchedule"])
def test_bad_taints(taint: str) -> None:
    assert len(taint_faults({"a": taint})) == 1


def test_a_taint_with_a_bad_key_is_reported_once() -> None:
    (fault,) = taint_faults({"-": "wrong"})
    assert fault.startswith("'-' is not a name for a taint")
