"""What makes a configuration precious: private keys and secrets of a cluster, judged by its content.

A precious configuration needs two people, whatever its ``machine.type`` says. In documents of Talos these are the
fields that are ``precious`` in ``talos/fields.json``. In any configuration, a private key (PEM, age, SSH, PGP) makes it
precious wherever it is, except in the fields of Talos for a machine's own key (WireGuard, the client of a registry).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from bootgrant.machines.finish.key_material import PRIVATE_KEY, KeySearch
from bootgrant.machines.finish.secret_looks import is_secret_name
from bootgrant.machines.site.model import Schema
from bootgrant.machines.talos.documents import is_talos
from bootgrant.machines.talos.field_classes import FieldClass, Placed, placed_anywhere, placed_in
from bootgrant.machines.talos.tables import TalosTables
from bootgrant.machines.yaml.reading import ParsedYaml, is_null

MOST_FIELDS: Final = 20
"""Fields that are named; more would not help anybody."""
_SHORTEST_COMMENT: Final = 16


def precious_fields(parsed: ParsedYaml, schema: Schema, tables: TalosTables) -> tuple[str, ...]:
    """Return where a configuration has private keys or secrets of a cluster, such as ``machine.ca.key``.

    At most MOST_FIELDS paths. Fields of a document with a kind begin with it: ``KubeAPIServerCAConfig.issuingCA.key``.
    """
    search = KeySearch()
    if parsed.error is not None or not parsed.documents or (schema is Schema.TEXT and not is_talos(parsed)):
        found = _in_lines(parsed, search)
    else:
        found = _in_documents(parsed, schema, tables, search)
    return tuple(dict.fromkeys(found))[:MOST_FIELDS]


def _in_documents(parsed: ParsedYaml, schema: Schema, tables: TalosTables, search: KeySearch) -> Iterator[str]:
    by_tables = schema is Schema.TALOS or is_talos(parsed)
    found = placed_in(parsed.documents, tables) if by_tables else placed_anywhere(parsed.documents)
    for placed in found:
        if _is_precious(placed, search):
            yield placed.path or "the whole configuration"
    if "#" in parsed.text and any(search.finds(text) for text in _between(parsed.text, found)):
        yield "a comment"


def _is_precious(placed: Placed, search: KeySearch) -> bool:
    scalar = placed.scalar
    if not scalar.text or placed.holds is FieldClass.OWN or (scalar.plain and is_null(scalar)):
        return False
    if placed.holds is FieldClass.PRECIOUS and not placed.is_key and is_secret_name(placed.key):
        return True
    return search.finds(scalar.text)


def _between(text: str, placed: Sequence[Placed]) -> Iterator[str]:
    """Yield what is outside of keys and values: comments, which the machine gets too."""
    at = 0
    places = sorted({(each.scalar.start, each.scalar.end) for each in placed})
    for start, end in [*places, (len(text), len(text))]:
        if start - at >= _SHORTEST_COMMENT:
            yield text[at:start]
        if text.startswith(("|", ">"), start):
            # The first line of a block scalar may end in a comment.
            yield text[start:end].partition("\n")[0]
        at = max(at, end)


def _in_lines(parsed: ParsedYaml, search: KeySearch) -> Iterator[str]:
    """Name the lines of the private keys in a text that has no fields."""
    text = parsed.text
    lines = [f"line {text.count(chr(10), 0, found.start()) + 1}" for found in PRIVATE_KEY.finditer(text)]
    if not lines and (search.finds(text) or search.finds_in(parsed.content)):
        lines = ["an encoded part (base64 or gzip)"]
    yield from lines[:MOST_FIELDS]
