"""A private authority on the kernel command line: the certificates and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bootgrant.acquire.cmdline.inline import decode_inline
from bootgrant.loaders.private_ca import early_value
from bootgrant.loaders.urls import CannotWrite
from bootgrant.wire.secret import Secret
from support.certificates import Authority


@pytest.fixture
def pem(tmp_path: Path) -> str:
    return Authority(tmp_path).certificate.read_text()


def test_a_machine_decodes_a_document_that_trusts_the_authority(pem: str) -> None:
    decoded = decode_inline(Secret(early_value(pem)), "talos.config.early")
    assert yaml.safe_load(decoded) == {
        "apiVersion": "v1alpha1",
        "kind": "TrustedRootsConfig",
        "name": "bootgrant",
        "certificates": pem,
    }


def test_a_key_and_comments_in_the_same_file_are_left_out(tmp_path: Path, pem: str) -> None:
    key = (tmp_path / "ca.key").read_text()
    decoded = decode_inline(Secret(early_value(f"subject=CN=Test\n{key}{pem}")), "talos.config.early")
    assert b"PRIVATE KEY" not in decoded
    assert b"subject" not in decoded
    assert yaml.safe_load(decoded)["certificates"] == pem


def test_several_authorities_are_in_one_document(pem: str) -> None:
    decoded = decode_inline(Secret(early_value(pem + pem.replace("\n", "\r\n"))), "talos.config.early")
    assert yaml.safe_load(decoded)["certificates"] == pem + pem


def test_a_file_without_a_certificate_is_refused() -> None:
    with pytest.raises(CannotWrite, match="the file has no certificate"):
        early_value("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
