"""A real Keycloak on loopback ports: one server for all tests of a process, and a realm for each test.

`make test-providers` installs it (tools/keycloak). Realms, people, groups, roles, clients and keys are made through
its Admin REST API, as an administrator does.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
from tools.keycloak.install import ADMIN, NotInstalled, Ports, environment, installed, is_ready

from support.parts import missing
from support.site import children, free_port, kill_and_wait, wait_until

PASSWORD = "correct horse battery"
"""The password of every person, unless a test says otherwise."""


@dataclass(slots=True)
class Keycloak:
    """A server that keeps its data in ``folder``; it can be killed and started again at the same address."""

    folder: Path
    ports: Ports = field(default_factory=lambda: Ports(free_port(), free_port()))
    process: subprocess.Popen[bytes] | None = None
    _token: str = ""
    _token_until: float = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports.http}"

    @property
    def log(self) -> str:
        return (self.folder / "keycloak.log").read_text()

    def start(self) -> None:
        """Start it, and wait until it serves."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start it, and do not wait."""
        made = _installed()
        if not (self.folder / "database").exists():
            shutil.copytree(made.database, self.folder / "database")
        with (self.folder / "keycloak.log").open("ab") as log:
            self.process = subprocess.Popen(
                made.start(self.folder / "database", self.ports),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment(),
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        process = self._running()
        wait_until(lambda: is_ready(self.ports) or process.poll() is not None, "Keycloak serves", 150)
        assert process.poll() is None, self.log

    def kill(self) -> None:
        """As a loss of its host does. Its data stays."""
        process = self._running()
        programs = children(process.pid)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pid in programs:
            kill_and_wait(pid)
        self.process = None

    def memory(self) -> int:
        """How many kilobytes it has in memory (VmRSS); 0 for a server that was killed."""
        programs = children(self.process.pid) if self.process is not None else []
        statuses = [Path(f"/proc/{pid}/status").read_text() for pid in programs]
        lines = [line.split() for status in statuses for line in status.splitlines() if line.startswith("VmRSS:")]
        return sum(int(words[1]) for words in lines)

    def call(self, method: str, path: str, content: object = None) -> Any:
        """Send a request to the Admin REST API; ``path`` is below ``/admin/realms``. Returns what its JSON says."""
        headers = {"Authorization": f"Bearer {self._admin_token()}"}
        url = f"{self.url}/admin/realms{path}"
        answer = httpx2.request(method, url, json=content, headers=headers, trust_env=False, timeout=60)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def realm(self, **settings: object) -> Realm:
        """Make a realm with a name of its own. ``settings`` are members of its RealmRepresentation.

        A server that was killed is started again first.
        """
        if self.process is None:
            self.start()
        name = f"site-{secrets.token_hex(4)}"
        self.call("POST", "", {"realm": name, "enabled": True, "sslRequired": "none", **settings})
        return Realm(self, name)

    def _admin_token(self) -> str:
        """A token of the administrator. It is valid for a minute, and is used for half of that."""
        if time.monotonic() > self._token_until:
            name, password = ADMIN
            form = {"grant_type": "password", "client_id": "admin-cli", "username": name, "password": password}
            url = f"{self.url}/realms/master/protocol/openid-connect/token"
            answer = httpx2.post(url, data=form, trust_env=False, timeout=60)
            assert answer.is_success, answer.text
            self._token, self._token_until = answer.json()["access_token"], time.monotonic() + 30
        return self._token

    def _running(self) -> subprocess.Popen[bytes]:
        assert self.process is not None, "Keycloak is not running"
        return self.process


@dataclass(frozen=True, slots=True)
class Realm:
    """A realm, and what its administrator does. People, groups and roles are named, not numbered."""

    server: Keycloak
    name: str

    @property
    def issuer(self) -> str:
        return f"{self.server.url}/realms/{self.name}"

    @property
    def endpoints(self) -> str:
        """The kernel parameters for its endpoints."""
        prefix, base = "talos.config.oauth.", f"{self.issuer}/protocol/openid-connect"
        return f"{prefix}device_auth_url={base}/auth/device {prefix}token_url={base}/token"

    def call(self, method: str, path: str = "", content: object = None) -> Any:
        """Send a request to the Admin REST API; ``path`` is below the realm, such as ``/users``."""
        return self.server.call(method, f"/{self.name}{path}", content)

    def change(self, **settings: object) -> None:
        """Change members of the RealmRepresentation, such as ``accessTokenLifespan`` (seconds)."""
        self.call("PUT", "", settings)

    # People, groups, roles

    def add_group(self, path: str) -> None:
        """Add a group, such as ``/platform`` or, below that, ``/platform/fra``."""
        above, _, name = path.rpartition("/")
        self.call("POST", f"/groups/{self._group(above)}/children" if above else "/groups", {"name": name})

    def add_role(self, name: str, client_id: str | None = None) -> None:
        """Add a role of the realm, or of a client."""
        self.call("POST", f"/clients/{self._client(client_id)}/roles" if client_id else "/roles", {"name": name})

    def add_user(
        self, name: str, *, groups: Sequence[str] = (), roles: Sequence[str] = (), password: str = PASSWORD
    ) -> None:
        """Add a person, who is a member of ``groups`` (paths) and has ``roles`` of the realm; both exist already."""
        user = {
            "username": name,
            "email": f"{name}@example.org",
            "emailVerified": True,
            "firstName": name.capitalize(),
            "lastName": "Example",
            "enabled": True,
            "groups": list(groups),
            "credentials": [{"type": "password", "value": password, "temporary": False}],
        }
        self.call("POST", "/users", user)
        for role in roles:
            self.give_role(name, role)

    def give_role(self, user: str, role: str, client_id: str | None = None) -> None:
        """Give a person a role of the realm, or of a client."""
        of = f"/clients/{self._client(client_id)}" if client_id else ""
        place = f"clients/{self._client(client_id)}" if client_id else "realm"
        found = self.call("GET", f"{of}/roles/{quote(role, safe='')}")
        self.call("POST", f"/users/{self.user_id(user)}/role-mappings/{place}", [found])

    def change_user(self, name: str, **members: object) -> None:
        """Change members of a UserRepresentation: ``enabled=False`` disables the person."""
        self.call("PUT", f"/users/{self.user_id(name)}", members)

    def join(self, name: str, group: str) -> None:
        """Make a person a member of a group (path)."""
        self.call("PUT", f"/users/{self.user_id(name)}/groups/{self._group(group)}")

    def leave(self, name: str, group: str) -> None:
        """Remove a person from a group (path)."""
        self.call("DELETE", f"/users/{self.user_id(name)}/groups/{self._group(group)}")

    def log_out(self, name: str) -> None:
        """End every session of a person, as the administrator's page does."""
        self.call("POST", f"/users/{self.user_id(name)}/logout")

    def remove_user(self, name: str) -> None:
        self.call("DELETE", f"/users/{self.user_id(name)}")

    def user_id(self, name: str) -> str:
        """The id of a person, which is the ``sub`` in tokens."""
        [found] = self.call("GET", f"/users?exact=true&username={quote(name)}")
        return str(found["id"])

    # Clients

    def add_client(self, client_id: str, *, secret: str | None = None, **members: object) -> None:
        """Add a client, public without a ``secret``; ``members`` are of its ClientRepresentation.

        It only has the code flow, unless ``members`` say more.
        """
        client = {
            "clientId": client_id,
            "enabled": True,
            "protocol": "openid-connect",
            "publicClient": secret is None,
            "standardFlowEnabled": True,
            "directAccessGrantsEnabled": False,
        }
        self.call("POST", "/clients", client | ({"secret": secret} if secret else {}) | members)

    def add_pages(
        self,
        site_url: str,
        provider: str = "corp",
        *,
        client: str = "pages",
        secret: str | None = None,
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        """Add a client as docs/sign-in.md says: people sign in at ``site_url`` with the ``[[oidc]]`` of this id."""
        merged = {"post.logout.redirect.uris": f"{site_url}/login", **(attributes or {})}
        redirects = [f"{site_url}/login/oidc/{provider}/callback"]
        self.add_client(client, secret=secret, redirectUris=redirects, attributes=merged)

    def add_machines(self, client_id: str = "talos", *, secret: str | None = None, **members: object) -> None:
        """Add a client for machines, with the device flow."""
        attributes = {"oauth2.device.authorization.grant.enabled": "true"}
        given = members.pop("attributes", {})
        assert isinstance(given, Mapping)
        flows: dict[str, object] = {"standardFlowEnabled": False, "attributes": {**attributes, **given}}
        self.add_client(client_id, secret=secret, **(flows | members))

    def change_client(self, client_id: str, **members: object) -> None:
        """Change members of a ClientRepresentation: ``secret="other"``."""
        self.call("PUT", f"/clients/{self._client(client_id)}", {"clientId": client_id, **members})

    def add_mapper(self, client_id: str, mapper: str, **config: str) -> None:
        """Add a protocol mapper to a client, such as ``oidc-audience-mapper``; a dot in a name is written ``_``."""
        settings = {name.replace("_", "."): value for name, value in config.items()}
        made = {"name": f"{mapper} {secrets.token_hex(2)}", "protocol": "openid-connect", "protocolMapper": mapper}
        self.call("POST", f"/clients/{self._client(client_id)}/protocol-mappers/models", made | {"config": settings})

    def map_groups(self, client_id: str, *, full_path: bool, claim: str = "groups") -> None:
        """Add a "Group Membership" mapper: a claim in the ID token, the access token and userinfo."""
        self.add_mapper(
            client_id, "oidc-group-membership-mapper", claim_name=claim, full_path=_flag(full_path), **_EVERYWHERE
        )

    def map_realm_roles(self, client_id: str, claim: str = "realm_access.roles") -> None:
        """Add a "User Realm Role" mapper with "Add to ID token"."""
        self._map_roles(client_id, "oidc-usermodel-realm-role-mapper", claim)

    def map_client_roles(self, client_id: str, claim: str = "resource_access.${client_id}.roles") -> None:
        """Add a "User Client Role" mapper with "Add to ID token"."""
        self._map_roles(client_id, "oidc-usermodel-client-role-mapper", claim)

    def map_audience(self, client_id: str, audience: str) -> None:
        """Add an "Audience" mapper to the access tokens of a client."""
        config = {"included.custom.audience": audience, "access.token.claim": "true", "id.token.claim": "false"}
        self.add_mapper(client_id, "oidc-audience-mapper", **config)

    def _map_roles(self, client_id: str, mapper: str, claim: str) -> None:
        config = {"claim.name": claim, "multivalued": "true", "jsonType.label": "String"}
        self.add_mapper(client_id, mapper, **config, **_EVERYWHERE)

    # Keys

    def rotate_keys(self, algorithm: str = "RS256") -> None:
        """Add a signing key and remove the older ones of this algorithm: their signatures are invalid from now on."""
        old = [one["id"] for one in self._key_providers() if algorithm in _algorithms(one)]
        self.add_key(algorithm)
        for provider in old:
            self.call("DELETE", f"/components/{provider}")

    def add_key(self, algorithm: str = "RS256") -> None:
        """Add a signing key with which every new token is signed; older ones stay valid."""
        provider = "rsa-generated" if algorithm[:2] in {"RS", "PS"} else "ecdsa-generated"
        newest = max(int(one["config"].get("priority", ["0"])[0]) for one in self._key_providers())
        component = {
            "name": f"signing key {secrets.token_hex(4)}",
            "providerId": provider,
            "providerType": "org.keycloak.keys.KeyProvider",
            "config": {"priority": [str(newest + 1)], "algorithm": [algorithm]},
        }
        self.call("POST", "/components", component)

    def _key_providers(self) -> Sequence[Mapping[str, Any]]:
        found: Sequence[Mapping[str, Any]] = self.call("GET", "/components?type=org.keycloak.keys.KeyProvider")
        return found

    # Ids

    def _client(self, client_id: str | None) -> str:
        [found] = self.call("GET", f"/clients?clientId={quote(client_id or '')}")
        return str(found["id"])

    def _group(self, path: str) -> str:
        return str(self.call("GET", f"/group-by-path{quote(path)}")["id"])


_EVERYWHERE = {"id.token.claim": "true", "access.token.claim": "true", "userinfo.token.claim": "true"}


def _algorithms(key_provider: Mapping[str, Any]) -> Sequence[str]:
    """The algorithm of a key provider for signatures; RS256 is what ``rsa-generated`` has when it names none."""
    config: Mapping[str, Sequence[str]] = key_provider["config"]
    return config.get("algorithm") or (["RS256"] if key_provider["providerId"] == "rsa-generated" else [])


def _flag(value: bool) -> str:
    return str(value).lower()


@contextmanager
def keycloak(folder: Path) -> Iterator[Keycloak]:
    """Run a server for the duration of the block. Without an installed Keycloak the test is skipped, or fails in CI."""
    _installed()
    server = Keycloak(folder)
    try:
        server.start()
        yield server
    finally:
        if server.process is not None:
            server.kill()


def _installed() -> Any:
    try:
        return installed()
    except NotInstalled as error:
        missing(str(error))
        raise
