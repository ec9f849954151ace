"""The doctor with real providers: its findings match how acquire and Talos fare there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bootgrant.acquire.clock import SystemClock
from bootgrant.doctor.examination import Examination, Options
from bootgrant.doctor.findings import Level
from bootgrant.doctor.parameters import own_identity
from support.answering_server import AnsweringServer, http
from support.examined_providers import RULES, bad, examined, sign_in
from support.glewlwyd_people import with_people
from support.providers import OidcProvider, glewlwyd, oidc_provider
from support.site import free_port

_OAUTH = "talos.config.oauth."


def _bad(parameters: str, issuer: str) -> dict[str, Level]:
    """Return the errors and warnings, with a configuration server that requires a token."""
    with AnsweringServer(lambda _: http(401, b"no token")) as config:
        examination = Examination(
            Options(own_identity("a computer"), "wrong", issuer=issuer), SystemClock(), lambda _: None
        )
        own = f"talos.platform=metal talos.config={config.url}/config?uuid=${{uuid}} {_OAUTH}extra_variable=uuid"
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
            f"talos.platform=metal talos.config={config.url}/config {_OAUTH}client_id=machines-post "
            f"{_OAUTH}scope=openid {_OAUTH}client_secret={provider.client_secret} "
            f"{_OAUTH}extra_variable=uuid {provider.endpoints}"
        )
    (refused,) = [each for each in examination.findings if each.code == "codes-refused"]
    assert "public client" in refused.fix


def test_the_doctor_reads_the_lifetime_of_a_token_that_a_person_approved() -> None:
    with oidc_provider() as provider, AnsweringServer(lambda _: http(401, b"no token")) as config:

        def approve(text: str) -> None:
            if (visit := re.match(r"waiting until a person approves (\S+) at (\S+)", text)) is not None:
                provider.approve(f"{visit[2]}?user_code={visit[1]}")

        examination = Examination(Options(own_identity("a computer"), "wrong", approval=60), SystemClock(), approve)
        examination.run(
            f"talos.platform=metal talos.config={config.url}/config {_OAUTH}client_id=machines {_OAUTH}scope=openid "
            f"{_OAUTH}extra_variable=uuid {provider.endpoints}"
        )
    assert examination.pending is None
    (found,) = [each for each in examination.findings if each.code == "token-lifetime"]
    assert (found.level, found.message) == (Level.OK, "the token is valid for 3600 s")


@pytest.fixture(scope="module")
def oidc() -> Iterator[tuple[OidcProvider, str]]:
    """oidc-provider, and the address of the pages whose redirect URI it knows."""
    pages = f"http://127.0.0.1:{free_port()}"
    with oidc_provider(pages_url=pages) as provider:
        yield provider, pages


def test_a_right_client_of_oidc_provider_has_no_warning(oidc: tuple[OidcProvider, str], tmp_path: Path) -> None:
    provider, pages = oidc
    found = examined(tmp_path, sign_in(tmp_path, provider.issuer, provider.client_secret), pages)
    assert bad(found) == {}
    assert "login_required" in found["authorization"][1]
    assert found["credentials"] == ("ok", "the token endpoint accepts the client pages")


@pytest.mark.parametrize(
    ("changed", "codes", "words"),
    [
        ({"secret": "another secret"}, {"credentials": "error"}, "client authentication failed"),
        ({"client": "nobody"}, {"client-unknown": "error", "credentials": "error"}, "client is invalid"),
        ({"client": "machines-basic"}, {"redirect-uri": "error", "flow-off": "error"}, "redirect_uri did not match"),
        ({"scopes": '"openid", "groups"'}, {"scope-unnamed": "warning"}, "groups"),
        ({"issuer": "/"}, {"provider-metadata": "error"}, "issuer"),
    ],
)
def test_what_is_wrong_with_a_client_of_oidc_provider_is_reported(
    oidc: tuple[OidcProvider, str], tmp_path: Path, changed: dict[str, str], codes: dict[str, str], words: str
) -> None:
    provider, pages = oidc
    issuer = f"{provider.issuer}{changed.get('issuer', '')}"
    secret = changed.get("secret", provider.client_secret)
    scopes, client = changed.get("scopes", '"openid", "profile"'), changed.get("client", "pages")
    found = examined(tmp_path, sign_in(tmp_path, issuer, secret, scopes, client), pages)
    assert bad(found) == codes
    assert words in found[next(iter(codes))][1]


def test_a_redirect_uri_that_is_not_registered_is_reported(oidc: tuple[OidcProvider, str], tmp_path: Path) -> None:
    provider, _ = oidc
    found = examined(tmp_path, sign_in(tmp_path, provider.issuer, provider.client_secret))
    assert bad(found) == {"redirect-uri": "error"}
    assert "https://boot.example/login/oidc/corp/callback" in found["redirect-uri"][1]


def test_the_clients_of_glewlwyd_are_examined(tmp_path: Path) -> None:
    pages = f"http://127.0.0.1:{free_port()}"
    with glewlwyd(tmp_path) as provider:
        people = with_people(provider, pages)
        right = examined(tmp_path, sign_in(tmp_path, people.issuer, people.client_secret, '"openid"'), pages)
        wrong = examined(tmp_path, sign_in(tmp_path, people.issuer, "another secret", '"openid"'), pages)
        elsewhere = examined(tmp_path, sign_in(tmp_path, people.issuer, people.client_secret, '"openid"'))
    assert "error" not in bad(right).values()
    assert bad(wrong)["credentials"] == "error"
    assert "error" in bad(elsewhere).values()


def test_tokens_of_oidc_provider_are_examined(oidc: tuple[OidcProvider, str], tmp_path: Path) -> None:
    provider, _ = oidc
    (tmp_path / "right").write_text(provider.client_secret)
    (tmp_path / "wrong").write_text("another secret")
    ways = {
        "right": 'check = "introspection"\nclient_ids = ["machines"]\nclient_id = "machines-basic"\n'
        'client_secret_file = "right"',
        "wrong": 'check = "introspection"\nclient_ids = ["machines"]\nclient_id = "machines-basic"\n'
        'client_secret_file = "wrong"',
        "userinfo": 'check = "userinfo"',
        "jwt": 'audiences = ["https://config.example/"]',
    }
    for way, lines in ways.items():
        found = examined(tmp_path, f'[[providers]]\nname = "corp"\nissuer = "{provider.issuer}"\n{lines}\n{RULES}')
        assert bad(found) == ({"introspection-refused": "error"} if way == "wrong" else {}), (way, found)
