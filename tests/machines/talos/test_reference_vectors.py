"""The composer does what Talos does: 1,114 inputs and outputs recorded from Talos.

``tests/vectors/patching.json`` has 513, ``patching_more.json`` has 601: sizes, nulls, merge keys, deletes, JSON.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bootgrant.machines.talos.composing import compose
from bootgrant.machines.talos.documents import ComposeError, Part, Reason
from support.go_yaml_form import compared


def _vectors(name: str) -> list[dict[str, Any]]:
    """The vectors of a file, each with the text of its configuration."""
    file = json.loads((Path(__file__).resolve().parents[2] / "vectors" / name).read_text("utf-8"))
    return [{**vector, "config": file["configs"][vector["config"]]} for vector in file["vectors"]]


_VECTORS = [*_vectors("patching.json"), *_vectors("patching_more.json")]
# Which of our reasons each error of Talos is. Where Talos crashes (panic, recovered) every refusal is right.
_REASONS: dict[str, set[Reason]] = {
    "decode error": {Reason.UNREADABLE},
    "unknown keys found": {Reason.UNKNOWN_KEY, Reason.UNKNOWN_DOCUMENT},
    "construct errors": {Reason.WRONG_TYPE, Reason.UNREADABLE},
    "missing kind in document": {Reason.DELETE},
    "missing apiVersion in document": {Reason.DELETE},
    "missing kind": {Reason.UNKNOWN_DOCUMENT},
    "missing apiVersion": {Reason.UNKNOWN_DOCUMENT},
    "not registered": {Reason.UNKNOWN_DOCUMENT},
    "duplicate document": {Reason.DUPLICATE},
    "conflicting": {Reason.CONFLICT},
    "config not found": {Reason.EMPTY, Reason.NOT_A_PATCH},
    "expected a YAML document": {Reason.NOT_A_PATCH},
    "patch delete": {Reason.DELETE},
    "merge field": {Reason.MERGE},
    "JSON6902": {Reason.JSON_PATCH},
    "rfc6902": {Reason.JSON_PATCH},
    "cannot unmarshal array": {Reason.NOT_A_PATCH},
    "contains itself": {Reason.UNREADABLE},
    "kind and apiVersion must be both set": {Reason.DELETE},
    "unexpected type for yaml": {Reason.WRONG_TYPE},
    "map merge requires": {Reason.WRONG_TYPE},
    "unexpected end of JSON": {Reason.JSON_PATCH},
    "panic": set(Reason),
    "recovered": set(Reason),
}


def _parts(vector: dict[str, Any]) -> list[Part]:
    config = Part("config.yaml", vector["config"].encode())
    return [config, *(Part(f"patch-{at}.yaml", text.encode()) for at, text in enumerate(vector["patches"], 1))]


def _allowed_reasons(error: str) -> set[Reason]:
    return next(reasons for text, reasons in _REASONS.items() if text in error)


@pytest.mark.parametrize("vector", [v for v in _VECTORS if "output" in v], ids=lambda v: v["name"])
def test_the_value_is_what_talos_composes(vector: dict[str, Any]) -> None:
    config = compose(_parts(vector)).config
    if not vector["patches"]:
        assert config.decode() == vector["output"]
    elif "lossy" in vector:
        assert _texts(compared(config)) >= _texts_of_patches(vector)
    else:
        assert compared(config) == compared(vector["output"].encode())


@pytest.mark.parametrize("vector", [v for v in _VECTORS if "error" in v], ids=lambda v: v["name"])
def test_what_talos_rejects_is_rejected_for_the_same_reason(vector: dict[str, Any]) -> None:
    with pytest.raises(ComposeError) as refused:
        compose(_parts(vector))
    assert refused.value.reason in _allowed_reasons(vector["error"])
    assert refused.value.part


def test_most_texts_are_identical_to_taloss() -> None:
    measured = [vector for vector in _VECTORS if "output" in vector]
    same = [vector for vector in measured if compose(_parts(vector)).config.decode() == vector["output"]]
    assert (len(same), len(measured)) == (904, 907)


def _texts(form: Any) -> set[str]:
    """Every text in a form."""
    match form:
        case dict():
            return set().union(*(_texts(value) for value in form.values()))
        case list():
            return set().union(*(_texts(value) for value in form))
        case ("text", text):
            return {text}
        case _:
            return set()


def _texts_of_patches(vector: dict[str, Any]) -> set[str]:
    """What the patches say, less the line ends that manifests begin with: Talos cuts those off on purpose."""
    return {text.lstrip("\n") for patch in vector["patches"] for text in _texts(compared(patch.encode()))}
