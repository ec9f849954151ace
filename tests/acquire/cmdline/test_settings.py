"""The parameters of a boot mean the same as on a Talos node."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.acquire.cmdline.kernel_cmdline import KernelCmdline, parse_cmdline
from bootgrant.acquire.cmdline.settings import ConfigKind, read_oauth, read_settings, source_error
from bootgrant.acquire.errors import BadParameter, NoConfigSource
from support.vectors import vectors

_URL = "http://127.0.0.1:8080/config"


def _label(entry: dict[str, Any]) -> str:
    return ascii(f"{entry['input']['cmdline']} {entry['input']['download_url']}".replace("talos.config.oauth.", ""))


@pytest.mark.parametrize("entry", vectors("newconfig"), ids=_label)
def test_oauth_settings_agree_with_the_reference(entry: dict[str, Any]) -> None:
    cmdline, url = parse_cmdline(entry["input"]["cmdline"]), entry["input"]["download_url"]
    expected = entry["output"]
    if "error" in expected:
        with pytest.raises(BadParameter) as caught:
            read_oauth(cmdline, url)
        assert caught.value.what == expected["error"]
        return
    oauth = read_oauth(cmdline, url)
    if expected.get("not_configured"):
        assert oauth is None
        return
    assert oauth is not None
    config = expected["config"]
    assert oauth.client_id == config["client_id"]
    assert (oauth.client_secret.reveal() if oauth.client_secret else "") == config["client_secret"]
    assert (oauth.audience, oauth.device_auth_url) == (config["audience"], config["device_auth_url"])
    assert oauth.token_url == config["token_url"]
    assert list(oauth.scopes) == config["scopes"]
    assert list(oauth.extra_variables) == config["extra_variables"]


@pytest.mark.parametrize("cmdline", ["ro quiet", "talos.config=none", "talos.config=none talos.config=http://x/"])
def test_no_source_is_an_error_of_its_own(cmdline: str) -> None:
    with pytest.raises(NoConfigSource):
        read_settings(parse_cmdline(cmdline))


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("http://x/", ConfigKind.HTTP),
        ("HTTPS://x/", ConfigKind.HTTP),
        ("file:///etc/config.yaml", ConfigKind.FILE),
        ("tftp://10.0.0.1/c", ConfigKind.TFTP),
        ("metal-iso", ConfigKind.METAL_ISO),
        ("metal-iso2", ConfigKind.UNSUPPORTED),
        ("", ConfigKind.UNSUPPORTED),
        ("ftp://x/", ConfigKind.UNSUPPORTED),
        ("http://[bad/", ConfigKind.UNSUPPORTED),
    ],
)
def test_the_kind_of_source_is_known_from_the_parameters(url: str, kind: ConfigKind) -> None:
    settings = read_settings(parse_cmdline(f"talos.config={url}"))
    assert (settings.kind, settings.config_url, settings.oauth) == (kind, url, None)


def test_a_medium_needs_no_authorization() -> None:
    settings = read_settings(parse_cmdline("talos.config=metal-iso talos.config.oauth.client_id=a"))
    assert settings.oauth is None


def test_an_inline_configuration_is_a_source_and_its_parts_are_joined() -> None:
    settings = read_settings(parse_cmdline("talos.config.inline=KLUv talos.config.inline=/QRY"))
    assert settings.kind is ConfigKind.NONE
    assert settings.inline is not None
    assert settings.inline.reveal() == "KLUv/QRY"
    assert settings.early is None


def test_the_client_secret_and_the_inline_configuration_are_not_shown() -> None:
    text = f"talos.config={_URL} talos.config.oauth.client_id=a talos.config.oauth.client_secret=hidden"
    shown = repr(read_settings(parse_cmdline(f"{text} talos.config.early=concealed")))
    assert "hidden" not in shown
    assert "concealed" not in shown


@pytest.mark.parametrize("url", ["tftp://10.0.0.1/c", "ftp://x/", "", "http://[bad/", "config.yaml"])
def test_a_source_that_cannot_be_fetched_is_an_error_at_once(url: str) -> None:
    error = source_error(read_settings(parse_cmdline(f"talos.config={url}")))
    assert error is not None
    assert ("not supported" in str(error)) == url.startswith("tftp")


@pytest.mark.parametrize("url", ["http://x/", "https://x/", "file:///x", "metal-iso", "none talos.config.inline=x"])
def test_a_source_that_can_be_fetched_is_not_an_error(url: str) -> None:
    assert source_error(read_settings(parse_cmdline(f"talos.config={url}"))) is None


_KEYS = st.sampled_from(["talos.config", "talos.config.oauth.client_id", "talos.config.oauth.token_url", "a"])


@given(st.lists(st.tuples(_KEYS, st.lists(st.text(), min_size=1).map(tuple)), unique_by=lambda pair: pair[0]))
def test_arbitrary_parameters_become_settings_or_an_error(
    parameters: list[tuple[str, tuple[str, ...]]],
) -> None:
    first = {key: values[0] for key, values in parameters}
    try:
        settings = read_settings(KernelCmdline(tuple(parameters)))
    except (BadParameter, NoConfigSource):
        return
    assert settings.config_url == first["talos.config"]
    assert (settings.oauth is not None) == (
        "talos.config.oauth.client_id" in first and settings.config_url != "metal-iso"
    )
