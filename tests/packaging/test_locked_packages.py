"""What is known about the locked packages: licenses that fit, the bill of materials, and reports that fail nobody."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from tools.release.bundle import DEFAULT_PYTHONS
from tools.release.dependencies import audit_report, check, generated, old_packages
from tools.release.lock import Locked, read
from tools.release.packages import Package, problems, refusal, table
from tools.release.sbom import installation_sbom, zipapp_sbom

H11 = Package("h11", "0.16.0", "MIT", date(2025, 4, 24), ())


def test_the_committed_table_and_pages_describe_the_lock_file() -> None:
    locked, rows = read(), table()
    assert [*problems(locked, rows)] == []
    for path, text in generated(locked, rows).items():
        assert path.read_text("utf-8") == text, f"{path.name} is out of date: run `make format`"


@pytest.mark.parametrize(
    "good", ["MIT", "LGPL-3.0-only", "MPL-2.0", "Apache-2.0 AND BSD-2-Clause", "GPL-2.0-only OR MIT"]
)
def test_licenses_that_fit_a_release(good: str) -> None:
    assert refusal(good) == ""


@pytest.mark.parametrize("bad", ["GPL-3.0-or-later", "AGPL-3.0-only", "MIT AND GPL-2.0-only", "SSPL-1.0"])
def test_licenses_that_do_not_fit(bad: str) -> None:
    assert "does not fit a release under Apache-2.0" in refusal(bad)


@pytest.mark.parametrize("vague", ["BSD", "unknown", "see LICENSE file"])
def test_a_license_that_nobody_can_look_up_is_refused(vague: str) -> None:
    assert "is not an SPDX expression" in refusal(vague)


def test_a_changed_lock_file_needs_a_new_table() -> None:
    newer = Locked("h11", "0.17.0", None, ())
    assert [*check([newer], {"h11": H11})] == ["h11 0.17.0 is not in requirements/packages.toml: run `make packages`"]
    assert [*problems([], {"h11": H11})] == ["h11 is not locked any more: run `make packages`"]


def test_a_package_is_locked_for_the_systems_that_need_it(tmp_path: Path) -> None:
    lock = tmp_path / "run.txt"
    digest = "0" * 64
    lock.write_text(
        f"tzdata==1 ; sys_platform == 'win32' \\\n    --hash=sha256:{digest}\n"
        f"backports-zstd==2 ; python_full_version < '3.14' \\\n    --hash=sha256:{digest}\n"
    )
    (only,) = read(lock)
    assert (only.name, only.version, only.hashes) == ("backports-zstd", "2", (digest,))
    assert [only.applies(python) for python in ("3.11", "3.13", "3.14")] == [True, True, False]
    assert only.line == f"backports-zstd==2 \\\n    --hash=sha256:{digest}"


def test_the_bills_of_materials_follow_the_schema_and_name_no_host() -> None:
    locked, rows = read(), table()
    for bill in (installation_sbom(locked, rows), zipapp_sbom(locked, rows)):
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None
        assert "https://" not in bill.replace("http://cyclonedx.org/schema", "")
        assert '"timestamp"' not in bill
    assert installation_sbom(locked, rows) == installation_sbom(locked, rows)


def test_the_bill_of_the_machines_half_has_what_is_inside() -> None:
    rows = table()
    bill = zipapp_sbom(read(), rows)
    assert bill.count('"type": "library"') == 3
    for name in ("h11", "pyyaml", "segno"):
        assert f'"purl": "pkg:pypi/{name}@{rows[name].version}"' in bill


def test_old_packages_are_reported() -> None:
    fresh = replace(H11, name="segno", released=date(2027, 1, 1))
    assert old_packages([fresh, H11], date(2027, 6, 1)).endswith(": h11 0.16.0 (2025-04-24)")
    assert old_packages([fresh], date(2027, 6, 1)).endswith(": none")


def test_an_audit_without_data_does_not_read_as_a_good_one() -> None:
    assert "nothing was looked up" in audit_report({})[0]


def test_an_audit_names_each_known_vulnerability() -> None:
    found = [{"id": "PYSEC-1", "fix_versions": ["0.17.0"]}]
    row = {"name": "h11", "version": "0.16.0", "vulns": found}
    assert audit_report({"dependencies": [row]}) == ["pip-audit: h11 0.16.0: PYSEC-1, fixed in 0.17.0"]
    well = {"dependencies": [{**row, "vulns": []}, {"name": "x", "version": "1", "skip_reason": "not found"}]}
    assert audit_report(well) == ["pip-audit: no known vulnerability in 1 packages"]


def test_the_bundle_is_for_the_pythons_of_both_debians() -> None:
    assert DEFAULT_PYTHONS == ("3.11", "3.13")
