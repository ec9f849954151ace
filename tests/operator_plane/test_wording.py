"""All texts of the pages are in one file."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest

from bootgrant.approval.audit import AuditKind
from bootgrant.operator_plane.error_pages import not_signed_in
from bootgrant.operator_plane.wording import counted, day_time, text, texts
from bootgrant.workflows.people.oidc_sign_in import OidcRefusal, OidcRefused

ROOM = Path(str(resources.files("bootgrant.operator_plane")))
ASKED = re.compile(r"""(?<![\w.])(?:t|text|counted)\(\s*["']([a-z_]+\.[a-z_]+)["'](?! ~)""")
BEGUN = re.compile(r"""["']([a-z_]+\.(?:[a-z_]+_)?)["'] ~|f["']([a-z_]+\.[a-z_]*)\{""")


def sources() -> str:
    files = [*ROOM.rglob("*.py"), *ROOM.rglob("*.html")]
    return "\n".join(file.read_text("utf-8") for file in files)


def test_every_text_that_a_page_uses_exists() -> None:
    for name in ASKED.findall(sources()):
        assert name in texts(), name


def test_every_text_is_used_by_a_page() -> None:
    code = sources()
    begun = tuple(one or other for one, other in BEGUN.findall(code))
    for name in texts():
        asked = f'"{name}"' in code or f"'{name}'" in code or name.endswith("_one")
        assert asked or name.startswith(begun), name


def test_a_count_of_one_uses_the_singular() -> None:
    assert (counted("batch.done_title", 1), counted("batch.done_title", 2)) == ("1 approved", "2 approved")


def test_braces_in_untrusted_text_are_not_expanded() -> None:
    assert "{0.__class__}" in text("device.not_found", code="{0.__class__}")


def test_every_kind_of_event_has_a_text() -> None:
    assert all(text(f"audit.{kind.value.replace('-', '_')}") for kind in AuditKind)


@pytest.mark.parametrize("why", OidcRefused)
def test_every_refusal_of_a_sign_in_has_an_error_page(why: OidcRefused) -> None:
    page = not_signed_in("Corp SSO", OidcRefusal(why), "/login")
    assert page.status >= 400
    assert page.happened
    assert page.now


def test_an_unknown_text_raises() -> None:
    with pytest.raises(KeyError):
        text("queue.nothing_like_this")


def test_a_time_is_written_so_that_it_sorts() -> None:
    assert day_time(1_800_000_000.0) == "2027-01-15 08:00:00 UTC"
