"""Which files the layers of an entry are, in which order."""

from __future__ import annotations

import pytest

from bootgrant.machines.site.files import Listing, layer_files, unused_layers
from bootgrant.machines.site.model import Entry, Layer, Schema

PATHS = [
    "all/02-b.yaml", "all/01-a.yaml.j2", "all/10-c.yaml.age", "all/README.md", "all/sub/x.yaml", "all/old.yaml.bak",
    "all/02-b.yaml~", "all/#02-b.yaml#", "all/02-b.yaml.swp",
    "worker.yaml", "node/n/x.json", "odd/a.toml", "tpl/a.yaml.tpl", "both/a.yaml.j2.age", "wrong/a.yaml.age.j2",
    "machines.yaml", "entries/a.yaml",
]  # fmt: skip


def files(*layers: str, schema: Schema = Schema.TALOS, optional: bool = False) -> tuple[list[str], list[str]]:
    entry = Entry("n", layers=tuple(Layer(name, is_optional=optional) for name in layers), schema=schema)
    found, findings = layer_files(entry, Listing(PATHS))
    return [file.path for file in found], [finding.rule for finding in findings]


def test_a_folder_is_taken_in_the_order_of_its_names_without_what_is_below_it() -> None:
    assert files("all") == (["all/01-a.yaml.j2", "all/02-b.yaml", "all/10-c.yaml.age"], [])


def test_a_layer_may_be_a_file_with_or_without_its_ending() -> None:
    assert files("worker", "node/n/x") == (["worker.yaml", "node/n/x.json"], [])
    assert files("all/02-b.yaml") == (["all/02-b.yaml"], [])


def test_the_order_of_the_layers_is_that_of_the_entry() -> None:
    assert files("node/n", "worker")[0] == ["node/n/x.json", "worker.yaml"]


@pytest.mark.parametrize(
    ("layer", "rule"),
    [("nope", "missing-layer"), ("odd", "odd-name"), ("tpl", "go-template"), ("wrong", "odd-name")],
)
def test_a_layer_that_cannot_be_used_is_told(layer: str, rule: str) -> None:
    assert files("all", layer)[1] == [rule]


def test_what_is_only_usual_may_be_missing_but_not_all_of_it() -> None:
    assert files("all", "nope", optional=True)[1] == []
    assert files("nope", optional=True)[1] == ["no-layers"]


def test_a_text_may_have_any_name() -> None:
    assert files("odd", schema=Schema.TEXT) == (["odd/a.toml"], [])


def test_layers_that_nobody_uses_are_told_once_each() -> None:
    entry = Entry("n", layers=(Layer("all"), Layer("worker")))
    places = [finding.file for finding in unused_layers([entry], Listing(PATHS))]
    assert places == ["all/sub/x.yaml", "both/a.yaml.j2.age", "node/n/x.json", "odd/a.toml", "tpl/a.yaml.tpl",
                      "wrong/a.yaml.age.j2"]  # fmt: skip
