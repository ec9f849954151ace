"""The sections of ``bootgrant.toml`` and the tables in them: a dataclass for each, a field for each key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from pathlib import Path
from typing import Final

from bootgrant.approval.grant_rules import AddressBinding, GrantRules
from bootgrant.approval.policy import Network
from bootgrant.configurations.limits import EntryLimits
from bootgrant.machine_plane.clients import Client
from bootgrant.operator_plane.frame import Colour
from bootgrant.service.logs import LogFormat
from bootgrant.service.settings import forms
from bootgrant.service.settings.forms import (
    OPTIONAL_FILE,
    SHORTEST_SECRET,
    duration,
    if_given,
    one_of,
    optional,
    shown,
)
from bootgrant.service.settings.setting import Form, setting, table_of
from bootgrant.wire.secret import Secret
from bootgrant.workflows.people.sign_in_rules import SecondFactor, SessionRules

_PRIVATE: Final = ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")


class Composer(StrEnum):
    """What merges the layers of a Talos configuration."""

    BOOTGRANT = "bootgrant"
    TALOSCTL = "talosctl"


class Confirmation(Enum):
    """What an operator does to confirm an approval."""

    SUFFIX = "suffix"
    BUTTON = "button"


def _site_name(value: object) -> str:
    name = forms.text(value).strip() if value else ""
    if len(name) > 40 or not name.isprintable():
        raise ValueError("write at most 40 printable characters")
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteLook:
    """``[site]``: what distinguishes this site from others for people."""

    name: str = setting(
        shown("string", _site_name),
        "",
        "The name of this site, such as `fra production`, in the header and the title of every page and in "
        "notifications to phones. Empty: the host name of the pages' address.",
    )
    colour: Colour = setting(
        one_of(Colour),
        "teal",
        "The colour of the header of every page, so that two sites do not look alike.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """``[database]``. Without ``url`` it is SQLite in the data folder."""

    url: Secret | None = setting(
        forms.DATABASE_URL,
        "sqlite",
        "`sqlite`: a file in `data`, for a single server. Or postgresql://user@host:5432/database, which several "
        "servers can share (docs/server.md).",
    )
    password_file: Path | None = setting(
        OPTIONAL_FILE, "", "A file whose first line is the password of PostgreSQL, read for each new connection."
    )
    connections: int = setting(
        forms.COUNT, 8, "Connections from a server to PostgreSQL; one more listens for the changes of other servers."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Operators:
    """``[operators]``: the pages, and how people sign in to them."""

    listen: tuple[str, int] | None = setting(
        optional(forms.LISTEN),
        "",
        "A separate address and port for the pages; `listen` then answers only machines. Empty: both use `listen`.",
    )
    public_url: str | None = setting(
        optional(forms.SERVER_URL),
        "",
        "Where people reach the pages if that is not `public_url`. The QR code then leads there.",
    )
    confirm: Confirmation = setting(
        one_of(Confirmation),
        "suffix",
        "`suffix`: to approve, an operator types the last four characters of the code on the machine's screen. "
        "`button`: pressing Approve is enough.",
    )
    second_factor: SecondFactor = setting(
        one_of(SecondFactor),
        "off",
        "`required`: operators need a passkey after the password (docs/sign-in.md). Break-glass operators are exempt.",
    )
    session_idle: float = setting(duration("1m"), "12h", "A session ends this long after its last use.")
    session_lifetime: float = setting(duration("1m"), "7d", "A session ends this long after sign-in.")
    fresh: float = setting(duration("1m"), "15m", "The most sensitive actions need a sign-in no older than this.")

    @property
    def sessions(self) -> SessionRules:
        """The lifetime of sessions."""
        return SessionRules(self.session_idle, self.session_lifetime, self.fresh)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grants(GrantRules):
    """``[grants]``: the rules of a request; times in seconds."""

    lifetime: float = setting(duration("1s"), "10m", "How long a code is valid while it waits for a decision.")
    lifetime_two_people: float = setting(
        duration("1s"),
        "30m",
        "The same for a machine that needs the approval of two people, if that is longer than grants.lifetime. It is "
        "decided when the machine asks.",
    )
    interval: float = setting(forms.WHOLE_SECONDS, "1s", "How often a machine polls; whole seconds.")
    hold: float = setting(
        forms.DURATION,
        "25s",
        'How long a poll is held open, so that the machine learns of a decision at once. "0s": not at all.',
    )
    token_lifetime: float = setting(duration("60s"), "4h", "How long a token is valid. Talos keeps trying for 3 hours.")
    delivery_grace: float = setting(
        forms.DURATION,
        "15m",
        "How long the same machine can use its token again after the first complete delivery. Then the token is spent.",
    )
    denial_cooldown: float = setting(
        duration(most="24h"),
        "10m",
        "How long a denied machine is refused without asking an operator again. `bootgrant undeny` ends it early.",
    )
    bind_address: AddressBinding = setting(
        one_of(AddressBinding),
        "flag",
        "What happens when a machine's token is used at another address than the one that asked for the code (an IPv6 "
        "/64 counts as one address). People are notified; with `refuse`, no configuration is sent there.",
    )
    kept: float = setting(forms.DURATION, "90d", "How long delivered requests are kept as the history of a machine.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """``[limits]``."""

    pending_per_address: int = setting(
        forms.COUNT,
        1000,
        "How many pending requests one address may have. Within grants.lifetime it may open four times as many. An "
        "IPv6 /64 network counts as one address.",
    )
    pending: int = setting(forms.COUNT, 100_000, "How many pending requests the server accepts in total.")
    connections_per_address: int | None = setting(
        optional(forms.COUNT),
        "",
        "How many connections one address (IPv6: one /64 network) may have open; each waiting machine has one. Empty: "
        "three quarters of those that the limit of open files allows. Proxies in networks.trusted_proxies have no "
        "limit (docs/server.md).",
    )
    entry_memory: int = setting(
        forms.size("32MiB", "16GiB"),
        "256MiB",
        "How much memory the work on one entry of the machine configurations may take. An entry that exceeds this, or "
        "one of the next two limits, is broken; the others are served (docs/machines.md).",
    )
    entry_cpu: float = setting(
        duration("100ms", "10m"), "2s", "How much CPU time reading, rendering and checking one entry may take."
    )
    entry_time: float = setting(
        duration("100ms", "1h"), "5s", "How long that may take by the clock, without the programs of the site."
    )

    @property
    def entry(self) -> EntryLimits:
        """What work on one entry may use."""
        return EntryLimits(self.entry_memory, self.entry_cpu, self.entry_time)


def _network_names(value: object, _base: Path) -> Mapping[str, tuple[Network, ...]]:
    if value in ((), []):
        return {}
    if not isinstance(value, Mapping):
        raise ValueError(  # noqa: TRY004  (a file's content)
            'expected a table: [networks.names], then lines such as fra-rack4 = "10.20.4.0/24"'
        )
    return {forms.name(key): _networks(key, given) for key, given in value.items()}


def _networks(key: str, given: object) -> tuple[Network, ...]:
    written = [given] if isinstance(given, str) else given
    if not isinstance(written, list) or not written:
        raise ValueError(f"{key}: expected a network or a list of networks")
    return tuple(forms.network(item) for item in written)


@dataclass(frozen=True, slots=True, kw_only=True)
class Networks:
    """``[networks]``."""

    machines: tuple[Network, ...] = setting(
        forms.NETWORKS, _PRIVATE, "Networks that machines may connect from. Machines at other addresses are refused."
    )
    metrics: tuple[Network, ...] = setting(
        forms.NETWORKS, _PRIVATE, "Networks that may read /metrics. The metrics do not name machines."
    )
    trusted_proxies: tuple[Network, ...] = setting(
        forms.NETWORKS, (), "Proxies whose X-Forwarded-For or Forwarded header is trusted, counted from the right."
    )
    names: Mapping[str, tuple[Network, ...]] = setting(
        Form("table of networks", _network_names, file_only=True),
        (),
        "Names for networks, shown next to addresses. The smallest network that contains an address names it.",
        example=("[networks.names]", 'fra-rack4 = "10.20.4.0/24"'),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Git:
    """``[git]``: a repository instead of the folder ``machines``, if ``url`` is set; ``folder`` is a path in it."""

    url: str | None = setting(
        forms.GIT_URL,
        "",
        "A git repository with the machine configurations, used instead of the folder `machines`; any URL that "
        "`git fetch` accepts.",
    )
    branch: str = setting(forms.GIT_BRANCH, "main", "The branch to serve.")
    folder: str = setting(forms.GIT_FOLDER, "", "The folder in the repository. Empty: its top.")
    fetch_interval: float = setting(forms.DURATION, "1m", "How often to fetch the repository.")
    signers_file: Path | None = setting(
        OPTIONAL_FILE,
        "",
        "Serve only commits signed by one of these SSH keys (an allowed signers file, see ssh-keygen(1)).",
    )
    webhook_secret_file: Path | None = setting(
        OPTIONAL_FILE,
        "",
        "A file whose first line is the secret of the webhook POST /hooks/git, which triggers a fetch at once.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """``[secrets]``: how secret values of machine configurations are obtained."""

    age_identity_file: Path | None = setting(
        OPTIONAL_FILE,
        "",
        "The age identity or OpenSSH private key that decrypts .age files. The environment variable "
        "BOOTGRANT_AGE_IDENTITY may hold the identity itself instead.",
    )
    age_identity_command: tuple[str, ...] = setting(
        forms.WORDS, (), "A program and its arguments that prints the age identity; run once at the start."
    )
    exec_programs: tuple[Path, ...] = setting(
        forms.PROGRAMS, (), "Full paths of the programs that `exec` values in machine configurations may run."
    )
    exec_time_limit: float = setting(forms.DURATION, "10s", "How long such a program may run.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """``[log]``."""

    format: LogFormat = setting(
        one_of(LogFormat), "text", "The log on standard error: `text` for people, or `json` with one object a line."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Client:
    """One of ``[[clients]]``."""

    id: str = setting(forms.TEXT)
    secret_file: Secret | None = setting(if_given(forms.secret(SHORTEST_SECRET)), ())
    any_token: bool = setting(forms.FLAG, default=False)


_CLIENTS: Final = table_of(_Client, "clients", lambda row: Client(row.id, row.secret_file, row.any_token), "id")


def parse_clients(value: object, base: Path) -> Mapping[str, Client]:
    """``[[clients]]``, or a list of ids. Raises ValueError."""
    rows = [{"id": row} if isinstance(row, str) else row for row in value] if isinstance(value, (list, tuple)) else []
    if not rows:
        raise ValueError("expected at least one client, written as [[clients]] with an id")
    return {client.client_id: client for client in _CLIENTS.parse(rows, base)}


def show_clients(value: object) -> str:
    """The ids of ``[[clients]]`` as they were written."""
    rows = value if isinstance(value, (list, tuple)) else ()
    return ", ".join(str(row.get("id", "")) if isinstance(row, dict) else str(row) for row in rows)


@dataclass(frozen=True, slots=True)
class MachineSettings:
    """How machine configurations are made; the defaults are for a folder without settings."""

    composer: Composer = Composer.BOOTGRANT
    schema_file: Path | None = None
    git: Git = field(default_factory=Git)
    secrets: Secrets = field(default_factory=Secrets)
    limits: EntryLimits = field(default_factory=EntryLimits)
