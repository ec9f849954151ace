"""What a release reads differently: every row was tried with that release's own code."""

from __future__ import annotations

import pytest

from bootgrant.machines.talos.composing import compose
from bootgrant.machines.talos.documents import ComposeError, Part, Reason
from bootgrant.machines.talos.go_values import address
from bootgrant.machines.yaml.reading import MAX_BYTES

_VOLUME = "apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: a\nprovisioning: {minSize: %s}\n"
_RULE = "apiVersion: v1alpha1\nkind: NetworkRuleConfig\nname: a\nportSelector: {protocol: tcp, ports: [%s]}\n"
_TIMEOUT = "machine: {time: {bootTimeout: %s}}\n"
_URL = "apiVersion: v1alpha1\nkind: EventSinkConfig\nendpoint: %s\n"
_ENDPOINT = "cluster: {controlPlane: {endpoint: %s}}\n"
_LABELS = "machine: {nodeLabels: {%s: x}}\n"
_MTU = "machine: {network: {interfaces: [{interface: a, mtu: %s}]}}\n"


@pytest.mark.parametrize(
    ("patch", "value", "shown", "taken_by"),
    [
        (_TIMEOUT, "1e9", "bootTimeout: 1s", ("1.14",)),
        (_TIMEOUT, "-0", "type: worker", ("1.14",)),
        (_TIMEOUT, "0", "type: worker", ("1.13", "1.14")),
        (_VOLUME, "-1GB", "minSize: -1GB", ("1.13", "1.14")),
        (_VOLUME, "{}", "kind: UserVolumeConfig", ("1.11", "1.12")),
        (_RULE, "80.5", "- 80\n", ("1.11", "1.12")),
        (_MTU, "1500.5", "mtu: 1500\n", ("1.11", "1.12")),
        (_ENDPOINT, "2024-01-02", 'endpoint: "2024-01-02"', ("1.11", "1.12", "1.13")),
        (_LABELS, "2024-01-02", "2024-01-02", ("1.11", "1.12", "1.13")),
        (_LABELS, "!!null x", "", ()),
        (_URL, "!!null x", "", ()),
    ],
)
def test_a_value_is_read_as_the_release_reads_it(patch: str, value: str, shown: str, taken_by: tuple[str, ...]) -> None:
    for release in ("1.11", "1.12", "1.13", "1.14"):
        parts = [Part("base", b"machine: {type: worker}\n"), Part("patch", (patch % value).encode())]
        if release in taken_by:
            assert shown in compose(parts, release).config.decode()
        else:
            with pytest.raises(ComposeError, match="patch, line"):
                compose(parts, release)


def test_the_result_of_merging_has_the_limit_of_one_file() -> None:
    half = b"machine: {type: worker, certSANs: [" + b"x" * (MAX_BYTES // 2) + b"]}\n"
    with pytest.raises(ComposeError, match=r"grows beyond 16 MiB") as caught:
        compose([Part("base", half), Part("first", b"debug: true\n"), Part("second", half)])
    assert (caught.value.part, caught.value.reason) == ("second", Reason.TOO_LARGE)


def test_a_number_with_a_fraction_is_not_a_key_of_an_operation() -> None:
    base = Part("base", b"machine: {type: worker}\n")
    patch = "- {op: add, path: /machine/sysctls, value: {%s: a}}\n"
    assert b'"1": a' in compose([base, Part("patch", (patch % "1").encode())]).config
    with pytest.raises(ComposeError, match=r"patch, line 1: the key '1\.5' is not a text"):
        compose([base, Part("patch", (patch % "1.5").encode())])


def test_any_text_can_be_the_zone_of_an_address() -> None:
    assert address("fe80::1%eth0/64") == "fe80::1%eth0/64"
    for text in ("fe80::1%", "10.0.0.1%eth0"):
        with pytest.raises(ValueError, match="is not an IP address"):
            address(text)
