"""The database of a site: SQLite by default, PostgreSQL by its URL, and no password in a message."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootgrant.service.parts.database import migrate_database, open_database
from bootgrant.service.settings.site import SettingsError, Site, load_site
from bootgrant.wire.secret import Secret
from support.grants import NOW

pytestmark = pytest.mark.anyio


def site(folder: Path, text: str = "", **environment: str) -> Site:
    config = folder / "bootgrant.toml"
    config.write_text('public_url = "https://boot.example"\n' + text)
    return load_site(config, {f"BOOTGRANT_{name.upper()}": value for name, value in environment.items()})


def test_a_site_uses_sqlite_by_default(tmp_path: Path) -> None:
    made = site(tmp_path)
    assert made.database.url is None
    assert made.code_key_path == tmp_path / "data/code.key"


def test_the_url_may_come_from_the_environment_and_is_a_secret(tmp_path: Path) -> None:
    made = site(tmp_path, "[database]\nconnections = 3", database_url="postgresql://ana:geheim@db/x")
    assert made.database.url == Secret("postgresql://ana:geheim@db/x")
    assert made.database.connections == 3
    assert "geheim" not in repr(made)


def test_files_are_relative_to_the_settings(tmp_path: Path) -> None:
    made = site(
        tmp_path, 'code_key_file = "shared/code.key"\n[database]\nurl = "postgresql://db/x"\npassword_file = "pw"'
    )
    assert made.database.password_file == tmp_path / "pw"
    assert made.code_key_path == tmp_path / "shared/code.key"


@pytest.mark.parametrize("url", ["mysql://ana:geheim@db/x", "geheim", "postgresql:geheim"])
def test_an_invalid_url_is_not_repeated_in_the_error(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingsError, match=r"database.url: neither") as failure:
        site(tmp_path, f'[database]\nurl = "{url}"')
    assert "geheim" not in str(failure.value)


async def test_a_url_that_libpq_cannot_read_is_not_repeated_in_the_error(tmp_path: Path) -> None:
    made = site(tmp_path, '[database]\nurl = "postgresql://ana:geheim@db/x?colour=geheim"')
    with pytest.raises(SettingsError, match="not a PostgreSQL URL") as failure:
        migrate_database(made)
    assert "geheim" not in str(failure.value)


async def test_opening_sqlite_migrates_it(tmp_path: Path) -> None:
    made = site(tmp_path)
    made.data.mkdir()
    async with open_database(made, NOW) as database:
        await database.grants.check_writable()
    assert migrate_database(made) == []
