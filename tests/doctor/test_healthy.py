"""A healthy server: which requests the doctor sends, and that it reports no problem."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter

from bootgrant.doctor.parameters import own_identity
from support.examined import examined, line

ME = own_identity("a computer")


def test_a_healthy_server_has_no_problems() -> None:
    assert examined().bad() == []


def test_one_code_is_requested_with_an_identity_that_no_machine_has() -> None:
    asked = [each for each in examined().asked if each.target == "/device/code"]
    assert [each.form for each in asked] == [{"client_id": "talos", "uuid": ME["uuid"], "mac": ME["mac"]}]
    assert "authorization" not in asked[0].headers


def test_each_computer_plays_its_own_machine_in_every_run() -> None:
    assert own_identity("a computer") == ME
    assert own_identity("another")["uuid"] != ME["uuid"]
    assert all(own_identity("another")[name] for name in ME)


def test_the_token_is_requested_in_pairs_as_talos_does() -> None:
    asked = [each for each in examined().asked if each.target == "/token"]
    assert asked[0].headers["authorization"] == "Basic " + b64encode(b"talos:").decode()
    assert "authorization" not in asked[1].headers
    assert asked[0].form == asked[1].form
    assert asked[0].form["device_code"] == "device-code"


def test_no_request_decides_or_downloads() -> None:
    seen = examined()
    assert Counter(each.method for each in seen.asked if each.target.startswith("/config")) == {"GET": 2}
    tokens = [each.headers.get("authorization", "") for each in seen.asked if each.target.startswith("/config")]
    assert tokens == ["", "Bearer wrong"]
    assert not [each for each in seen.asked if each.target.startswith("/d/")]


def test_the_request_that_is_left_waiting_is_reported() -> None:
    pending = examined().examination.pending
    assert pending is not None
    assert (pending.user_code, pending.expires_in) == ("WDJB-MJHT", 600)


def test_a_guessed_endpoint_keeps_the_query_as_written() -> None:
    seen = examined(cmdline=lambda url: f"talos.config={url}/x/config?m=${{mac}} talos.config.oauth.client_id=talos "
                    "talos.config.oauth.extra_variable=mac")  # fmt: skip
    assert "/device/code?m=${mac}" in [each.target for each in seen.asked]
    assert seen.found("guessed-endpoints").fix.startswith("name both")


def test_a_secret_is_sent_where_talos_sends_it_and_never_shown() -> None:
    seen = examined(cmdline=lambda url: line(url, "talos.config.oauth.client_secret=hunter2"))
    with_secret = [each.target for each in seen.asked if each.form.get("client_secret")]
    assert set(with_secret) == {"/token"}
    assert "hunter2" not in str(seen.findings)
    assert "public client" in seen.found("secret-on-cmdline").fix
