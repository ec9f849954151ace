"""Random patches compose to the value that Talos composes, or both refuse."""

from __future__ import annotations

import json
import random

from bootgrant.machines.yaml.writing import Plain
from oracle.allowed import ALLOWED
from oracle.comparing import Figures, outcome
from oracle.generating import Generator, operations
from oracle.reference import Reference, size
from oracle.writing import document, stream


def test_random_patches_compose_as_talos_composes_them(reference: Reference, seed: int) -> None:
    choose = random.Random(seed)
    generator = Generator(reference.files[0], choose)
    figures = Figures(f"Talos {reference.release}, patches")
    for _ in range(size(2_000)):
        base = generator.configuration()
        patches = [stream(generator.patch(base), choose) for _ in range(choose.choice((1, 1, 2)))]
        figures.add(outcome(reference, stream(base, choose), patches), ALLOWED)
    figures.check()


def as_text(value: Plain) -> str:
    """JSON has no text without quotes: what is written so in YAML is a text in a JSON patch."""
    return value.text


def test_random_json_patches_compose_as_talos_composes_them(reference: Reference, seed: int) -> None:
    choose = random.Random(seed)
    generator = Generator(reference.files[0], choose)
    figures = Figures(f"Talos {reference.release}, JSON patches")
    for _ in range(size(1_000)):
        base = generator.configuration()[0]
        patches = [json.dumps(operations(base, choose), default=as_text) for _ in range(choose.choice((1, 1, 2)))]
        figures.add(outcome(reference, document(base, choose), patches), ALLOWED)
    figures.check()
