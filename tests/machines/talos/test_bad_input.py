"""Bad parts are rejected with part, line and next step, quickly and without much memory."""

from __future__ import annotations

import json
import tracemalloc
from time import process_time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bootgrant.machines.talos.composing import Composed, compose, compose_plain
from bootgrant.machines.talos.documents import ComposeError, Part, Reason, machine_type
from bootgrant.machines.yaml.reading import parse_yaml

# A busy computer must not fail a test.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
_CHARACTERS = "machine:typekdpVrsoln-? \n\t&*!|>'\"%@`{}[],#~0123456789.$/é😀\x85\u2028\ufeff"
BASE = Part("base.yaml", b"version: v1alpha1\nmachine:\n  type: worker\n  sysctls: {a: '1'}\n")


def _error_of(content: bytes) -> ComposeError:
    with pytest.raises(ComposeError) as error:
        compose([BASE, Part("patch.yaml", content)])
    assert error.value.part == "patch.yaml"
    return error.value


def _bomb(levels: int) -> bytes:
    lines = [b"machine: {env: {a: x}}", b"a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [
        b"a%d: &a%d [%s]" % (level, level, b", ".join([b"*a%d" % (level - 1)] * 10)) for level in range(1, levels)
    ]
    return b"\n".join(lines) + b"\n"


_LONG_TEXTS = b"a: &a " + b"x" * 500_000 + b"\nb: [" + b"*a, " * 100_000 + b"]\n"


@pytest.mark.parametrize(
    ("content", "line", "advice"),
    [
        (b"machine:\n\ttype: worker\n", 2, "use spaces"),
        (b"machine:\n  type: worker\n  type: worker\n", 3, "first on line 2"),
        (b"machine:\n  token: caf\xe9\n", 2, "UTF-8"),
        (b"machine:\n  token: a\x00b\n", 2, "control character"),
        (b"machine:\n  env: {a: [\n", 3, "check this line and the lines before it"),
        (b"machine:\n  env: *nothing\n", 2, "write &nothing on the value"),
        (b"machine:\n  pods: &p [*p]\n", 2, "write the value out"),
        (b"%YAML 1.2\n---\nmachine: {}\n", 1, "remove it"),
        (b"machine:\n  network:\n    hostname: 2024-01-02\n", 3, "write it in quotes"),
        (b"machine:\n  kubelet:\n    extraConfig: {since: 2024-01-02}\n", 3, "write it in quotes"),
        (b"machine:\n  features: {kubePrism: {port: abc}}\n", 2, "a whole number without quotes"),
        (b"machine:\n  typ: worker\n", 2, "check the spelling"),
        (b"- a\n- b\n", 1, "list of operations"),
    ],
)
def test_an_error_names_the_line_and_the_next_step(content: bytes, line: int, advice: str) -> None:
    error = _error_of(content)
    assert (error.line, advice in error.message) == (line, True), str(error)


def test_an_unknown_kind_names_the_talos_version_of_the_tables() -> None:
    error = _error_of(b"machine: {}\n---\napiVersion: v1alpha1\nkind: FancyConfig\n")
    assert (error.reason, error.line) == (Reason.UNKNOWN_DOCUMENT, 3)
    assert "Talos of 2026-08 (ad8823176) has no kind FancyConfig" in error.message


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"[" * 200_000, id="lists"),
        pytest.param(b"{a: " * 50_000, id="maps"),
        pytest.param(b"- " * 50_000, id="dashes"),
        pytest.param(b"? " * 50_000, id="keys"),
        pytest.param(_bomb(12), id="bomb"),
        pytest.param(
            b"a: &a " + b"x" * 500_000 + b"\nb: [" + b"*a, " * 100_000 + b"]\n", id="long texts again and again"
        ),
        pytest.param(b"---\na: b\n" * 50_000, id="documents"),
        pytest.param(b"- a\n" * 1_000_000, id="elements"),
        pytest.param(b'"' + b"a\n" * 1_000_000, id="a quote without end"),
        pytest.param(b"machine: " + b"x" * 50_000_000, id="50 MB"),
        pytest.param(b'[{"op": "add", "path": "/machine", "value": ' + b"[" * 100_000, id="json"),
        pytest.param(
            b'[{"op": "add", "path": "/x", "value": {'
            + b", ".join(b'"%d": 1' % at for at in range(400_000))
            + b', "399999": 1}}]',
            id="a key twice among many",
        ),
        pytest.param(
            b'[{"op": "add", "path": "/x", "value": ' + b'{"a":' * 500 + b"1" + b"}" * 500 + b"}]", id="deep json"
        ),
    ],
)
def test_endless_or_huge_input_is_rejected_quickly(content: bytes) -> None:
    before = process_time()
    _error_of(content)
    assert process_time() - before < 20


@pytest.mark.parametrize("content", [_bomb(12), _LONG_TEXTS], ids=["bomb", "texts"])
def test_aliases_do_not_fill_the_memory(content: bytes) -> None:
    tracemalloc.start()
    try:
        _error_of(content)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000


def test_long_lists_are_merged_in_time() -> None:
    links = b"".join(b"      - {interface: e%d, mtu: 9000}\n" % number for number in range(8_000))
    names = b"".join(b"    - host-%d\n" % number for number in range(20_000))
    text = b"machine:\n  certSANs:\n" + names + b"  network:\n    interfaces:\n" + links
    before = process_time()
    made = compose([Part("base", text), Part("patch", text)])
    assert made.config.count(b"interface: e") == 8_000
    assert process_time() - before < 20


def test_patches_that_nest_deeper_and_deeper_are_rejected() -> None:
    value = json.loads('{"a":' * 80 + "{}" + "}" * 80)
    parts = [Part("base", b"version: v1alpha1\n")]
    for step in range(40):
        path = "/a" * (81 * step + 1)
        operations = [{"op": "add", "path": path, "value": value}]
        parts.append(Part(f"patch-{step}", json.dumps(operations).encode()))
    with pytest.raises(ComposeError):
        compose(parts)


def test_no_error_contains_a_secret() -> None:
    base = Part("base", b"machine: {type: worker, token: hunter2}\ncluster: {token: hunter2}\n")
    for patch in (
        b'[{"op": "test", "path": "/machine/token", "value": "x"}]',
        b'[{"op": "remove", "path": "/machine/nothing"}]',
        b"cluster: {controlPlane: {endpoint: 'https://u:hunter2@a b:6443'}}\n",
        b"machine: {ca: {crt: hunter2!}}\n",
    ):
        with pytest.raises(ComposeError) as error:
            compose([base, Part("patch", patch)])
        assert "hunter2" not in str(error.value)
    assert "hunter2" not in repr(base) + repr(compose([base]))


_YAMLISH = st.text(alphabet=_CHARACTERS, max_size=60).map(str.encode)


def _outcome(parts: list[Part], kind: str = "talos") -> Composed | ComposeError:
    try:
        return compose(parts) if kind == "talos" else compose_plain(parts, kind)
    except ComposeError as error:
        return error


@settings(PATIENT, max_examples=300)
@given(st.binary(max_size=80) | _YAMLISH)
def test_any_bytes_are_composed_or_rejected(content: bytes) -> None:
    for parts in ([BASE, Part("p", content)], [Part("b", content), Part("p", b"machine: {type: worker}\n")]):
        outcome = _outcome(parts)
        assert dict(outcome.origins) is not None if isinstance(outcome, Composed) else outcome.message
    assert machine_type(parse_yaml(content).documents) in {"", "worker", "controlplane"}


@settings(PATIENT, max_examples=200)
@given(st.binary(max_size=60) | _YAMLISH, st.sampled_from(["yaml", "json", "cloud-config"]))
def test_any_bytes_are_merged_as_plain_yaml_or_json_or_rejected(content: bytes, kind: str) -> None:
    outcome = _outcome([Part("a", content), Part("b", content)], kind)
    assert outcome.config if isinstance(outcome, Composed) else outcome.part
