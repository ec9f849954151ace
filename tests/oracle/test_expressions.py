"""Random expressions in CEL are accepted and refused as Talos does it, and our names are those of the release."""

from __future__ import annotations

import json
import random
from collections import Counter
from importlib.resources import files
from typing import Any, Final

import pytest

from bootgrant.machines.talos.cel import CelError, compile_type_in
from bootgrant.machines.talos.cel.environments import read_environment
from oracle.expressions import Expressions
from oracle.reference import Reference, size

_BASE: Final = {
    "machine": {"type": "worker", "ca": {"crt": "YQ=="}, "install": {"disk": "/dev/sda"}},
    "cluster": {"controlPlane": {"endpoint": "https://10.0.0.1:6443"}},
}
_TYPES: Final = {"disk": "bool", "volume": "bool", "link": "bool", "oom": "bool", "cgroup": "double"}


def _document(environment: str, expression: str) -> dict[str, Any]:
    """Return a document with an expression in its place, otherwise valid."""
    match environment:
        case "disk":
            selector = {"diskSelector": {"match": expression}, "minSize": "1GB"}
            return {"kind": "UserVolumeConfig", "name": "data", "provisioning": selector}
        case "volume":
            selector = {"volumeSelector": {"match": expression}}
            return {"kind": "ExistingVolumeConfig", "name": "data", "discovery": selector}
        case "link":
            return {"kind": "LinkAliasConfig", "name": "net0", "selector": {"match": expression}}
        case "oom":
            return {"kind": "OOMConfig", "triggerExpression": expression}
        case _:
            return {"kind": "OOMConfig", "cgroupRankingExpression": expression}


def _refused(reference: Reference, environment: str, expression: str) -> bool:
    document = {"apiVersion": "v1alpha1"} | _document(environment, expression)
    return reference.validated(f"{json.dumps(_BASE)}\n---\n{json.dumps(document)}\n").refuses


def test_random_expressions_have_the_type_that_talos_gives_them(reference: Reference, seed: int) -> None:
    choose = random.Random(seed)
    counts: Counter[str] = Counter()
    for name in reference.expressions["environments"]:
        known = read_environment(reference.expressions, name)
        generator = Expressions(known, choose)
        for _ in range(size(400)):
            expression = generator.expression(_TYPES[name])
            refused = _refused(reference, name, expression)
            try:
                found = compile_type_in(known, expression)
            except CelError as error:
                found = f"no type: {error}"
            assert refused == (found != _TYPES[name]), f"{name}: {expression}\n{found}"
            counts["refused" if refused else "accepted"] += 1
    print(f"Talos {reference.release}, expressions: {counts}")
    assert counts["refused"]
    assert counts["accepted"]


def test_what_expressions_can_name_is_what_the_release_says(reference: Reference) -> None:
    if reference.release == "1.14":
        pytest.skip("the tables of 1.14 are those of a commit that the Go proxy does not have")
    shipped = files("bootgrant.machines.talos.cel") / "releases" / f"{reference.release}.json"
    assert json.loads(shipped.read_text(encoding="utf-8")) == reference.expressions
