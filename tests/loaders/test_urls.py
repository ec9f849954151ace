"""A URL for machines is one that Go can request, or it is refused with what to write."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bootgrant.acquire.cmdline.kernel_cmdline import parse_cmdline
from bootgrant.acquire.cmdline.settings import CONFIG, DEVICE_AUTH_URL, TOKEN_URL
from bootgrant.acquire.http.endpoint import parse_endpoint
from bootgrant.cli import main
from bootgrant.loaders.parameters import BootParameters, config_url, endpoints
from bootgrant.loaders.urls import CannotWrite, machine_url
from bootgrant.wire.go_url import parse_url
from support.vectors import vectors

GO_URLS = [entry["url"] for entry in vectors("go_url")]
_PARTS = st.lists(
    st.sampled_from(
        ["https://", "http://", "ftp://", "//", "[", "]", ":", "@", "/", "?", "#", "%", "%zz", "%25", "%C3%BC",
         "fd00::1", "fe80::1%25eth0", "fe80::1%eth0", "boot.example", "b\u00fccher", "\u2603", "xn--a", ".", " ", "\\",
         "\x00", "\x7f", "8443", "70000", "0", "${uuid}", "\u3002", "\ud800", "config"]
    ),
    max_size=8,
).map("".join)  # fmt: skip


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("https://b\u00fccher.example", "https://xn--bcher-kva.example"),
        ("https://B%C3%BCcher.example:8443/a", "https://xn--bcher-kva.example:8443/a"),
        ("https://fa\u00df.example?uuid=${uuid}", "https://xn--fa-hia.example?uuid=${uuid}"),
        ("https://boot.example/m\u00fcnchen", "https://boot.example/m%C3%BCnchen"),
        ("https://[FD00::1]:8443/config", "https://[FD00::1]:8443/config"),
        ("https://ana:x@b\u00fccher.example/", "https://ana:x@xn--bcher-kva.example/"),
        ("http://[fe80::1%25eth0]/", "http://[fe80::1%25eth0]/"),
    ],
)
def test_a_url_is_printed_in_ascii(written: str, printed: str) -> None:
    assert machine_url(written, "the URL") == printed


@pytest.mark.parametrize(
    ("written", "advice"),
    [
        ("https://fd00::1/config", "in brackets"),
        ("https://fd00::1:8443", "in brackets"),
        ("https://[fe80::1%eth0]", "%25eth0"),
        ("https://boot.example:70000", "1 to 65535"),
        ("https://boot.example:port", "1 to 65535"),
        ("https://boot.example/%zz", "%25"),
        ("https://boot.example\x7f", "https://boot.example.org"),
        ("https:boot.example", "https://boot.example.org"),
        ("https://", "https://boot.example.org"),
        ("boot.example", "https://boot.example.org"),
        ("ftp://boot.example", "https://boot.example.org"),
        ("https://b\ufffdcher.example", "https://boot.example.org"),
    ],
)
def test_a_url_that_go_refuses_is_refused_with_what_to_write(written: str, advice: str) -> None:
    with pytest.raises(CannotWrite, match=r"^the URL ") as refused:
        machine_url(written, "the URL")
    assert advice in str(refused.value)


@given(st.one_of(_PARTS, st.sampled_from(GO_URLS), st.text(max_size=30).map("https://{}".format)))
@example("https://[::1%25]")
@example("https://b\u00fccher.example:0443")
@example("http://0x7f.1")
def test_every_printed_url_is_one_that_go_can_request(server: str) -> None:
    try:
        device, token = endpoints(server)
        words = BootParameters(config_url(server, ("uuid",)), device, token, "talos", ("uuid",)).words()
    except CannotWrite:
        return
    cmdline = parse_cmdline(" ".join(words))
    for name in (CONFIG, DEVICE_AUTH_URL, TOKEN_URL):
        url = cmdline.first(name) or ""
        assert url.isascii()
        assert parse_url(url).scheme in ("http", "https")
        assert parse_url(url).hostname()
        parse_endpoint(url)


@given(st.one_of(_PARTS, st.sampled_from(GO_URLS)))
def test_another_providers_endpoint_is_held_to_the_same(url: str) -> None:
    try:
        found = machine_url(url, "--token-url")
    except CannotWrite:
        return
    assert found.isascii()
    assert parse_url(found).hostname()


@pytest.mark.parametrize(
    "words",
    [
        ["--url", "https://boot.example:99999"],
        ["--url", "https://boot.example", "--token-url", "https://idp.example/%zz"],
        ["--url", "https://boot.example", "--device-auth-url", "idp.example/device"],
        ["--url", "https://boot.example", "--config-url", "https://[boot.example/config"],
        ["--url", "https://boot.example", "--add", "talos.config=https://[boot.example/config"],
    ],
)
def test_kernel_args_prints_nothing_that_go_refuses(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kernel-args", *words]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "cannot be used" in err


def test_kernel_args_prints_a_host_of_another_alphabet_in_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kernel-args", "--url", "https://b\u00fccher.example", "--token-url", "https://\u2603.example/t"]) == 0
    out, err = capsys.readouterr()
    assert "talos.config=https://xn--bcher-kva.example/config?uuid=${uuid}" in out
    assert "device_auth_url=https://xn--bcher-kva.example/device/code" in out
    assert "token_url=https://xn--n3h.example/t" in out
    assert err == ""
