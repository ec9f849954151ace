"""A list of machines that is encrypted, or not the file itself, is named as that."""

from __future__ import annotations

import pytest

from bootgrant.machines.site.model import parse_site


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"entries: ENC[x]\nsops:\n  mac: ENC[x]\n", "must be in clear"),
        (b"-----BEGIN AGE ENCRYPTED FILE-----\nYQ==\n", "must be in clear"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    ],
)
def test_a_list_of_machines_that_is_not_readable_is_named_as_that(content: bytes, why: str) -> None:
    (finding,) = parse_site({"machines.yaml": content}).findings
    assert why in finding.message
