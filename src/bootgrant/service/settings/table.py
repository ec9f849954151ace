"""Every setting of ``bootgrant.toml``, once. Help, ``docs/settings.md`` and the file of ``init`` are made from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Kind(Enum):
    """The form of a value; the text says how the documentation names it."""

    URL = "URL"
    LISTEN = "address:port"
    FOLDER = "folder"
    DURATION = "duration"
    NETWORKS = "list of networks"
    CLIENTS = "list of clients"
    COUNT = "whole number"
    NOTIFY = "list of tables"
    PROVIDERS = "list of providers"
    LOG_FORMAT = "text or json"
    DATABASE = "sqlite or URL"
    OIDC = "list of sign-in providers"
    SECOND_FACTOR = "off or required"
    OPTIONAL_FILE = "file or nothing"
    OPTIONAL_TEXT = "text or nothing"
    TEXTS = "list of texts"
    OPTIONAL_URL = "URL or nothing"
    OPTIONAL_LISTEN = "address:port or nothing"
    CONFIRM = "suffix or button"
    NAMED_NETWORKS = "table of networks"
    EVIDENCE_COMMANDS = "list of commands"
    RULES = "list of rules"


@dataclass(frozen=True, slots=True)
class Setting:
    """One row. ``key`` is the place in the file (``grants.hold``); ``default`` is as the file would say it.

    ``example`` are lines for what is a table of its own: the file of ``init`` has them as a comment.
    """

    key: str
    kind: Kind
    default: str | int | tuple[str, ...] | None
    help: str
    flag: str = ""
    example: tuple[str, ...] = ()

    @property
    def environment(self) -> str:
        """The variable that overrules the file; a list is comma separated."""
        return "BOOTGRANT_" + self.key.replace(".", "_").upper()


SETTINGS: Final = (
    Setting(
        "public_url",
        Kind.URL,
        None,
        "Where people and machines reach this server. The verification URL and the QR code are made from it, never "
        "from the Host header. Required.",
        "--public-url",
    ),
    Setting("listen", Kind.LISTEN, "127.0.0.1:8080", "Address and port to listen on.", "--listen"),
    Setting("data", Kind.FOLDER, "data", "Database, keys and admin.sock; readable by the server alone.", "--data"),
    Setting("machines", Kind.FOLDER, "machines", "The machine configurations.", "--machines"),
    Setting(
        "composer",
        Kind.OPTIONAL_TEXT,
        "bootgrant",
        "What puts the layers of a Talos configuration together: `bootgrant`, or the installed `talosctl`.",
    ),
    Setting(
        "schema_file",
        Kind.OPTIONAL_FILE,
        "",
        "The JSON Schema of your Talos version (config.schema.json), which configurations are held to before they are "
        "served.",
    ),
    Setting(
        "code_key_file",
        Kind.OPTIONAL_FILE,
        "",
        "The key of the user codes; empty: code.key in `data`, made when it is not there. Servers that share a "
        "database share this key.",
    ),
    Setting(
        "database.url",
        Kind.DATABASE,
        "sqlite",
        "`sqlite`: a file in `data`, for one server. Or postgresql://user@host:5432/database, for one or several; they "
        "share it (docs/server.md).",
    ),
    Setting(
        "database.password_file",
        Kind.OPTIONAL_FILE,
        "",
        "The first line of this file is the password of PostgreSQL; read at each new connection.",
    ),
    Setting("database.connections", Kind.COUNT, 8, "How many connections to PostgreSQL a server uses, and one more."),
    Setting(
        "operators.listen",
        Kind.OPTIONAL_LISTEN,
        "",
        "An address and port for the pages; `listen` is then for machines alone. Empty: both are on `listen`.",
    ),
    Setting(
        "operators.public_url",
        Kind.OPTIONAL_URL,
        "",
        "Where people reach the pages, when that is not `public_url`; the QR code then leads there.",
    ),
    Setting(
        "operators.confirm",
        Kind.CONFIRM,
        "suffix",
        "`suffix`: who approves types the last four characters that the machine's screen shows; `button`: only presses "
        "Approve.",
    ),
    Setting(
        "operators.second_factor",
        Kind.SECOND_FACTOR,
        "off",
        "`required`: after the password a passkey is asked for (docs/sign-in.md). Break-glass operators need none.",
    ),
    Setting("operators.session_idle", Kind.DURATION, "12h", "A session ends so long after its last use."),
    Setting("operators.session_lifetime", Kind.DURATION, "7d", "A session ends so long after it began."),
    Setting(
        "operators.fresh",
        Kind.DURATION,
        "15m",
        "How old a sign-in may be where the most precious things are decided; then one signs in once more.",
    ),
    Setting(
        "oidc",
        Kind.OIDC,
        (),
        "OpenID providers whose people may sign in, as [[oidc]] each, several side by side (docs/sign-in.md). In the "
        "file only.",
        example=(
            "[[oidc]]",
            'id = "corp"',
            'label = "Corp SSO"',
            'issuer = "https://sso.example.org"',
            'client_id = "bootgrant"',
            'client_secret_file = "corp.secret"',
            "[[oidc.roles]]",
            'group = "boot-admins"',
            'role = "admin"',
        ),
    ),
    Setting("grants.lifetime", Kind.DURATION, "10m", "How long a code waits for a person."),
    Setting("grants.interval", Kind.DURATION, "1s", "How often a machine asks; whole seconds."),
    Setting(
        "grants.hold",
        Kind.DURATION,
        "25s",
        'How long a token request may wait for the decision, so that the machine hears it at once; "0s": no wait.',
    ),
    Setting("grants.token_lifetime", Kind.DURATION, "4h", "How long a token is good; Talos tries for 3 h."),
    Setting(
        "grants.delivery_grace",
        Kind.DURATION,
        "15m",
        "How long the token serves the same machine again after the first complete delivery; then it is used up.",
    ),
    Setting(
        "grants.denial_cooldown",
        Kind.DURATION,
        "10m",
        "How long a denied machine that asks again is refused without asking a person.",
    ),
    Setting("grants.kept", Kind.DURATION, "90d", "How long delivered grants are kept, as the history of a machine."),
    Setting(
        "limits.pending_per_address",
        Kind.COUNT,
        1000,
        "How many requests from one address may wait at once; it may ask four times as often within grants.lifetime. "
        "An IPv6 network of 64 bits counts as one address.",
    ),
    Setting("limits.pending", Kind.COUNT, 100_000, "How many requests may wait at once in all."),
    Setting(
        "networks.machines",
        Kind.NETWORKS,
        ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
        "Who may ask: machines from other addresses are refused.",
    ),
    Setting(
        "networks.metrics",
        Kind.NETWORKS,
        ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
        "Who may read /metrics. No machine is named there.",
    ),
    Setting(
        "networks.trusted_proxies",
        Kind.NETWORKS,
        (),
        "Proxies whose X-Forwarded-For or Forwarded header is believed (counted from the right); none by default.",
    ),
    Setting(
        "git.url",
        Kind.OPTIONAL_TEXT,
        "",
        "A git repository with the machine configurations, instead of the folder `machines`; what `git fetch` takes.",
    ),
    Setting("git.branch", Kind.OPTIONAL_TEXT, "main", "The branch that is served."),
    Setting("git.folder", Kind.OPTIONAL_TEXT, "", "The folder in the repository; empty: its top."),
    Setting("git.fetch_interval", Kind.DURATION, "1m", "How often the repository is asked for something new."),
    Setting(
        "git.signers_file",
        Kind.OPTIONAL_FILE,
        "",
        "Only commits signed by one of these SSH keys are served (a file of allowed signers, see ssh-keygen(1)).",
    ),
    Setting(
        "git.webhook_secret_file",
        Kind.OPTIONAL_FILE,
        "",
        "The first line of this file is the secret of a webhook (POST /hooks/git), which makes it look at once.",
    ),
    Setting(
        "secrets.age_identity_file",
        Kind.OPTIONAL_FILE,
        "",
        "The age identity, or the OpenSSH private key, that opens .age files. The environment variable "
        "BOOTGRANT_AGE_IDENTITY may hold the identity itself instead.",
    ),
    Setting(
        "secrets.age_identity_command",
        Kind.TEXTS,
        (),
        "A program and its words, run once at the start, that prints the age identity.",
    ),
    Setting(
        "secrets.exec_programs",
        Kind.TEXTS,
        (),
        "Programs, with their whole paths, that `exec` values of machine configurations may run; none by default.",
    ),
    Setting("secrets.exec_time_limit", Kind.DURATION, "10s", "How long such a program may take."),
    Setting(
        "tls.certificate",
        Kind.OPTIONAL_FILE,
        "",
        "A certificate chain (PEM), to speak HTTPS without a proxy; read again when it changes.",
    ),
    Setting("tls.key", Kind.OPTIONAL_FILE, "", "The key of the certificate (PEM)."),
    Setting(
        "log.format",
        Kind.LOG_FORMAT,
        "text",
        "The log on standard error: lines for people, or one JSON object a line for a collector.",
    ),
    Setting(
        "notify",
        Kind.NOTIFY,
        (),
        "Whom to tell that machines wait, as [[notify]] each: webhook, e-mail, Slack, Teams or ntfy "
        "(docs/notifications.md). Only in the file.",
    ),
    Setting(
        "providers",
        Kind.PROVIDERS,
        (),
        "Outside providers whose tokens are accepted at /config, as [[providers]] each, with [[providers.rules]] that "
        "say who may let in what (docs/providers.md). Only in the file.",
        example=(
            "[[providers]]",
            'name = "corp"',
            'issuer = "https://idp.example.org"',
            'audiences = ["bootgrant"]',
            "[[providers.rules]]",
            'claims = {groups = "platform"}',
            'select = ["role=worker"]',
        ),
    ),
    Setting(
        "clients",
        Kind.CLIENTS,
        ("talos",),
        "The OAuth clients, as [[clients]] with an id each. Machines need no secret; a client with a secret_file (its "
        "first line is the secret) must show it at /token, and may ask /introspect, and /revoke its own tokens; with "
        "any_token = true those of every client.",
    ),
    Setting(
        "networks.names",
        Kind.NAMED_NETWORKS,
        (),
        "Names for networks, shown beside addresses. An address has the name of the smallest network that it is in. "
        "In the file only.",
        example=("[networks.names]", 'fra-rack4 = "10.20.4.0/24"'),
    ),
    Setting(
        "evidence.exec",
        Kind.EVIDENCE_COMMANDS,
        (),
        "Commands that give evidence about a machine, as [[evidence.exec]] with a name and a command "
        "(docs/decisions-and-audit.md). In the file only.",
        example=("[[evidence.exec]]", 'name = "bmc"', 'command = ["/usr/local/bin/ask-bmc"]', 'limit = "5s"'),
    ),
    Setting(
        "rules",
        Kind.RULES,
        (),
        "Machines that are let in without a person, as [[rules]] (docs/decisions-and-audit.md); none by default. "
        "In the file only.",
        example=(
            "[[rules]]",
            'name = "fra-workers"',
            'select = "role=worker,site=fra"',
            'networks = ["fra-rack4"]',
            'evidence = ["network", "inventory", "history"]',
        ),
    ),
)
