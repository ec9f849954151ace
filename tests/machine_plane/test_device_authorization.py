"""``POST /device/code``: the codes, and the errors."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.grants import MAC, UUID
from support.machine import TALOS, ask
from support.site import InProcess

pytestmark = pytest.mark.anyio
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def test_a_machine_gets_codes_that_talos_understands(site: InProcess) -> None:
    codes = await ask(site.client())
    letters = codes["user_code"].replace("-", "")
    assert codes["verification_uri"] == "http://boot.example:8080/device"
    assert codes["verification_uri_complete"] == f"http://boot.example:8080/d/{letters}"
    assert (codes["expires_in"], codes["interval"]) == (600, 1)
    assert type(codes["expires_in"]) is int
    assert len(codes["device_code"]) == 43


async def test_the_urls_come_from_public_url_and_never_from_the_host_header(site: InProcess) -> None:
    answer = await site.client().post("/device/code", data=TALOS, headers={"Host": "evil.example"})
    assert "evil" not in answer.text


async def test_variables_in_the_query_are_ignored(site: InProcess) -> None:
    answer = await site.client().post("/device/code?uuid=${uuid}&mac=11:22:33:44:55:66", data=TALOS)
    assert answer.status_code == 200
    (grant,) = await site.database.grants.pending_grants(site.clock.now(), 10)
    assert grant.identity.given() == {"uuid": UUID, "mac": MAC}


@pytest.mark.parametrize(
    "variables",
    [{}, {"uuid": ""}, {"hostname": "cp-1"}, {"uuid": "00000000-0000-0000-0000-000000000000", "serial": "0"}],
)
async def test_a_machine_without_an_identity_is_refused_with_the_parameter_to_set(
    site: InProcess, variables: dict[str, str]
) -> None:
    answer = await site.client().post("/device/code", data={"client_id": "talos", **variables})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert "talos.config.oauth.extra_variable" in answer.json()["error_description"]
    assert await site.database.grants.pending_grants(site.clock.now(), 10) == []


async def test_an_unknown_client_is_refused_without_quoting_it(site: InProcess) -> None:
    answer = await site.client().post("/device/code", data={**TALOS, "client_id": "<mallory>"})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert "mallory" not in answer.text


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        ("client_id=talos&uuid=a&uuid=b", FORM, 400),
        ("client_id=talos&uuid=%ff%fe", FORM, 400),
        (b"client_id=talos&uuid=\xff", FORM, 400),
        ('{"client_id": "talos"}', {"Content-Type": "application/json"}, 400),
        ("client_id=talos", {}, 400),
        ("&".join(f"v{n}=1" for n in range(100)), FORM, 400),
        ("client_id=talos&serial=" + "x" * 300, FORM, 400),
        ("client_id=talos&x=" + "x" * 17_000, FORM, 413),
    ],
    ids=["repeated", "not UTF-8", "raw byte", "JSON", "no type", "many", "long variable", "large"],
)
async def test_a_malformed_request_is_refused_with_an_oauth_error(
    site: InProcess, content: str | bytes, headers: dict[str, str], status: int
) -> None:
    answer = await site.client().post("/device/code", content=content, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (status, "invalid_request")


async def test_unknown_parameters_are_ignored(site: InProcess) -> None:
    answer = await site.client().post(
        "/device/code", data={**TALOS, "scope": "openid", "audience": "x", "flavour": "y"}
    )
    assert answer.status_code == 200


async def test_another_method_is_refused_with_the_right_one(site: InProcess) -> None:
    answer = await site.client().get("/device/code")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json()["error"] == "invalid_request"


@pytest.mark.parametrize("path", ["/device/code", "/token"])
async def test_a_machine_from_another_network_is_refused(site: InProcess, path: str) -> None:
    answer = await site.client("203.0.113.9").post(path, data=TALOS)
    assert (answer.status_code, answer.json()["error"]) == (403, "access_denied")
    assert "networks.machines" in answer.json()["error_description"]


async def test_responses_must_not_be_cached(site: InProcess) -> None:
    answer = await site.client().post("/device/code", data=TALOS)
    assert answer.headers["cache-control"] == "no-store"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80, deadline=None)
@given(body=st.binary(max_size=200), content_type=st.sampled_from([*FORM.values(), "text/plain", ""]))
async def test_any_bytes_get_an_oauth_error(site: InProcess, body: bytes, content_type: str) -> None:
    for path in ("/device/code", "/token"):
        answer = await site.client().post(path, content=body, headers={"Content-Type": content_type})
        assert answer.status_code in (400, 401)
        assert answer.json()["error"]
