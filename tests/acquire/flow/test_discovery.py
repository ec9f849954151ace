"""Endpoints from an issuer: RFC 8414 and OpenID Connect Discovery."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.acquire.errors import BadParameter, ProviderFailed, Unreachable
from bootgrant.acquire.flow.discovery import Metadata, discover, parse_metadata, well_known
from bootgrant.acquire.http.transport import Transport
from support.answering_server import Answer, AnsweringServer, Asked, http, reply
from support.screen import QuickClock, Screen

ENDPOINTS = {"device_authorization_endpoint": "https://idp/d", "token_endpoint": "https://idp/t"}


def found(answer: Answer, path: str = "", seconds: float = 5.0) -> tuple[Metadata, list[str]]:
    with AnsweringServer(answer) as server:
        clock = QuickClock()
        issuer = f"{server.url}{path}"
        return discover(issuer, Transport(), Screen(), clock, clock.steady() + seconds), server.targets()


@given(st.binary())
def test_arbitrary_bytes_are_parsed_or_refused(body: bytes) -> None:
    with contextlib.suppress(ProviderFailed):
        parse_metadata(body, "https://idp")


def test_the_metadata_has_the_endpoints_and_what_the_provider_can_do() -> None:
    document = {
        **ENDPOINTS,
        "issuer": "https://idp",
        "token_endpoint_auth_methods_supported": ["client_secret_basic", 7],
        "code_challenge_methods_supported": ["plain", "S256"],
    }
    assert parse_metadata(json.dumps(document).encode(), "https://idp") == Metadata(
        "https://idp/d", "https://idp/t", ("client_secret_basic",), ("plain", "S256")
    )


def test_an_issuer_with_a_path_has_two_metadata_urls() -> None:
    assert well_known("https://idp:8443/realms/x/") == (
        "https://idp:8443/.well-known/oauth-authorization-server/realms/x",
        "https://idp:8443/realms/x/.well-known/openid-configuration",
    )


def test_the_second_metadata_url_is_tried_if_the_first_has_nothing() -> None:
    with AnsweringServer(lambda _: b"") as server:

        def answer(asked: Asked) -> bytes:
            document = {**ENDPOINTS, "issuer": f"{server.url}/realms/x"}
            return reply(200, document) if "openid" in asked.target else http(404)

        server.answer = answer
        clock = QuickClock()
        metadata = discover(f"{server.url}/realms/x", Transport(), Screen(), clock, clock.steady() + 5)
    assert metadata.token_endpoint == "https://idp/t"
    assert len(server.asked) == 2


def test_metadata_of_another_issuer_is_refused() -> None:
    """RFC 8414 section 3.3: otherwise one provider could pose as another."""
    document = json.dumps({**ENDPOINTS, "issuer": "https://evil"}).encode()
    with pytest.raises(ProviderFailed, match="another issuer"):
        parse_metadata(document, "https://idp")


def test_a_provider_without_the_device_flow_is_reported() -> None:
    document = json.dumps({"issuer": "https://idp", "token_endpoint": "https://idp/t"}).encode()
    with pytest.raises(ProviderFailed, match="device flow"):
        parse_metadata(document, "https://idp")


def test_a_provider_that_is_starting_is_tried_again() -> None:
    with pytest.raises(ProviderFailed, match="status 503"):
        found(lambda _: http(503))


def test_a_provider_that_is_down_is_unreachable() -> None:
    with AnsweringServer(lambda _: b"") as server:
        url = server.url
    clock = QuickClock()
    with pytest.raises(Unreachable):
        discover(url, Transport(), Screen(), clock, clock.steady() + 5)
    assert len(clock.slept) >= 3


def test_missing_metadata_ends_at_once() -> None:
    with pytest.raises(ProviderFailed, match="no metadata"):
        found(lambda _: http(404), seconds=3600)


@pytest.mark.parametrize("issuer", ["idp.example", "https://idp/?a=b", "https://idp/#x", "https://u:p@idp/"])
def test_an_invalid_issuer_is_refused(issuer: str) -> None:
    with pytest.raises(BadParameter, match="--issuer"):
        well_known(issuer)


def test_an_issuer_without_tls_is_refused_unless_it_is_this_machine() -> None:
    with pytest.raises(BadParameter, match="https"):
        well_known("http://idp.example")
    assert well_known("http://127.0.0.1:1")
