"""A private authority travels on the kernel command line, alone and whole."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bootgrant.acquire.sources import decode_inline
from bootgrant.loaders.parameters import CannotWrite
from bootgrant.loaders.private_ca import early_value
from bootgrant.wire.secret import Secret
from support.certificates import Authority


@pytest.fixture
def pem(tmp_path: Path) -> str:
    return Authority(tmp_path).certificate.read_text()


def test_a_machine_unpacks_a_document_that_trusts_the_authority(pem: str) -> None:
    unpacked = decode_inline(Secret(early_value(pem)), "talos.config.early")
    assert yaml.safe_load(unpacked) == {
        "apiVersion": "v1alpha1",
        "kind": "TrustedRootsConfig",
        "name": "bootgrant",
        "certificates": pem,
    }


def test_a_key_and_remarks_beside_the_certificate_stay_at_home(tmp_path: Path, pem: str) -> None:
    key = (tmp_path / "ca.key").read_text()
    unpacked = decode_inline(Secret(early_value(f"subject=CN=Test\n{key}{pem}")), "talos.config.early")
    assert b"PRIVATE KEY" not in unpacked
    assert b"subject" not in unpacked
    assert yaml.safe_load(unpacked)["certificates"] == pem


def test_several_authorities_come_in_one_document(pem: str) -> None:
    unpacked = decode_inline(Secret(early_value(pem + pem.replace("\n", "\r\n"))), "talos.config.early")
    assert yaml.safe_load(unpacked)["certificates"] == pem + pem


def test_a_file_without_a_certificate_is_refused() -> None:
    with pytest.raises(CannotWrite, match="no certificate in that file"):
        early_value("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
