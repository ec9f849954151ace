"""docs/troubleshooting.md names messages as the programs print them, and every refusal that a console can show."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bootgrant.ports.providers import TokenRefusal
from bootgrant.workflows.machine.deliver import DeliveryRefusal

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/troubleshooting.md").read_text("utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| `")]
MESSAGES = sorted({message for row in ROWS for message in re.findall(r"`([^`]+)`", row.split(" | ")[0])})
OF_GO = ("x509: certificate signed by unknown authority", "x509: certificate has expired or is not yet valid")
"""Go's crypto/x509, in whose words Talos reports a certificate (UnknownAuthorityError, CertificateInvalidError)."""


@pytest.fixture(scope="module")
def sources() -> str:
    """Our programs, and the recorded sessions of the real client. Text that is split over lines is joined."""
    ours = "".join(path.read_text("utf-8") for path in sorted((ROOT / "src/bootgrant").rglob("*.py")))
    joined = re.sub(r"\"\s*\n\s*f?\"", "", ours)
    return joined + (ROOT / "tests/vectors/deviceflow.json").read_text("utf-8")


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_of_the_page_is_printed_by_a_program(message: str, sources: str) -> None:
    assert message in sources or message in OF_GO or message in "talos.config.auth."


@pytest.mark.parametrize("refusal", [*DeliveryRefusal, *TokenRefusal], ids=lambda refusal: str(refusal.value))
def test_every_refusal_of_a_configuration_is_explained(refusal: DeliveryRefusal | TokenRefusal) -> None:
    assert refusal.value in MESSAGES


def test_every_reason_to_try_again_is_explained(sources: str) -> None:
    said = set(re.findall(r'"([a-z ]{4,20}, retrying)"', sources))
    assert len(said) >= 6
    assert said <= set(MESSAGES)
