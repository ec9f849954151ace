"""``[[notify]]`` of bootgrant.toml: whom to tell that machines wait, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from bootgrant.approval.policy import BadSelector, parse_selector
from bootgrant.messengers.email import Email, Security
from bootgrant.messengers.ntfy import Ntfy
from bootgrant.messengers.posting import Address
from bootgrant.messengers.slack import Slack
from bootgrant.messengers.teams import Teams
from bootgrant.messengers.webhook import Webhook
from bootgrant.ports.notifications import Messenger, Notice
from bootgrant.service.settings.rows import SHORTEST_SECRET, Row, refuse_unknown, rows_of, secret, text, texts
from bootgrant.service.system import SystemClock
from bootgrant.wire.secret import Secret
from bootgrant.workflows.record.notify_waiting import Target, in_words

_EVERYWHERE: Final = frozenset({"kind", "name", "selectors", "template"})
_WEB: Final = frozenset({"url", "url_file"})
_KEYS: Final[Mapping[str, frozenset[str]]] = {
    "webhook": _WEB | {"secret_file"},
    "slack": _WEB,
    "teams": _WEB,
    "ntfy": _WEB | {"token_file"},
    "smtp": frozenset({"host", "port", "security", "from", "to", "user", "password_file"}),
}
_PORTS: Final = {Security.STARTTLS: 587, Security.TLS: 465, Security.NONE: 25}


def parse_notify(value: object, base: Path) -> tuple[Target, ...]:
    """The targets; files are below ``base`` unless absolute. Raises ValueError; no secret is repeated in it."""
    targets = [_target(row, base) for row in rows_of(value, "write each as [[notify]] with a kind")]
    names = [target.name for target in targets]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two of [[notify]] are called {name!r}: give each a name")
    return tuple(targets)


def _target(row: Row, base: Path) -> Target:
    kind = str(row.get("kind", ""))
    if kind not in _KEYS:
        raise ValueError(f"each of [[notify]] has a kind: {', '.join(_KEYS)}")
    name = text(row, "name", kind)
    try:
        refuse_unknown(row, _EVERYWHERE | _KEYS[kind], f"a {kind}")
        selectors = tuple(parse_selector(one) for one in texts(row, "selectors"))
        return Target(name, _messenger(kind, row, base), _wording(row, base), selectors)
    except (ValueError, BadSelector) as error:
        raise ValueError(f"{name}: {error}") from None


def _messenger(kind: str, row: Row, base: Path) -> Messenger:
    match kind:
        case "webhook":
            return Webhook(
                _address(row, base), secret(row, "secret_file", base, shortest=SHORTEST_SECRET), SystemClock().now
            )
        case "slack":
            return Slack(_address(row, base))
        case "teams":
            return Teams(_address(row, base))
        case "ntfy":
            return _ntfy(row, base)
        case _:
            return _email(row, base)


def _ntfy(row: Row, base: Path) -> Ntfy:
    address = _address(row, base)
    parts = urlsplit(address.url.reveal())
    head, _, topic = parts.path.rpartition("/")
    if not topic:
        raise ValueError('the url ends in the topic: "https://ntfy.example.org/bootgrant"')
    token = secret(row, "token_file", base) if "token_file" in row else None
    return Ntfy(Address(Secret(f"{parts.scheme}://{parts.netloc}{head}/")), topic, token)


def _email(row: Row, base: Path) -> Email:
    try:
        security = Security(row.get("security", "starttls"))
    except ValueError:
        raise ValueError('security is "starttls", "tls" or "none"') from None
    port = row.get("port", _PORTS[security])
    if not isinstance(port, int) or not 0 < port < 65536:
        raise ValueError("port is a number from 1 to 65535")
    to = texts(row, "to")
    if not to:
        raise ValueError('to is missing: ["night@example.org"]')
    for address in (*to, sender := text(row, "from")):
        if "@" not in address or any(c in address for c in "\r\n,"):
            raise ValueError(f"{address!r} is no mail address")
    user = text(row, "user", "") if "user" in row else ""
    password = secret(row, "password_file", base) if "password_file" in row else None
    if bool(user) is not bool(password):
        raise ValueError("user and password_file belong together: set both, or none")
    if user and security is Security.NONE:
        raise ValueError('a password would go over the wire in clear: security = "starttls" or "tls"')
    return Email(text(row, "host"), port, security, sender, to, user, password)


def _address(row: Row, base: Path) -> Address:
    if ("url" in row) is ("url_file" in row):
        raise ValueError("set url, or url_file (its first line is the URL) where the URL is a secret; one of them")
    url = secret(row, "url_file", base) if "url_file" in row else Secret(text(row, "url"))
    parts = urlsplit(url.reveal())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("the url is no http or https URL")
    return Address(url)


def _wording(row: Row, base: Path) -> Callable[[Notice], str]:
    """The words of a message: ours, or a template of the site (Jinja2, sandboxed)."""
    if "template" not in row:
        return in_words
    from jinja2 import StrictUndefined, TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    path = base / Path(text(row, "template")).expanduser()
    example = Notice("msg_example", 0.0, "https://boot.example.org/", 0, is_test=True)
    try:
        environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
        template = environment.from_string(path.read_text("utf-8"))
        template.render(notice=example)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"the template {path} cannot be read: {error}") from None
    except TemplateError as error:
        raise ValueError(f"the template {path} cannot be used: {error}") from None
    return lambda notice: template.render(notice=notice)
