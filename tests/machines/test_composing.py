"""One configuration out of its layers."""

from __future__ import annotations

from bootgrant.machines.composing import Part, compose


def test_a_base_without_patches_is_served_byte_for_byte() -> None:
    base = b"machine:   {type: worker}  # as it is\r\n"
    assert compose([Part("all.yaml", base)]).config == base
