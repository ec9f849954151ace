"""A server with which nothing is wrong: what the doctor asks it, and that it complains about nothing."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter

from bootgrant.doctor.subject import own_identity
from support.examined import examined, line

ME = own_identity("a computer")


def test_nothing_is_wrong_with_a_healthy_server() -> None:
    assert examined().bad() == []


def test_one_code_is_asked_for_with_an_identity_that_belongs_to_no_machine() -> None:
    asked = [each for each in examined().asked if each.target == "/device/code"]
    assert [each.form for each in asked] == [{"client_id": "talos", "uuid": ME["uuid"], "mac": ME["mac"]}]
    assert "authorization" not in asked[0].headers


def test_a_second_run_on_the_same_computer_is_the_same_machine_and_another_computer_is_another() -> None:
    assert own_identity("a computer") == ME
    assert own_identity("another")["uuid"] != ME["uuid"]
    assert all(own_identity("another")[name] for name in ME)


def test_the_token_is_asked_for_in_a_pair_as_talos_asks() -> None:
    asked = [each for each in examined().asked if each.target == "/token"]
    assert asked[0].headers["authorization"] == "Basic " + b64encode(b"talos:").decode()
    assert "authorization" not in asked[1].headers
    assert asked[0].form == asked[1].form
    assert asked[0].form["device_code"] == "device-code"


def test_nothing_is_asked_that_decides_or_downloads() -> None:
    seen = examined()
    assert Counter(each.method for each in seen.asked if each.target.startswith("/config")) == {"GET": 2}
    tokens = [each.headers.get("authorization", "") for each in seen.asked if each.target.startswith("/config")]
    assert tokens == ["", "Bearer wrong"]
    assert not [each for each in seen.asked if each.target.startswith("/d/")]


def test_the_request_that_stays_behind_is_told() -> None:
    pending = examined().examination.pending
    assert pending is not None
    assert (pending.user_code, pending.expires_in) == ("WDJB-MJHT", 600)


def test_a_default_endpoint_is_asked_with_its_query_as_it_was_written() -> None:
    seen = examined(cmdline=lambda url: f"talos.config={url}/x/config?m=${{mac}} talos.config.oauth.client_id=talos "
                    "talos.config.oauth.extra_variable=mac")  # fmt: skip
    assert "/device/code?m=${mac}" in [each.target for each in seen.asked]
    assert seen.found("guessed-endpoints").fix.startswith("name both")


def test_a_secret_goes_where_talos_sends_it_and_shows_nowhere() -> None:
    seen = examined(cmdline=lambda url: line(url, "talos.config.oauth.client_secret=hunter2"))
    with_secret = [each.target for each in seen.asked if each.form.get("client_secret")]
    assert set(with_secret) == {"/token"}
    assert "hunter2" not in str(seen.findings)
    assert "public client" in seen.found("secret-on-cmdline").fix
