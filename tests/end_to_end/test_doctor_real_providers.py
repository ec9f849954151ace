"""The doctor with real providers: its findings match how acquire and Talos fare there."""

from __future__ import annotations

from pathlib import Path

from bootgrant.acquire.clock import SystemClock
from bootgrant.doctor.examination import Examination, Options
from bootgrant.doctor.findings import Level
from bootgrant.doctor.parameters import own_identity
from support.answering_server import AnsweringServer, http
from support.providers import glewlwyd, oidc_provider

_OAUTH = "talos.config.oauth."


def _bad(parameters: str, issuer: str) -> dict[str, Level]:
    """Return the errors and warnings, with a configuration server that requires a token."""
    with AnsweringServer(lambda _: http(401, b"no token")) as config:
        examination = Examination(
            Options(own_identity("a computer"), "wrong", issuer=issuer), SystemClock(), lambda _: None
        )
        own = f"talos.config={config.url}/config?uuid=${{uuid}} {_OAUTH}extra_variable=uuid"
        examination.run(f"{own} {parameters}")
    assert examination.pending is not None
    return {each.code: each.level for each in examination.findings if each.level in (Level.ERROR, Level.WARNING)}


def test_the_doctor_finds_no_problem_with_oidc_provider() -> None:
    with oidc_provider() as provider:
        assert _bad(f"{_OAUTH}client_id=machines {_OAUTH}scope=openid {provider.endpoints}", provider.issuer) == {}


def test_the_doctor_finds_no_problem_with_glewlwyd(tmp_path: Path) -> None:
    with glewlwyd(tmp_path) as provider:
        parameters = f"{_OAUTH}client_id=machines {_OAUTH}scope=machines {provider.endpoints}"
        assert _bad(parameters, provider.issuer) == {}


def test_the_doctor_reports_that_talos_with_a_secret_gets_no_code() -> None:
    with oidc_provider() as provider, AnsweringServer(lambda _: http(401, b"no token")) as config:
        examination = Examination(Options(own_identity("a computer"), "wrong"), SystemClock(), lambda _: None)
        examination.run(
            f"talos.config={config.url}/config {_OAUTH}client_id=machines-post {_OAUTH}scope=openid "
            f"{_OAUTH}client_secret={provider.client_secret} {_OAUTH}extra_variable=uuid {provider.endpoints}"
        )
    (refused,) = [each for each in examination.findings if each.code == "codes-refused"]
    assert "public client" in refused.fix
