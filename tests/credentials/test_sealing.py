"""ID tokens that only the browser's session can decrypt."""

from __future__ import annotations

import pytest

from bootgrant.credentials.sealing import ID_TOKEN, SecretSealing
from bootgrant.wire.secret import Secret

SESSION = Secret("s" * 43)
SEALED_BY_546E06E = (
    "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..vygRUh0PQOh1VgjR.NnCIFS-lH_0_yL9yUwgxFqFI_2lcvW8.02-wkVYHHzJuP_2Bl4itiQ"
)


def test_a_sealed_text_opens_with_its_session_and_hides_the_text() -> None:
    sealed = SecretSealing(ID_TOKEN).seal(SESSION, "header.claims.signature")
    assert "claims" not in sealed
    opened = SecretSealing(ID_TOKEN).unseal(SESSION, sealed)
    assert opened is not None
    assert opened.reveal() == "header.claims.signature"


def test_a_text_that_an_older_version_sealed_opens() -> None:
    opened = SecretSealing(ID_TOKEN).unseal(SESSION, SEALED_BY_546E06E)
    assert opened is not None
    assert opened.reveal() == "header.claims.signature"


@pytest.mark.parametrize("sealed", ["", "not sealed", SEALED_BY_546E06E[:-1] + "!", SEALED_BY_546E06E[:40]])
def test_nothing_opens_from_a_text_that_was_not_sealed_or_is_damaged(sealed: str) -> None:
    assert SecretSealing(ID_TOKEN).unseal(SESSION, sealed) is None


def test_another_session_opens_nothing() -> None:
    assert SecretSealing(ID_TOKEN).unseal(Secret("t" * 43), SEALED_BY_546E06E) is None
