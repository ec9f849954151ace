"""Keycloak is fetched with Maven and runs on Java, so only `make test-providers` runs these tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from providers_real.keycloak_recipe import Corp, add_strict_clients, corp
from support.keycloak import Keycloak, Realm, keycloak

collect_ignore_glob = [] if os.environ.get("PROVIDERS_TEST") == "1" else ["test_*.py"]


@pytest.fixture(scope="session")
def keycloak_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keycloak]:
    """One Keycloak for all tests. After a test that killed it, the next realm starts it again."""
    with keycloak(tmp_path_factory.mktemp("keycloak")) as server:
        yield server
        print(f"Keycloak has {server.memory() // 1024} MB in memory; its log is {server.folder}/keycloak.log")


@pytest.fixture
def realm(keycloak_server: Keycloak) -> Realm:
    """A new realm, for this test only."""
    return keycloak_server.realm()


@pytest.fixture(scope="session")
def there(keycloak_server: Keycloak, tmp_path_factory: pytest.TempPathFactory) -> Corp:
    """A realm made by the commands of docs/providers/keycloak.md, which take a minute."""
    return corp(keycloak_server, tmp_path_factory.mktemp("recipe"))


@pytest.fixture(scope="session")
def strict(there: Corp) -> Corp:
    """The same realm with clients that require PKCE or have a secret."""
    add_strict_clients(there.realm)
    return there
