"""The site's own authority and certificate: renewed in time, replaced step by step, and never in clear on disk."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

from bootgrant.credentials.authority import CERTIFICATE_DAYS, hosts_of, is_signed_by
from bootgrant.service.certificates.own import OwnCertificate, own_authority, trusted
from bootgrant.service.certificates.private_files import certificate_folder, read_certificates
from bootgrant.service.certificates.served import ServedCertificate
from bootgrant.service.commands.own_authority import create
from bootgrant.service.settings.site import SettingsError, Site, load_site
from bootgrant.service.system import SystemClock
from support.fakes import FakeClock

NOW = 1_800_000_000.0
DAY = 86400.0
KEY = b"k" * 32


def site(folder: Path, *hosts: str, url: str = "https://boot.example.org", more: str = "") -> Site:
    config = folder / "bootgrant.toml"
    config.write_text(f'public_url = "{url}"\n[tls]\nmode = "own"\nhosts = {list(hosts)}\n{more}')
    return load_site(config)


@pytest.fixture
def made(tmp_path: Path) -> Site:
    """A site with an authority."""
    found = site(tmp_path, "10.20.0.5")
    own_authority(found, KEY).create(NOW)
    return found


def test_a_certificate_is_renewed_when_a_third_of_its_time_is_left(made: Site) -> None:
    own = OwnCertificate(made, KEY)
    serials = []
    for days in (0, 1, CERTIFICATE_DAYS / 2, CERTIFICATE_DAYS * 2 / 3 + 1):
        own.keep(NOW + days * DAY)
        serials.append(read_certificates(own.files.certificate)[0].serial_number)
    assert serials[0] == serials[1] == serials[2] != serials[3]


def test_a_certificate_that_a_wrong_clock_made_is_replaced_when_the_clock_is_right(made: Site) -> None:
    own = OwnCertificate(made, KEY)
    own.keep(NOW + 400 * DAY)
    own.keep(NOW)
    assert read_certificates(own.files.certificate)[0].not_valid_before_utc.timestamp() < NOW


def test_the_first_authority_of_a_site_makes_the_code_key(tmp_path: Path) -> None:
    new = site(tmp_path)
    create(new)
    assert new.code_key_path.stat().st_mode & 0o777 == 0o600
    assert ServedCertificate(new, FakeClock(NOW)).files is not None


def test_a_lost_code_key_is_named_with_what_to_do(tmp_path: Path) -> None:
    own = site(tmp_path)
    create(own)
    own.code_key_path.unlink()
    for work in (lambda: ServedCertificate(own, FakeClock(NOW)), lambda: create(own)):
        with pytest.raises(SettingsError, match=r"restore it from a backup\. If it is lost, remove .*tls; run"):
            work()
    assert not own.code_key_path.exists()
    shutil.rmtree(certificate_folder(own))
    create(own)
    assert ServedCertificate(own, FakeClock(NOW)).files is not None


def test_servers_of_one_postgresql_get_no_code_key_of_their_own(tmp_path: Path) -> None:
    shared = site(tmp_path, more='[database]\nurl = "postgresql://b@127.0.0.1/b"\n')
    with pytest.raises(SettingsError, match="copy it from another server"):
        create(shared)


def test_a_certificate_is_made_again_when_a_host_is_added_that_the_authority_allows(made: Site, tmp_path: Path) -> None:
    OwnCertificate(made, KEY).keep(NOW)
    own = OwnCertificate(site(tmp_path, "10.20.0.5", "a.boot.example.org"), KEY)
    own.keep(NOW)
    (certificate,) = read_certificates(own.files.certificate)
    assert hosts_of(certificate) == {"boot.example.org", "10.20.0.5", "a.boot.example.org"}


def test_a_host_that_the_authority_does_not_allow_is_left_out_with_one_warning(
    made: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert certificate_folder(made).exists()
    own = OwnCertificate(site(tmp_path, "10.20.0.6"), KEY)
    for _ in range(3):
        own.keep(NOW)
    assert hosts_of(read_certificates(own.files.certificate)[0]) == {"boot.example.org"}
    warnings = [each.message for each in caplog.records if each.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "10.20.0.6: run `bootgrant tls rotate`" in warnings[0]


def test_another_public_url_needs_another_authority(made: Site, tmp_path: Path) -> None:
    assert certificate_folder(made).exists()
    moved = site(tmp_path, url="https://new.example.org")
    with pytest.raises(SettingsError, match=r"may not sign for new.example.org: run `bootgrant tls rotate`"):
        OwnCertificate(moved, KEY).keep(NOW)
    own_authority(moved, KEY).rotate(NOW)
    own_authority(moved, KEY).finish()
    OwnCertificate(moved, KEY).keep(NOW)


def test_a_new_authority_is_given_to_clients_before_it_signs(made: Site) -> None:
    authority, own = own_authority(made, KEY), OwnCertificate(made, KEY)
    own.keep(NOW)
    (old,) = trusted(authority.folder)
    authority.rotate(NOW)
    assert trusted(authority.folder)[0] == old
    new = trusted(authority.folder)[1]
    own.keep(NOW)
    assert is_signed_by(read_certificates(own.files.certificate)[0], old)
    with pytest.raises(SettingsError, match="already made"):
        authority.rotate(NOW)
    authority.finish()
    assert trusted(authority.folder) == [new]
    own.keep(NOW)
    assert is_signed_by(read_certificates(own.files.certificate)[0], new)
    with pytest.raises(SettingsError, match="there is no new authority"):
        authority.finish()


def test_a_finish_that_was_interrupted_can_be_repeated(made: Site) -> None:
    authority = own_authority(made, KEY)
    authority.rotate(NOW)
    # As after a loss of power between the two files.
    (authority.folder / "authority.key").write_bytes((authority.folder / "next.key").read_bytes())
    with pytest.raises(SettingsError, match=r"does not belong to authority\.pem"):
        authority.signer()
    authority.finish()
    OwnCertificate(made, KEY).keep(NOW)


def test_no_private_key_is_in_clear_or_readable_by_others(made: Site) -> None:
    OwnCertificate(made, KEY).keep(NOW)
    own_authority(made, KEY).rotate(NOW)
    files = list(certificate_folder(made).iterdir())
    assert {path.name for path in files} == {"authority.pem", "authority.key", "next.pem", "next.key", "server.pem"}
    for path in files:
        assert path.stat().st_mode & 0o777 == 0o600
        assert b"BEGIN PRIVATE KEY" not in path.read_bytes()
        assert b"BEGIN EC PRIVATE KEY" not in path.read_bytes()


def test_another_code_key_does_not_open_it_and_a_passphrase_replaces_the_code_key(made: Site, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be opened with this code key"):
        own_authority(made, b"x" * 32).signer()
    folder = tmp_path / "second"
    folder.mkdir()
    (folder / "words").write_text("correct horse battery staple\n")
    other = site(folder, more='passphrase_file = "words"')
    own_authority(other, KEY).create(NOW)
    own_authority(other, b"x" * 32).signer()


def test_a_missing_authority_is_never_replaced_by_itself(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"authority.pem does not exist: run `bootgrant tls create`"):
        OwnCertificate(site(tmp_path), KEY).keep(NOW)


def test_an_authority_is_not_overwritten(made: Site) -> None:
    with pytest.raises(SettingsError, match="exists: nothing was changed"):
        own_authority(made, KEY).create(NOW)


def test_a_lost_code_key_is_reported_with_what_to_do(made: Site) -> None:
    OwnCertificate(made, KEY).keep(NOW)
    with pytest.raises(SettingsError, match=r"remove the folder .*tls and run `bootgrant tls create`"):
        OwnCertificate(made, b"n" * 32).keep(NOW)


def test_a_server_without_its_code_key_says_what_to_do_and_a_new_authority_gets_a_new_key(made: Site) -> None:
    made.data.mkdir(exist_ok=True)
    with pytest.raises(SettingsError, match=r"code.key does not exist, and the private keys in .* are encrypted"):
        ServedCertificate(made, SystemClock())
    shutil.rmtree(certificate_folder(made))
    create(made)
    assert ServedCertificate(made, SystemClock()).files is not None
