"""Configuration documents on the kernel command line, and the certificate authorities among them."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest
import yaml
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.acquire.cmdline.inline import decode_inline, trusted_roots
from bootgrant.acquire.cmdline.settings import INLINE
from bootgrant.acquire.errors import AcquireError, BadConfig, BadParameter
from bootgrant.loaders.private_ca import early_value
from bootgrant.wire.secret import Secret
from support.certificates import Authority
from support.parts import program

_CONFIG = b"version: v1alpha1\nmachine:\n  type: worker\n"
_LIMIT = 1 << 16


def _encoded(content: bytes) -> Secret:
    return Secret(base64.b64encode(content).decode())


def test_an_inline_configuration_is_base64_of_zstd() -> None:
    assert decode_inline(_encoded(zstd.compress(_CONFIG)), INLINE) == _CONFIG
    frames = zstd.compress(_CONFIG) + zstd.compress(b"---\n")
    assert decode_inline(_encoded(frames), INLINE) == _CONFIG + b"---\n"


@pytest.mark.parametrize(
    "encoded", [Secret("!"), Secret("YQ"), Secret("é"), _encoded(_CONFIG), _encoded(zstd.compress(_CONFIG)[:-3])]
)
def test_an_invalid_inline_configuration_is_refused_without_showing_it(encoded: Secret) -> None:
    with pytest.raises(BadParameter, match=r"talos\.config\.inline is not (base64|zstd)") as caught:
        decode_inline(encoded, INLINE)
    assert encoded.reveal() not in caught.value.what or len(encoded.reveal()) < 3


def test_a_small_parameter_cannot_fill_the_memory() -> None:
    with pytest.raises(BadConfig, match="holds more than 65536 bytes"):
        decode_inline(_encoded(zstd.compress(bytes(64 << 20))), INLINE, _LIMIT)


def _without_libraries(content: bytes, folder: Path, path: str) -> str:
    """Decode in a Python without the libraries of this environment."""
    code = (
        "import sys\nfrom bootgrant.acquire.errors import AcquireError\n"
        "from bootgrant.acquire.cmdline.inline import decode_inline\nfrom bootgrant.wire.secret import Secret\n"
        "try: sys.stdout.write(decode_inline(Secret(sys.argv[1]), 'talos.config.inline', 65536).decode())\n"
        "except AcquireError as error: print(error)"
    )
    shutil.copytree(Path(__file__).resolve().parents[3] / "src/bootgrant", folder / "bootgrant", dirs_exist_ok=True)
    environment = {"PATH": path, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-S", "-c", code, _encoded(content).reveal()]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="this Python unpacks zstd itself")
def test_without_a_library_the_program_zstd_is_used(tmp_path: Path) -> None:
    folder = str(program("zstd", "zstd").parent)
    assert _without_libraries(zstd.compress(_CONFIG), tmp_path, folder) == _CONFIG.decode()
    assert "is not zstd" in _without_libraries(_CONFIG, tmp_path, folder)
    assert "is not zstd" in _without_libraries(zstd.compress(_CONFIG)[:-3], tmp_path, folder)
    assert "more than 65536 bytes" in _without_libraries(zstd.compress(bytes(64 << 20)), tmp_path, folder)


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="this Python unpacks zstd itself")
def test_without_library_and_program_the_error_says_what_to_install(tmp_path: Path) -> None:
    shown = _without_libraries(zstd.compress(_CONFIG), tmp_path, os.devnull)
    assert shown.startswith("this machine cannot unpack zstd: use Python 3.14, install backports.zstd")


@given(st.one_of(st.text(), st.binary().map(lambda content: _encoded(content).reveal())))
def test_arbitrary_inline_text_is_decoded_or_refused(text: str) -> None:
    try:
        content = decode_inline(Secret(text), INLINE, _LIMIT)
    except (BadParameter, BadConfig):
        return
    assert len(content) <= _LIMIT


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> str:
    return Authority(tmp_path_factory.mktemp("authority")).certificate.read_text()


def packed(*documents: object) -> Secret:
    return packed_text(yaml.safe_dump_all(documents))


def packed_text(text: str) -> Secret:
    return Secret(b64encode(zstd.compress(text.encode())).decode())


def roots(pem: str, **more: str) -> dict[str, str]:
    return {"apiVersion": "v1alpha1", "kind": "TrustedRootsConfig", "name": "site", "certificates": pem, **more}


def test_the_output_of_kernel_args_is_read_back(pem: str) -> None:
    assert trusted_roots(Secret(early_value(pem + pem))) == pem + pem


@pytest.mark.parametrize("style", [None, "|", '"', "'"])
def test_every_yaml_notation_of_the_certificates_is_understood(pem: str, style: str | None) -> None:
    start = yaml.safe_dump({**roots(""), "certificates": None}).replace("certificates: null\n", "")
    assert trusted_roots(packed_text(f"{start}certificates: {yaml.safe_dump(pem, default_style=style)}")) == pem


def test_a_certificate_of_another_document_is_not_trusted(pem: str) -> None:
    other = {"apiVersion": "v1alpha1", "kind": "ExtensionServiceConfig", "name": "x", "certificates": pem}
    assert trusted_roots(packed(other, {"version": "v1alpha1"})) == ""
    assert trusted_roots(packed(other, roots(pem), other)) == pem


def test_all_documents_are_used(pem: str) -> None:
    assert trusted_roots(packed(roots(pem), roots(pem, name="other"))) == pem + pem


@given(st.text(max_size=200))
def test_arbitrary_text_has_no_authority_or_is_an_error(text: str) -> None:
    assert trusted_roots(packed_text(text)) == ""
    with pytest.raises(AcquireError):
        trusted_roots(Secret(text + "!"))


def test_a_private_key_is_not_a_certificate(tmp_path: Path) -> None:
    Authority(tmp_path)
    key = (tmp_path / "ca.key").read_text()
    assert trusted_roots(packed(roots(key))) == ""
