"""``--explain``: what a run would do on this machine, and the lint of its kernel command line."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.acquire.cmdline.explain import Explanation, explain
from bootgrant.acquire.cmdline.findings import Level
from bootgrant.acquire.cmdline.kernel_cmdline import parse_cmdline
from bootgrant.acquire.errors import BadParameter
from bootgrant.acquire.facts import MachineFacts
from support.machines import FakeMachine
from support.vectors import vectors

_NOWHERE = Path("/nonexistent")
_UUID = "5d0a7b2e-8a4c-4b8e-9d4a-0123456789ab"
_OAUTH = "talos.config.oauth."
_GOOD = f"talos.platform=metal talos.config=https://x/c {_OAUTH}client_id=a {_OAUTH}extra_variable=uuid"


def _explain(text: str, root: Path = _NOWHERE, *, compat: bool = False, **given: str) -> Explanation:
    cmdline = parse_cmdline(text)
    return explain(cmdline, MachineFacts(root, cmdline, {"uuid": _UUID, **given}, compat=compat), compat=compat)


def _codes(text: str) -> set[str]:
    return {finding.code for finding in _explain(text).findings}


def test_the_json_has_its_keys_and_the_source_of_each_variable(tmp_path: Path) -> None:
    FakeMachine(tmp_path).firmware(serial="Default string").link("eth0", "02:00:00:00:00:01")
    text = f"talos.config=https://x/c?u=${{uuid}} {_OAUTH}client_id=a {_OAUTH}client_secret=hidden {_OAUTH}scope=b"
    shown = _explain(f"{text} {_OAUTH}extra_variable=mac quiet", tmp_path).as_json()
    assert list(shown) == ["config_url", "oauth", "variables", "url", "findings", "parameters"]
    assert shown["url"] == f"https://x/c?u={_UUID}"
    assert shown["oauth"] == {
        "client_id": "a",
        "client_secret_set": True,
        "scopes": ["b"],
        "audience": "",
        "device_auth_url": "https://x/device/code?u=${uuid}",
        "token_url": "https://x/token?u=${uuid}",
        "extra_variables": ["mac"],
    }
    variables: Any = shown["variables"]
    assert list(variables) == ["uuid", "serial", "mac", "hostname", "code"]
    assert variables["uuid"] == {"value": _UUID, "source": "--set", "reason": None, "wanted": True}
    assert variables["mac"]["source"] == str(tmp_path / "sys/class/net/eth0/address")
    assert (variables["serial"]["value"], variables["serial"]["wanted"]) == (None, False)
    assert "Default string" in variables["serial"]["reason"]


def test_the_client_secret_is_not_shown() -> None:
    explanation = _explain(f"{_GOOD} {_OAUTH}client_secret=hidden {_OAUTH}client_secret=")
    shown = explanation.as_json()
    assert "hidden" not in json.dumps(shown) + "\n".join(explanation.lines()) + repr(explanation.oauth)
    parameters: Any = shown["parameters"]
    assert parameters[-1] == [f"{_OAUTH}client_secret", ["(set)", ""]]


def test_without_oauth_the_explanation_has_none() -> None:
    shown = _explain("talos.platform=metal talos.config=https://x/c").as_json()
    assert shown["oauth"] is None
    assert shown["findings"] == []


@pytest.mark.parametrize("entry", vectors("cmdline"), ids=lambda entry: ascii(entry["input"]["cmdline"][:40]))
def test_the_parameters_are_those_of_the_reference(entry: dict[str, Any]) -> None:
    assert (
        json.loads(json.dumps(_explain(entry["input"]["cmdline"]).as_json()))["parameters"] == entry["output"]["params"]
    )


def _on_one_line(name: str, key: str) -> list[dict[str, Any]]:
    return [entry for entry in vectors(name) if not any(char.isspace() for char in entry["input"][key])]


@pytest.mark.parametrize("entry", _on_one_line("newconfig", "download_url"), ids=lambda entry: ascii(entry["input"]))
def test_the_oauth_settings_are_those_of_the_reference(entry: dict[str, Any]) -> None:
    explanation = _explain(f"talos.config={entry['input']['download_url']} {entry['input']['cmdline']}", compat=True)
    shown: Any = explanation.as_json()["oauth"]
    expected = entry["output"].get("config")
    if expected is None:
        assert shown is None
        assert ("error" not in entry["output"]) or explanation.error is not None
        return
    assert shown.pop("client_secret_set") == bool(expected.pop("client_secret"))
    assert shown == expected


@pytest.mark.parametrize("entry", _on_one_line("populate", "url"), ids=lambda entry: ascii(entry["input"]["url"]))
def test_the_url_is_that_of_the_reference_under_compat(entry: dict[str, Any]) -> None:
    cmdline = parse_cmdline(f"talos.config={entry['input']['url']}")
    facts = MachineFacts(_NOWHERE, cmdline, entry["input"]["values"], compat=True)
    alternatives = entry["output"].get("alternatives", [entry["output"]])
    assert (explain(cmdline, facts, compat=True).url or "") in [alternative["url"] for alternative in alternatives]


def test_a_good_command_line_has_no_findings() -> None:
    explanation = _explain(_GOOD)
    assert explanation.findings == ()
    assert explanation.error is None
    assert explanation.lines()[-1] == "  none"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("quiet", "no-config-source"),
        ("talos.config=tftp://x/c", "bad-parameter"),
        ("talos.config=https://${hostname}/", "bad-parameter"),
        ("talos.config=none talos.config.inline=!", "bad-parameter"),
        (f"{_GOOD} talos.config.auth.scope=x", "auth-prefix"),
        (f"{_GOOD} {_OAUTH}scopes=x", "unknown-parameter"),
        (f"{_GOOD} {_OAUTH}client-id=x", "unknown-parameter"),
        (f"{_GOOD} {_OAUTH}issuer=x", "unknown-parameter"),
        (f"{_GOOD} TALOS.CONFIG=x", "unknown-parameter"),
        (f"talos.config=https://x/ {_OAUTH}scope=x", "no-client-id"),
        (f"talos.config=https://x/ {_OAUTH}client_id= {_OAUTH}extra_variable=uuid", "empty-client-id"),
        (f"talos.config=metal-iso {_OAUTH}client_id=a {_OAUTH}extra_variable=uuid", "unused-oauth"),
        (f"{_GOOD} {_OAUTH}extra_variable=serial,mac", "comma-list"),
        (f"{_GOOD} {_OAUTH}scope=a,b", "comma-list"),
        (f"{_GOOD} {_OAUTH}extra_variable=UUID", "unknown-variable"),
        (f"{_GOOD} {_OAUTH}extra_variable=${{mac}}", "unknown-variable"),
        (f"talos.config=https://x/ {_OAUTH}client_id=a", "missing-extra-variable"),
        (f"talos.config=https://x/ {_OAUTH}client_id=a {_OAUTH}extra_variable=hostname", "missing-extra-variable"),
        (f"{_GOOD} {_OAUTH}client_id=b", "repeated-parameter"),
        ('talos.config="https://x/"', "quotes"),
        (f"{_GOOD} {_OAUTH}token_url=", "empty-endpoint"),
        ("talos.config=http://10.0.0.1/c", "plain-http"),
        (f"{_GOOD} {_OAUTH}device_auth_url=http://idp/d", "plain-http"),
        ("talos.config=https://u:p@x/", "secret-in-url"),
        ("talos.config=https://ghp_token@x/", "secret-in-url"),
        ("talos.config=https://x/?access_token=abc", "secret-in-url"),
        ("talos.config=https://x/?X-Amz-Signature=abc", "secret-in-url"),
        ("talos.config=https://x/${uuid}.yaml", "misplaced-variable"),
        ("talos.config=https://x/?${uuid}=1", "misplaced-variable"),
        ("talos.config=https://x/?u=${uid}", "unknown-variable"),
        (f"{_GOOD} {_OAUTH}device_auth_url=https://x/?u=${{uuid}}", "misplaced-variable"),
        (f"talos.config=https://x/?u=${{uuid}} {_OAUTH}client_id=a {_OAUTH}extra_variable=uuid", "copied-query"),
        ("talos.config=https://x/?s=${serial}", "missing-value"),
        (f"talos.config=https://x/c {_OAUTH}client_id=a {_OAUTH}extra_variable=uuid", "no-platform"),
        ("talos.platform= talos.platform=metal talos.config=https://x/c", "other-platform"),
        ("talos.platform=nocloud talos.platform=metal talos.config=https://x/c", "other-platform"),
        ("talos.platform=Metal talos.config=https://x/c", "other-platform"),
        ("talos.platform=metal talos.platform=nocloud talos.config=https://x/c", "repeated-parameter"),
        ("talos_platform=metal talos.config=https://x/c", "unknown-parameter"),
        (f"{_GOOD} {_OAUTH}token_url=https://x:a/t", "bad-url"),
        (f"{_GOOD} {_OAUTH}token_url=https://x/%zz", "bad-url"),
        (f"{_GOOD} {_OAUTH}token_url=tftp://x/t", "bad-url"),
        (f"{_GOOD} {_OAUTH}token_url=https:///t", "bad-url"),
        (f"{_GOOD} {_OAUTH}token_url=https://x:70000/t", "bad-url"),
        (r"talos.config=https://x/c?uuid=\${uuid}", "backslash"),
        (r"talos.config=https://x/c?uuid=\$\{uuid\}", "backslash"),
        (f"{_GOOD} \\", "backslash"),
        ("talos.config=https://x/c?uuid=${uuid}&amp;mac=${mac}", "html-entity"),
        ("talos.config=https://x/c?uuid=${uuid}&#38;mac=${mac}", "html-entity"),
        ("talos.config=https://x/c?uuid=${uuid};mac=${mac}", "semicolon"),
        ("talos.config=https://[fe80::1%25eth0]/c", "zone"),
        ("talos.config=https://[fe80::1]/c", "zone"),
        (f"{_GOOD} {_OAUTH}token_url=https://[fe80::1%25eth0]/t", "zone"),
        ("talos.config=\u201chttps://x/c\u201d", "quotes"),
        (f"{_GOOD} {_OAUTH}scope=\u2018openid\u2019", "quotes"),
        ('"talos.config=https://x/c"', "hidden-parameter"),
        ("\ufefftalos.config=https://x/c", "hidden-parameter"),
        ("talos.config=https://x/c\u200b", "invisible-character"),
        ("talos.config=https://x/c?uuid=${uuid", "unclosed-variable"),
        ("talos.config=https://x/c?uuid=$uuid", "variable-spelling"),
        ("talos.config=https://x/c?uuid=$(uuid)", "variable-spelling"),
        ("talos.config=https://x/c?uuid={uuid}", "variable-spelling"),
        ("talos.config=https://x/c?uuid={{uuid}}", "variable-spelling"),
        ("talos.config=https://x/c?uuid=<uuid>", "variable-spelling"),
        ("talos.config=https://x/c?uuid=%2524%257Buuid%257D", "encoded-twice"),
        ("talos.config=https://x/c?uuid=${uuid}mac=${mac}", "lost-ampersand"),
        ("talos.config=https://x/c?uuid=${uuid} mac=${mac}", "lost-ampersand"),
        ("talos.config=https://x/c?uuid=${uuid} &mac=${mac}", "lost-ampersand"),
        ("talos.config=https://x/c?uuid=${uuid}%26mac=${mac}", "lost-ampersand"),
        ("talos.config=https://x/c?uuid=$${uuid}", "left-over"),
        ("talos.config=https://x/c?a=1&uuid=%24%24%7Buuid%7D", "left-over"),
        ("talos.config=https://x/c?uuid=${uuid}}", "left-over"),
        ("talos.config=https://x/c?uuid=$ {uuid}", "left-over"),
        ("talos.config=https://x/c?uuid=%5C${uuid}", "backslash"),
        ("talos.config=https://x/c?uuid=%22${uuid}%22", "quotes"),
        ("talos.config=https://x/c?uuid=%E2%80%9C${uuid}%E2%80%9D", "quotes"),
        ("talos.platform=metal;talos.config=https://x/c", "hidden-parameter"),
        ("console=tty0,talos.platform=metal talos.config=https://x/c", "hidden-parameter"),
        (f"{_GOOD},{_OAUTH}client_id=talos", "hidden-parameter"),
        ("talos.config=https://x/c?uuid=${uuid}&mac=", "emptied-variable"),
        ("talos.config=https://x/c?uuid=${uuid},", "trailing-character"),
        ("talos.config=https://x/%24%7Buuid%7D.yaml", "misplaced-variable"),
        ("talos.config=https://x/?u=%24%7Buid%7D", "unknown-variable"),
        (f"{_GOOD} {_OAUTH}device_auth_url=https://x/?u=%24%7Buuid%7D", "misplaced-variable"),
    ],
)
def test_a_mistake_is_found(text: str, code: str) -> None:
    found = {finding.code: finding for finding in _explain(text).findings}
    assert code in found
    assert found[code].message
    assert found[code].fix


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("talos.config=http://127.0.0.1:8080/c", "plain-http"),
        ("talos.config=http://localhost/c", "plain-http"),
        ("talos.config=http://[::1]/c", "plain-http"),
        ("talos.config=https://x/?token=${code}", "secret-in-url"),
        ("talos.config=https://x/?token=", "secret-in-url"),
        ("talos.config=https://x/?uuid=", "missing-value"),
        (f"{_GOOD} {_OAUTH}scope=a {_OAUTH}scope=b", "repeated-parameter"),
        (f"{_GOOD} talos.configuration=x", "unknown-parameter"),
        ("talos.platform=nocloud quiet", "other-platform"),
        ("talos.config=none", "no-platform"),
        ("talos.config=https://x/c?uuid=${UUID}", "variable-spelling"),
        ("talos.config=https://x/c?uuid=%24%7Buuid%7D", "variable-spelling"),
        ("talos.config=https://x/c?uuid=%24%7Buuid%7D", "encoded-twice"),
        ("talos.config=https://[fd00::1]:8443/c", "zone"),
        ("talos.config=https://x/c?uuid=", "emptied-variable"),
        ("talos.config=https://x/c?a=${uuid}&b=${mac}", "lost-ampersand"),
        (f"{_GOOD} mac=1", "lost-ampersand"),
        ("talos.config=https://x/c?a=$5&b=a$b&uuid=${uuid}&c={}", "left-over"),
        (f"{_GOOD} my.talos.config=1", "left-over"),
        (f"{_GOOD} x=my-talos.config=1", "hidden-parameter"),
        ("talos.config=file:///c.yaml", "bad-url"),
    ],
)
def test_a_correct_parameter_has_no_finding(text: str, code: str) -> None:
    assert code not in _codes(text)


def test_a_line_for_another_linux_needs_no_platform() -> None:
    cmdline = parse_cmdline(_GOOD.removeprefix("talos.platform=metal "))
    assert explain(cmdline, MachineFacts(_NOWHERE, cmdline, {"uuid": _UUID}), for_talos=False).findings == ()


def test_every_level_of_platform_is_an_error() -> None:
    for text in ("talos.config=https://x/c", "talos.platform=aws talos.config=https://x/c"):
        (found,) = [each for each in _explain(text).findings if each.code.endswith("platform")]
        assert found.level is Level.ERROR
        assert "talos.platform=metal" in found.fix


def test_findings_show_no_secret() -> None:
    secret = f"{_OAUTH}client_secret=\\'hidden&amp; {_OAUTH}token_url=https://u:hidden@[x/"
    text = f"talos.config=http://user:hidden@10.0.0.1/?token=hidden talos.config.inline=hidden {secret}"
    shown = "\n".join(_explain(text).lines()[4:])
    assert "hidden" not in shown
    assert "http://user:…@10.0.0.1/" in _explain(text).lines()[0]


@pytest.mark.parametrize(
    "text", [f"talos.config=http://[bad/ {_OAUTH}client_id=a", f"{_GOOD} {_OAUTH}extra_variable=bogus"]
)
def test_a_parameter_that_is_refused_at_once_is_an_error(text: str) -> None:
    assert isinstance(_explain(text).error, BadParameter)


@pytest.mark.parametrize("text", ["quiet", "talos.config=none", "talos.config=http://[bad/", "talos.config=", _GOOD])
def test_a_request_that_can_only_fail_is_a_finding_and_not_an_error(text: str) -> None:
    assert _explain(text).error is None


def test_an_inline_configuration_without_a_url_has_no_findings() -> None:
    import backports.zstd as zstd

    encoded = base64.b64encode(zstd.compress(b"a: b\n")).decode()
    explanation = _explain(f"talos.config.inline={encoded}")
    assert explanation.findings == ()
    assert (explanation.config_url, explanation.url) == (None, None)


_WORDS = st.sampled_from(
    [
        "talos.config",
        "talos.config=",
        _OAUTH,
        "client_id",
        "extra_variable=",
        "${",
        "uuid",
        "}",
        " ",
        "://",
        "?",
        "\x1b[2J",
    ]
)


@given(st.one_of(st.text(), st.lists(_WORDS).map("".join)), st.booleans())
def test_arbitrary_command_lines_are_explained_in_printable_lines(text: str, compat: bool) -> None:
    explanation = _explain(text, compat=compat)
    json.dumps(explanation.as_json())
    assert all(line.isprintable() for line in explanation.lines())
