"""Reading ``bootgrant.toml``: the file, overruled by ``BOOTGRANT_…``, overruled by flags. Unknown keys are errors."""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, urlsplit

from bootgrant.approval.grant import GrantRules
from bootgrant.machine_plane.clients import Client
from bootgrant.operator_plane.shown_setting import ShownSetting
from bootgrant.service.logs import LogFormat
from bootgrant.service.settings.error import SettingsError
from bootgrant.service.settings.machines import MachineSettings, machine_settings
from bootgrant.service.settings.people import PeopleSettings, oidc, people_settings, second_factor
from bootgrant.service.settings.policy import PolicySettings, parse_commands, parse_names, parse_rules
from bootgrant.service.settings.rows import SHORTEST_SECRET, Row, flag, secret, text
from bootgrant.service.settings.shown import shown_settings
from bootgrant.service.settings.table import SETTINGS, Kind, Setting
from bootgrant.wire.secret import Secret

if TYPE_CHECKING:
    from bootgrant.providers.settings import ProviderSettings
    from bootgrant.workflows.record.notify_waiting import Target

__all__ = ["Network", "SettingsError", "SharedDatabase", "Site", "TlsFiles", "load_site"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_CLIENT_KEYS = frozenset({"id", "secret_file", "any_token"})
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """A certificate chain and its key, both PEM."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class SharedDatabase:
    """A PostgreSQL database, as ``database.url`` and its neighbours say."""

    url: Secret
    password_file: Path | None
    connections: int


@dataclass(frozen=True, slots=True)
class Site:
    """The settings of one server. Paths are absolute, times are seconds. Without ``database``: SQLite in ``data``."""

    public_url: str
    listen: tuple[str, int]
    data: Path
    machines: Path
    machine_settings: MachineSettings
    code_key_file: Path
    database: SharedDatabase | None
    rules: GrantRules
    kept: float
    pending_per_address: int
    pending_in_all: int
    machine_networks: tuple[Network, ...]
    metrics_networks: tuple[Network, ...]
    trusted_proxies: tuple[Network, ...]
    operators_url: str
    operators_listen: tuple[str, int] | None
    confirm_suffix: bool
    people: PeopleSettings
    tls: TlsFiles | None
    clients: Mapping[str, Client]
    notify: tuple[Target, ...]
    providers: tuple[ProviderSettings, ...]
    log_format: LogFormat
    policy: PolicySettings
    shown: tuple[ShownSetting, ...] = field(default=(), compare=False)


def load_site(
    config: Path, environment: Mapping[str, str] | None = None, flags: Mapping[str, str] | None = None
) -> Site:
    """The site that ``config`` describes. ``flags`` maps keys of the table to texts. Raises SettingsError."""
    values = _read_file(config)
    for setting in SETTINGS:
        text = (environment or {}).get(setting.environment)
        if text is not None:
            values[setting.key] = (_split(setting, text), setting.environment)
        if flags and setting.key in flags:
            values[setting.key] = (_split(setting, flags[setting.key]), setting.flag)
    return _build(values, config.absolute().parent)


def _split(setting: Setting, text: str) -> object:
    if setting.kind not in (Kind.NETWORKS, Kind.CLIENTS, Kind.TEXTS):
        return text
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return [{"id": part} for part in parts] if setting.kind is Kind.CLIENTS else parts


def _read_file(config: Path) -> dict[str, tuple[object, str]]:
    try:
        table = tomllib.loads(config.read_text("utf-8"))
    except FileNotFoundError:
        raise SettingsError(
            f"{config} is not there: make a site with `bootgrant init DIR`, or name it with --config"
        ) from None
    except OSError as error:
        raise SettingsError(f"{config} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{config} is not TOML: {error}") from error
    found: dict[str, tuple[object, str]] = {}
    for key, value in _flatten(table):
        found[key] = (value, f"{config}: {key}")
    known = {setting.key for setting in SETTINGS}
    for key in found:
        if key not in known:
            near = ", ".join(sorted(known))
            raise SettingsError(f"{config}: there is no setting {key!r}; the settings are: {near}")
    return found


def _flatten(table: Mapping[str, Any]) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    for key, value in table.items():
        if isinstance(value, dict):
            rows += [(f"{key}.{name}", inner) for name, inner in value.items()]
        else:
            rows.append((key, value))
    return rows


def _build(values: Mapping[str, tuple[object, str]], base: Path) -> Site:
    parsed: dict[str, Any] = {}
    for setting in SETTINGS:
        value, where = values.get(setting.key, (setting.default, setting.key))
        if value is None:
            raise SettingsError(f"{setting.key} is missing: {setting.help}")
        try:
            parsed[setting.key] = _parse(setting.kind, value, base)
        except ValueError as error:
            raise SettingsError(f"{where}: {error}") from None
    rules = GrantRules(**{rule.name: parsed[f"grants.{rule.name}"] for rule in fields(GrantRules)})
    _check(rules)
    if parsed["operators.listen"] == parsed["listen"]:
        raise SettingsError("operators.listen is the same as listen: leave it out, or name another port")
    return Site(
        public_url=parsed["public_url"],
        listen=parsed["listen"],
        data=parsed["data"],
        machines=parsed["machines"],
        machine_settings=_machine_settings(parsed),
        code_key_file=parsed["code_key_file"] or parsed["data"] / "code.key",
        database=_database(parsed["database.url"], parsed["database.password_file"], parsed["database.connections"]),
        rules=rules,
        kept=parsed["grants.kept"],
        pending_per_address=parsed["limits.pending_per_address"],
        pending_in_all=parsed["limits.pending"],
        machine_networks=parsed["networks.machines"],
        metrics_networks=parsed["networks.metrics"],
        trusted_proxies=parsed["networks.trusted_proxies"],
        operators_url=parsed["operators.public_url"] or parsed["public_url"],
        operators_listen=parsed["operators.listen"],
        confirm_suffix=parsed["operators.confirm"],
        people=people_settings(parsed, parsed["operators.public_url"] or parsed["public_url"]),
        tls=_tls(parsed["tls.certificate"], parsed["tls.key"]),
        clients=parsed["clients"],
        notify=parsed["notify"],
        providers=parsed["providers"],
        log_format=parsed["log.format"],
        shown=shown_settings(values),
        policy=_policy(parsed, values),
    )


def _machine_settings(parsed: Mapping[str, Any]) -> MachineSettings:
    try:
        return machine_settings(parsed)
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _policy(parsed: Mapping[str, Any], values: Mapping[str, tuple[object, str]]) -> PolicySettings:
    """Rules name networks and evidence, so they are read last."""
    key = "networks.names"
    try:
        policy = PolicySettings(parse_names(parsed[key]))
        key = "evidence.exec"
        policy = replace(policy, commands=parse_commands(parsed[key], lambda text: _duration(_text(text))))
        key = "rules"
        return replace(policy, rules=parse_rules(parsed[key], policy))
    except ValueError as error:
        raise SettingsError(f"{values[key][1]}: {error}") from None


def _check(rules: GrantRules) -> None:
    if rules.lifetime < 1:
        raise SettingsError('grants.lifetime: a code must live at least "1s"')
    if rules.interval < 1 or rules.interval != round(rules.interval):
        raise SettingsError('grants.interval: whole seconds, at least "1s" (RFC 8628 section 3.2)')
    if rules.denial_cooldown > 86400:
        raise SettingsError('grants.denial_cooldown: at most "24h"')
    if rules.token_lifetime < 60:
        raise SettingsError('grants.token_lifetime: at least "60s", or a machine cannot use its token')


def _parse(kind: Kind, value: object, base: Path) -> object:
    if kind.value.endswith("or nothing") and not value:
        return None
    return _PARSERS[kind](value, base)


def _notify(value: object, base: Path) -> tuple[Target, ...]:
    """What sends messages is imported where somebody is to be told: every command reads the settings."""
    if value in ([], ()):
        return ()
    from bootgrant.service.settings.notify import parse_notify

    return parse_notify(value, base)


def _providers(value: object, base: Path) -> tuple[ProviderSettings, ...]:
    """Imported where there are providers, as above."""
    if value in ([], ()):
        return ()
    from bootgrant.service.settings.providers import parse_providers

    return parse_providers(value, base, _duration)


def _log_format(value: object) -> LogFormat:
    try:
        return LogFormat(value)
    except ValueError:
        raise ValueError(f'{value!r} is no form of the log; write "text" or "json"') from None


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"expected a text, found {value!r}")
    return value


def _clients(value: object, base: Path) -> Mapping[str, Client]:
    """``[[clients]]``. What stands there beside the known keys may be a secret: it is not repeated."""
    rows = [{"id": row} if isinstance(row, str) else row for row in value] if isinstance(value, (list, tuple)) else []
    if not rows or not all(isinstance(row, dict) and "id" in row and set(row) <= _CLIENT_KEYS for row in rows):
        raise ValueError("each of [[clients]] has an id, perhaps a secret_file and any_token, and nothing else")
    clients = [_client(row, base) for row in rows]
    if len({client.client_id for client in clients}) != len(clients):
        raise ValueError("two clients have the same id")
    return {client.client_id: client for client in clients}


def _client(row: Row, base: Path) -> Client:
    shared = secret(row, "secret_file", base, shortest=SHORTEST_SECRET) if "secret_file" in row else None
    return Client(text(row, "id"), shared, flag(row, "any_token"))


def _database_url(value: object) -> Secret | None:
    """There may be a password in it: no piece of it is repeated."""
    if value == "sqlite":
        return None
    if not isinstance(value, str) or not value.startswith(("postgresql://", "postgres://")):
        raise ValueError('neither "sqlite" nor a URL such as "postgresql://user@host:5432/database"')
    return Secret(value)


def _database(url: Secret | None, password_file: Path | None, connections: int) -> SharedDatabase | None:
    return None if url is None else SharedDatabase(url, password_file, connections)


def _tls(certificate: Path | None, key: Path | None) -> TlsFiles | None:
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise SettingsError("tls.certificate and tls.key belong together: set both, or none")
    return TlsFiles(certificate, key)


def _confirm(value: object) -> bool:
    if value not in ("suffix", "button"):
        raise ValueError(f'expected "suffix" or "button", found {value!r}')
    return value == "suffix"


def _count(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"expected a whole number from 1, found {value!r}")
    return value


def _texts(value: object) -> list[str]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) and item for item in value):
        raise ValueError(f"expected a list of texts, found {value!r}")
    return list(value)


def _duration(text: str) -> float:
    if not _DURATION.fullmatch(text):
        raise ValueError(f'{text!r} is no duration; write "90s", "10m", "4h" or "1h30m"')
    return sum(float(count) * _UNITS[unit] for count, unit in _DURATION_PART.findall(text))


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no network ({error}); write 10.20.0.0/16 or fd00::/8") from None


def _listen(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise ValueError(f'{text!r} is no address and port; write "127.0.0.1:8080", "[::]:8080" or "0.0.0.0:8080"')
    return host.strip("[]"), int(port)


def _public_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or " " in parts.netloc or not _has_port(parts):
        raise ValueError(f'{text!r} is no URL of a server; write "https://boot.example.org" (scheme and host)')
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username is not None:
        raise ValueError(f"{text!r} must be a scheme, a host and perhaps a port, nothing behind it")
    return f"{parts.scheme}://{parts.netloc}"


def _has_port(parts: SplitResult) -> bool:
    """Whether its port is none or a possible one."""
    try:
        return parts.port != 0
    except ValueError:
        return False


def _file(value: object, base: Path) -> Path:
    return base / Path(_text(value)).expanduser()


_PARSERS: Final[Mapping[Kind, Callable[[object, Path], object]]] = {
    Kind.NETWORKS: lambda value, _: tuple(_network(text) for text in _texts(value)),
    Kind.TEXTS: lambda value, _: tuple(_texts(value)),
    Kind.COUNT: lambda value, _: _count(value),
    Kind.CLIENTS: _clients,
    Kind.NOTIFY: _notify,
    Kind.PROVIDERS: _providers,
    Kind.LOG_FORMAT: lambda value, _: _log_format(value),
    Kind.OIDC: oidc,
    Kind.SECOND_FACTOR: lambda value, _: second_factor(value),
    Kind.DATABASE: lambda value, _: _database_url(value),
    Kind.CONFIRM: lambda value, _: _confirm(value),
    Kind.OPTIONAL_TEXT: lambda value, _: _text(value),
    Kind.URL: lambda value, _: _public_url(_text(value)),
    Kind.OPTIONAL_URL: lambda value, _: _public_url(_text(value)),
    Kind.LISTEN: lambda value, _: _listen(_text(value)),
    Kind.OPTIONAL_LISTEN: lambda value, _: _listen(_text(value)),
    Kind.FOLDER: _file,
    Kind.OPTIONAL_FILE: _file,
    Kind.DURATION: lambda value, _: _duration(_text(value)),
    Kind.NAMED_NETWORKS: lambda value, _: value,
    Kind.EVIDENCE_COMMANDS: lambda value, _: value,
    Kind.RULES: lambda value, _: value,
}
