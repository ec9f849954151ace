"""Random and mutated configurations get the verdict that Talos gives them."""

from __future__ import annotations

import random

from oracle.allowed import ALLOWED
from oracle.comparing import Figures
from oracle.generating import Generator
from oracle.mutating import mutated
from oracle.reference import Reference, size
from oracle.verdicts import verdict_difference
from oracle.writing import stream

CA = {"crt": "YQ==", "key": "YQ=="}
"""What every control plane needs; Talos does not look into it."""


def test_mutated_configurations_get_the_verdict_of_talos(reference: Reference, seed: int) -> None:
    choose = random.Random(seed)
    generator = Generator(reference.files[0], choose)
    figures = Figures(f"Talos {reference.release}, mutated configurations")
    bases = _accepted(reference, generator, max(20, size(100)))
    for _ in range(size(1_000)):
        figures.add(verdict_difference(reference, stream(mutated(choose.choice(bases), generator), choose)), ALLOWED)
    figures.check()


def _accepted(reference: Reference, generator: Generator, count: int) -> list[list[dict[str, object]]]:
    """Return configurations that Talos takes: a minimal one, and fields to it as long as Talos takes them."""
    careful = Generator(generator.schema, generator.choose, 0)
    found = []
    for _ in range(count):
        kind = generator.choose.choice(("worker", "controlplane"))
        machine = {"type": kind, "token": "a", "ca": CA if kind == "controlplane" else {"crt": "YQ=="}}
        cluster = {
            "id": "a",
            "secret": "YQ==",
            "token": "a",
            "ca": CA,
            "controlPlane": {"endpoint": "https://10.0.0.1:6443"},
        }
        documents: list[dict[str, object]] = [
            {"version": "v1alpha1", "machine": machine | {"install": {"disk": "/dev/sda"}}, "cluster": cluster}
        ]
        for _ in range(6):
            tried = mutated(documents, careful)
            if generator.choose.random() < 0.4:
                tried.append(careful.document())
            if not reference.validated(stream(tried, generator.choose)).refuses:
                documents = tried
        found.append(documents)
    return found
