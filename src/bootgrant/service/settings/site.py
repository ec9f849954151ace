"""The settings of a site: the sections of ``bootgrant.toml``, the keys that are in no section, and reading them all.

Nothing but a field of ``Site`` or of a section names a setting. Errors, environment variables, flags of ``serve``,
``docs/settings.md``, the file that ``bootgrant init`` writes and the settings page all follow from these fields.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bootgrant.approval.policy import Rule, Vocabulary
from bootgrant.machine_plane.clients import Client
from bootgrant.operator_plane.shown_setting import ShownSetting
from bootgrant.service.settings import approval, forms, sections
from bootgrant.service.settings.audit import Audit
from bootgrant.service.settings.forms import OPTIONAL_FILE, one_of
from bootgrant.service.settings.push import Push
from bootgrant.service.settings.setting import (
    BadSetting,
    Form,
    Setting,
    SettingsError,
    all_sections,
    all_settings,
    as_written,
    did_you_mean,
    read,
    setting,
    table_of,
    tables,
)
from bootgrant.service.settings.summaries import summary_of
from bootgrant.service.settings.tls import Tls, certificate_hosts, is_plain_http
from bootgrant.wire.origin import has_passkeys
from bootgrant.workflows.people.sign_in_rules import SecondFactor

if TYPE_CHECKING:
    from bootgrant.providers.settings import SignInProvider, TokenProvider
    from bootgrant.workflows.record.notify_waiting import Target


__all__ = ["SETTINGS", "SettingsError", "Site", "load_site"]

# Every command reads the settings, so what only some sites need is imported only where they have it.


def _oidc(value: object, base: Path) -> tuple[SignInProvider, ...]:
    from bootgrant.service.settings.providers import OIDC

    return OIDC.parse(value, base)


def _providers(value: object, base: Path) -> tuple[TokenProvider, ...]:
    from bootgrant.service.settings.providers import parse_providers

    return parse_providers(value, base)


def _notify(value: object, base: Path) -> tuple[Target, ...]:
    from bootgrant.service.settings.notify import parse_notify

    return parse_notify(value, base)


_OIDC_SUMMARY: Final = summary_of(
    "id", "label", "issuer", "client_id", "scopes", "groups_claim", "role_grace", "check_every", "roles", "group",
    "claim", "value", "role", "labels",
)  # fmt: skip
_PROVIDERS_SUMMARY: Final = summary_of(
    "name", "issuer", "check", "audiences", "scopes", "client_ids", "algorithms", "id_token", "client_id", "rules",
    "claims", "select", "control_plane",
)  # fmt: skip
_RULES_SUMMARY: Final = summary_of("name", "select", "networks", "evidence")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The settings of one server. Paths are absolute, times are seconds."""

    public_url: str = setting(
        forms.SERVER_URL,
        None,
        "Where machines and people reach this server. The verification URL and the QR code are built from it, never "
        "from the Host header.",
        flag="--public-url",
    )
    insecure_http: bool | None = setting(
        forms.optional(forms.SWITCH),
        "",
        "`true`: this site may use plain HTTP at another address than loopback, although anyone on the network path "
        "can then read passwords, tokens and configurations. `false`: the server does not start with such a URL. "
        "Empty, as in a site from before 0.2.0: it starts, with a warning (docs/https.md).",
    )
    listen: tuple[str, int] = setting(forms.LISTEN, "127.0.0.1:8080", "Address and port to listen on.", flag="--listen")
    data: Path = setting(
        forms.FOLDER, "data", "Database, keys and admin.sock; only the server can read it.", flag="--data"
    )
    machines: Path = setting(forms.FOLDER, "machines", "The machine configurations.", flag="--machines")
    composer: sections.Composer = setting(
        one_of(sections.Composer),
        "bootgrant",
        "What merges the layers of a Talos configuration: `bootgrant` itself, or the installed `talosctl`.",
    )
    schema_file: Path | None = setting(
        OPTIONAL_FILE,
        "",
        "The JSON Schema of your Talos version (config.schema.json). Configurations are validated against it before "
        "they are served.",
    )
    code_key_file: Path | None = setting(
        OPTIONAL_FILE,
        "",
        "The key that user codes are made with. Empty: code.key in `data`, created if it is missing. Servers that "
        "share a database share this key.",
    )
    site: sections.SiteLook = field(default_factory=sections.SiteLook)
    push: Push = field(default_factory=Push)
    database: sections.Database = field(default_factory=sections.Database)
    operators: sections.Operators = field(default_factory=sections.Operators)
    oidc: tuple[SignInProvider, ...] = setting(
        replace(tables(_oidc), summary=_OIDC_SUMMARY),
        (),
        "OpenID providers whose people may sign in, each as [[oidc]] (docs/sign-in.md).",
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
    )
    grants: sections.Grants = field(default_factory=sections.Grants)
    limits: sections.Limits = field(default_factory=sections.Limits)
    networks: sections.Networks = field(default_factory=sections.Networks)
    git: sections.Git = field(default_factory=sections.Git)
    secrets: sections.Secrets = field(default_factory=sections.Secrets)
    tls: Tls = field(default_factory=Tls)
    log: sections.Log = field(default_factory=sections.Log)
    audit: Audit = field(default_factory=Audit)
    notify: tuple[Target, ...] = setting(
        tables(_notify),
        (),
        "Where to send a notification when machines are waiting, each as [[notify]]: webhook, e-mail, Slack, Teams or "
        "ntfy (docs/notifications.md).",
        example=("[[notify]]", 'kind = "ntfy"', 'url = "https://ntfy.example.org/bootgrant"'),
    )
    providers: tuple[TokenProvider, ...] = setting(
        replace(tables(_providers), summary=_PROVIDERS_SUMMARY),
        (),
        "Outside identity providers whose tokens are accepted at /config, each as [[providers]] with "
        "[[providers.rules]] that say which entries a token may fetch (docs/providers.md).",
        example=(
            "[[providers]]",
            'name = "corp"',
            'issuer = "https://idp.example.org"',
            'audiences = ["bootgrant"]',
            "[[providers.rules]]",
            'claims = {groups = "platform"}',
            'select = ["role=worker"]',
        ),
    )
    clients: Mapping[str, Client] = setting(
        Form("list of tables or ids", sections.parse_clients, sections.show_clients, is_list=True),
        ("talos",),
        "The OAuth clients, each as [[clients]] with an id. Machines need no secret. A client with a secret_file (its "
        "first line is the secret) must authenticate at /token, and may call /introspect, and /revoke for its own "
        "tokens; with any_token = true for the tokens of every client.",
        example=("[[clients]]", 'id = "talos"'),
    )
    evidence: approval.Evidence = field(default_factory=approval.Evidence)
    rules: tuple[approval.WrittenRule, ...] = setting(
        replace(table_of(approval.WrittenRule, "rules", lambda rule: rule), summary=_RULES_SUMMARY),
        (),
        "Machines that are approved without an operator, each as [[rules]] (docs/decisions-and-audit.md); none by "
        "default.",
        example=(
            "[[rules]]",
            'name = "fra-workers"',
            'select = "role=worker,site=fra"',
            'networks = ["fra-rack4"]',
            'evidence = ["network", "inventory", "history"]',
        ),
    )
    shown: tuple[ShownSetting, ...] = field(default=(), compare=False)

    @property
    def name(self) -> str:
        """What people call this site: ``site.name``, or the host name of the pages."""
        return self.site.name or urlsplit(self.operators_url).hostname or ""

    @property
    def operators_url(self) -> str:
        """Where people reach the pages."""
        return self.operators.public_url or self.public_url

    @property
    def code_key_path(self) -> Path:
        """The file of the key that user codes are made with."""
        return self.code_key_file or self.data / "code.key"

    @property
    def machine_settings(self) -> sections.MachineSettings:
        """How the machine configurations are made."""
        return sections.MachineSettings(self.composer, self.schema_file, self.git, self.secrets, self.limits.entry)

    @property
    def vocabulary(self) -> Vocabulary:
        """The names that rules and armed windows may use."""
        return Vocabulary(self.networks.names, frozenset(command.name for command in self.evidence.exec))

    @property
    def certificate_hosts(self) -> tuple[str, ...]:
        """The host names and addresses that a certificate of this server's own must be valid for."""
        return certificate_hosts((self.public_url, self.operators_url), self.tls.hosts)

    @property
    def plain_http(self) -> tuple[str, ...]:
        """The URLs of this site that are plain HTTP at another address than loopback."""
        return tuple(dict.fromkeys(filter(is_plain_http, (self.public_url, self.operators_url))))

    def approval_rules(self) -> tuple[Rule, ...]:
        """``rules`` with their names resolved. Raises ValueError for a name that is not defined."""
        return tuple(rule.rule(self.vocabulary) for rule in self.rules)

    def check(self) -> None:
        """Check that the settings fit together. Raises BadSetting."""
        if self.operators.listen == self.listen:
            raise BadSetting("operators.listen", "it is the same as listen; leave it empty, or use another port")
        self.tls.check((self.public_url, self.operators_url))
        if self.plain_http and self.insecure_http is False:
            raise BadSetting(
                "insecure_http",
                f"{self.plain_http[0]} is plain HTTP, so anyone on the network path could read passwords, tokens and "
                "configurations. Use HTTPS (docs/https.md), or set insecure_http = true",
            )
        if self.secrets.age_identity_file and self.secrets.age_identity_command:
            raise BadSetting("secrets.age_identity_command", "secrets.age_identity_file is set too; set only one")
        if self.operators.second_factor is SecondFactor.REQUIRED and not has_passkeys(self.operators_url):
            raise BadSetting(
                "operators.second_factor",
                '"required" needs passkeys, which browsers support only at an https address with a host name, or at '
                f"http://localhost; {self.operators_url} is neither",
            )
        try:
            self.approval_rules()
        except ValueError as error:
            raise BadSetting("rules", str(error)) from None


SETTINGS: Final = tuple(all_settings(Site))
_SECTIONS: Final = frozenset(all_sections(Site))


def load_site(
    config: Path, environment: Mapping[str, str] | None = None, flags: Mapping[str, str] | None = None
) -> Site:
    """Return the site that ``config`` describes. ``flags`` maps keys to values. Raises SettingsError."""
    written = _read_file(config)
    places = {key: f"{config}: {key}" for key in written}
    for each in SETTINGS:
        for place, given in (
            (each.environment, (environment or {}).get(each.environment)),
            (each.flag, (flags or {}).get(each.key)),
        ):
            if given is not None and each.form.file_only:
                raise SettingsError(f"{place}: {each.key} can only be set in {config}")
            if given is not None:
                items = [part.strip() for part in given.split(",") if part.strip()]
                written[each.key], places[each.key] = items if each.form.is_list else given, place
    try:
        site = read(Site, written, config.absolute().parent)
        site.check()
    except BadSetting as bad:
        raise SettingsError(f"{places.get(bad.key, bad.key)}: {bad.problem}") from None
    return replace(site, shown=tuple(_shown(each, written) for each in SETTINGS))


def _read_file(config: Path) -> dict[str, object]:
    try:
        table = tomllib.loads(config.read_text("utf-8"))
    except FileNotFoundError:
        folder = config.parent if config.is_absolute() else "DIR"
        raise SettingsError(
            f"{config} does not exist: create a site with `bootgrant init {folder}`, or name its file with --config"
        ) from None
    except OSError as error:
        raise SettingsError(f"{config} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise SettingsError(f"{config} is not TOML: it is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{config} is not TOML: {error}") from error
    found = _flatten(table)
    known = [each.key for each in SETTINGS]
    for key in found:
        if key not in known:
            raise SettingsError(f"{config}: there is no setting {key!r}{did_you_mean(key, known)}")
    return found


def _flatten(table: Mapping[str, object], section: str = "") -> dict[str, object]:
    """The values by their keys: a key in a section is ``section.key``."""
    found: dict[str, object] = {}
    for name, value in table.items():
        key = f"{section}.{name}" if section else name
        is_section = isinstance(value, dict) and (not section or key in _SECTIONS)
        found |= _flatten(value, key) if is_section and isinstance(value, dict) else {key: value}
    return found


def _shown(row: Setting, written: Mapping[str, object]) -> ShownSetting:
    """The setting as the pages show it. A value that may hold a secret is hidden, unless it is the default."""
    value = written.get(row.key, row.default)
    value = tuple(value) if isinstance(value, list) else value
    is_default = value == row.default
    show = row.form.show or (as_written if is_default or not value else None)
    summary = row.form.summary(value) if row.form.summary and value else ""
    return ShownSetting(row.key, show(value) if show and value else "", row.help, is_default, show is None, summary)
