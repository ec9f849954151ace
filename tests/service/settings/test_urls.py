"""URLs in settings: those of a database are read in one way only, and no error repeats a secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from bootgrant.service.settings.site import SettingsError, load_site
from bootgrant.service.settings.urls import has_password, postgres_url

RAW = ["S3cr/et", "S3cr@et", "S3cr#et", "S3cr?et", "S3cr et", "S3cr%et", "S3cr[et", "S3cr]et", "12/S3cr", "12?S3cr=et"]
RAW += ["S3cr@et#w/rd", "S3cr\tet", "S3cr\net", "12#S3cr", "S3cr%2", "%zzS3cr", "S3cr\x00et", "S3cr\udcff"]


def problem(folder: Path, *lines: str, **environment: str) -> str:
    """The error for a site with these lines and this environment."""
    config = folder / "bootgrant.toml"
    config.write_text("\n".join(['public_url = "https://boot.example"', *lines]))
    with pytest.raises(SettingsError) as refused:
        load_site(config, environment)
    return str(refused.value)


@pytest.mark.parametrize("password", RAW)
@pytest.mark.parametrize("form", ["postgresql://boot:{}@db.example:5432/boot", "postgres://boot:{}@/boot?host=/run"])
def test_a_database_url_with_a_raw_password_is_refused_without_a_part_of_it(
    tmp_path: Path, form: str, password: str
) -> None:
    message = problem(tmp_path, BOOTGRANT_DATABASE_URL=form.format(password))
    assert message.startswith("BOOTGRANT_DATABASE_URL: not a URL such as")
    assert "%2F" in message
    assert "S3cr" not in message


@pytest.mark.parametrize(
    "written",
    [
        "host=db.example password=S3cret user=boot",
        "postgresql:boot:S3cret@db.example",
        "mysql://boot:S3cret@db.example/boot",
        "postgresql://boot@db.example/boot?password=S3cr&et",
        "postgresql://boot@db.example/boot?password=S3cr@et",
        "postgresql://boot@db.example/boot?password=S3cr#et",
        "postgresql://boot@db.example/boot?S3cret",
        "postgresql://boot:S3cret@db.example:port/boot",
        "postgresql://[boot:S3cret@db.example/boot",
        " postgresql://boot:S3cret@db.example/boot",
        "S3cret",
    ],
)
def test_no_database_url_that_is_refused_is_repeated(tmp_path: Path, written: str) -> None:
    assert "S3cr" not in problem(tmp_path, BOOTGRANT_DATABASE_URL=written)
    assert "S3cr" not in problem(tmp_path, f"database.url = {written!r}")


@pytest.mark.parametrize(
    ("written", "password"),
    [
        ("postgresql://boot@db.example:5432/boot", None),
        ("postgresql://db1.example:5432,db2.example:5433/boot?target_session_attrs=read-write", None),
        ("postgresql://boot:a%2Fb%40c%23d%3Fe%20f%25g@db.example/boot", "a/b@c#d?e f%g"),
        ("postgresql://boot:a:b,c!$&'()*+;=~-._@[fd00::1]:5432/boot", "a:b,c!$&'()*+;=~-._"),
        ("postgresql://boot:pässwörd@db.example/boot", "pässwörd"),
        ("postgresql:///boot?host=/run/postgresql&user=boot", None),
        ("postgresql://%2Frun%2Fpostgresql/boot", None),
        ("postgresql://boot@db.example/boot?sslmode=verify-full&sslrootcert=/etc/ssl/ca.pem", None),
        ("postgresql://boot@db.example/boot?password=s3cret/x", "s3cret/x"),
        ("postgresql://boot:@db.example/boot", None),
        ("postgresql://", None),
    ],
)
def test_a_database_url_means_what_libpq_reads(written: str, password: str | None) -> None:
    assert conninfo_to_dict(postgres_url(written)).get("password") == password
    assert has_password(written) is (password is not None or ":@" in written)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_whatever_the_password_is_it_is_read_whole_or_refused(password: str) -> None:
    try:
        read = conninfo_to_dict(postgres_url(f"postgresql://boot:{password}@db.example:5432/boot"))
    except ValueError:
        return
    host, database = read["host"], read["dbname"]
    assert (read["user"], host, read["port"], database) == ("boot", "db.example", "5432", "boot")


@pytest.mark.parametrize(
    "lines",
    [
        ['public_url = "https://ana:S3cret@boot.example"'],
        ['public_url = "https://ana:S3cr/et@boot.example"'],
        ['public_url = "https://ana:S3cr[et@boot.example"'],
        ['public_url = "https://ana:S3cr℀et@boot.example"'],
        ["[operators]", 'public_url = "https://boot.example?token=S3cret"'],
        ["[[notify]]", 'kind = "ntfy"', 'url = "https://ana:S3cr/et@ntfy.example/x"'],
        ["[[notify]]", 'kind = "ntfy"', 'url = "https://ana:12/S3cret@ntfy.example/x"'],
        ["[[notify]]", 'kind = "slack"', 'url = "ftp://hooks.example/S3cret"'],
        ["[[notify]]", 'kind = "slack"', 'url = "https://hooks.example:S3cret/x"'],
        ["[[notify]]", 'kind = "smtp"', 'host = "smtp://ana:S3cret@mail.example"', 'from = "a@b"', 'to = ["a@b"]'],
        ["[[notify]]", 'kind = "smtp"', 'host = "ana:S3cret@mail.example"', 'from = "a@b"', 'to = ["a@b"]'],
        ["[[oidc]]", 'id = "x"', 'client_id = "x"', 'issuer = "http://ana:S3cret@sso.example"'],
        ["[[oidc]]", 'id = "x"', 'client_id = "x"', 'issuer = "https://ana:S3cret@sso.example"'],
        ["[[oidc]]", 'id = "x"', 'client_id = "x"', 'issuer = "https://ana:S3cr#et@sso.example"'],
        ["[[providers]]", 'name = "x"', 'issuer = "https://ana:S3cr/et@idp.example"'],
        ["[[providers]]", 'name = "x"', 'issuer = "https://x"', 'jwks_url = "http://x/?key=S3cret"'],
    ],
)
def test_no_other_url_with_a_secret_is_repeated(tmp_path: Path, lines: list[str]) -> None:
    config = tmp_path / "bootgrant.toml"
    own = [] if lines[0].startswith("public_url") else ['public_url = "https://boot.example"']
    config.write_text("\n".join([*own, *lines]))
    with pytest.raises(SettingsError) as refused:
        load_site(config, {})
    assert "S3cr" not in str(refused.value)


def test_a_secret_file_that_is_not_text_is_not_quoted(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\xffS3cret")
    message = problem(tmp_path, "[[clients]]", 'id = "x"', 'secret_file = "secret"')
    assert message.endswith("secret cannot be read: it is not UTF-8")


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://Bücher.example.:8443/", "https://xn--bcher-kva.example:8443"),
        ("https://Boot.example.org", "https://Boot.example.org"),
        ("https://boot.example.org.", "https://boot.example.org"),
        ("http://[fd00::1]:8080", "http://[fd00::1]:8080"),
        ("https://b%C3%BCcher.example", "https://xn--bcher-kva.example"),
        ("https://fa%c3%9f.example:8443", "https://xn--fa-hia.example:8443"),
    ],
)
def test_a_public_url_in_another_alphabet_is_used_in_its_ascii_form(tmp_path: Path, written: str, host: str) -> None:
    config = tmp_path / "bootgrant.toml"
    config.write_text(f"public_url = '{written}'", "utf-8")
    assert load_site(config, {}).public_url == host


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("https://bücher.example", "https://xn--bcher-kva.example (written as https://bücher.example)"),
        ("https://boot.example/", "https://boot.example"),
    ],
)
def test_the_settings_page_shows_a_url_in_both_forms(tmp_path: Path, written: str, shown: str) -> None:
    config = tmp_path / "bootgrant.toml"
    config.write_text(f"public_url = '{written}'", "utf-8")
    assert [row.value for row in load_site(config, {}).shown if row.key == "public_url"] == [shown]


@pytest.mark.parametrize("host", ["b\u2fffcher.example", "[fd00::g]", "b%ffcher.example"])
def test_a_public_url_whose_host_no_browser_accepts_is_refused(tmp_path: Path, host: str) -> None:
    config = tmp_path / "bootgrant.toml"
    config.write_text(f"public_url = 'https://{host}'", "utf-8")
    with pytest.raises(SettingsError, match=r"public_url: 'https://.* (has a host name that cannot|is not the URL)"):
        load_site(config, {})
