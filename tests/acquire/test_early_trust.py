"""Certificate authorities out of ``talos.config.early``, found without anything that reads YAML."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest
import yaml
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.acquire.errors import AcquireError
from bootgrant.acquire.http.early_trust import trusted_roots
from bootgrant.loaders.private_ca import early_value
from bootgrant.wire.secret import Secret
from support.certificates import Authority


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> str:
    return Authority(tmp_path_factory.mktemp("authority")).certificate.read_text()


def packed(*documents: object) -> Secret:
    return packed_text(yaml.safe_dump_all(documents))


def packed_text(text: str) -> Secret:
    return Secret(b64encode(zstd.compress(text.encode())).decode())


def roots(pem: str, **more: str) -> dict[str, str]:
    return {"apiVersion": "v1alpha1", "kind": "TrustedRootsConfig", "name": "site", "certificates": pem, **more}


def test_what_kernel_args_makes_is_read_back(pem: str) -> None:
    assert trusted_roots(Secret(early_value(pem + pem))) == pem + pem


@pytest.mark.parametrize("style", [None, "|", '"', "'"])
def test_every_way_of_writing_a_text_in_yaml_is_understood(pem: str, style: str | None) -> None:
    start = yaml.safe_dump({**roots(""), "certificates": None}).replace("certificates: null\n", "")
    assert trusted_roots(packed_text(f"{start}certificates: {yaml.safe_dump(pem, default_style=style)}")) == pem


def test_a_certificate_of_another_document_is_not_trusted(pem: str) -> None:
    other = {"apiVersion": "v1alpha1", "kind": "ExtensionServiceConfig", "name": "x", "certificates": pem}
    assert trusted_roots(packed(other, {"version": "v1alpha1"})) == ""
    assert trusted_roots(packed(other, roots(pem), other)) == pem


def test_several_documents_are_all_taken(pem: str) -> None:
    assert trusted_roots(packed(roots(pem), roots(pem, name="other"))) == pem + pem


@given(st.text(max_size=200))
def test_anything_else_brings_no_authority_or_an_error(text: str) -> None:
    assert trusted_roots(packed_text(text)) == ""
    with pytest.raises(AcquireError):
        trusted_roots(Secret(text + "!"))


def test_the_key_of_the_test_is_in_no_answer(tmp_path: Path) -> None:
    Authority(tmp_path)
    key = (tmp_path / "ca.key").read_text()
    assert trusted_roots(packed(roots(key))) == ""
