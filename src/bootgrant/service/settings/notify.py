"""``[[notify]]``: where to send a notification when machines are waiting.

Every function raises ValueError for a value it cannot use, and repeats no secret in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from bootgrant.approval.policy import parse_selector
from bootgrant.messengers.email import Email, Security
from bootgrant.messengers.ntfy import Ntfy
from bootgrant.messengers.posting import Address
from bootgrant.messengers.slack import Slack
from bootgrant.messengers.teams import Teams
from bootgrant.messengers.webhook import Webhook
from bootgrant.ports.notifications import Messenger, Notice
from bootgrant.service.settings.tables import SHORTEST_SECRET, Row, rows_of
from bootgrant.service.system import SystemClock
from bootgrant.wire.secret import Secret
from bootgrant.workflows.record.notify_waiting import Target, in_words

_EVERYWHERE: Final = ("kind", "name", "selectors", "template")
_WEB: Final = (*_EVERYWHERE, "url", "url_file")
_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "webhook": (*_WEB, "secret_file"),
    "slack": _WEB,
    "teams": _WEB,
    "ntfy": (*_WEB, "token_file"),
    "smtp": (*_EVERYWHERE, "host", "port", "security", "from", "to", "user", "password_file"),
}
_PORTS: Final = {Security.STARTTLS: 587, Security.TLS: 465, Security.NONE: 25}


def parse_notify(value: object, base: Path) -> tuple[Target, ...]:
    """``[[notify]]``."""
    targets = tuple(_target(row) for row in rows_of(value, "notify", base))
    names = [target.name for target in targets]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"two [[notify]] tables are called {twice!r}: give each a name")
    return targets


def _target(row: Row) -> Target:
    kind = row.cells.get("kind")
    if not isinstance(kind, str) or kind not in _KEYS:
        raise ValueError(f"each [[notify]] needs a kind: {', '.join(_KEYS)}")
    name = row.text("name", kind)
    try:
        row.allow(_KEYS[kind])
        selectors = tuple(parse_selector(selector) for selector in row.texts("selectors"))
        return Target(name, _messenger(kind, row), _wording(row), selectors)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _messenger(kind: str, row: Row) -> Messenger:
    match kind:
        case "webhook":
            return Webhook(_address(row), row.secret("secret_file", shortest=SHORTEST_SECRET), SystemClock().now)
        case "slack":
            return Slack(_address(row))
        case "teams":
            return Teams(_address(row))
        case "ntfy":
            return _ntfy(row)
        case _:
            return _email(row)


def _ntfy(row: Row) -> Ntfy:
    parts = urlsplit(_address(row).url.reveal())
    head, _, topic = parts.path.rpartition("/")
    if not topic:
        raise ValueError('the url must end in the topic: "https://ntfy.example.org/bootgrant"')
    token = row.secret("token_file") if "token_file" in row else None
    return Ntfy(Address(Secret(f"{parts.scheme}://{parts.netloc}{head}/")), topic, token)


def _email(row: Row) -> Email:
    security = row.one_of("security", Security, Security.STARTTLS)
    port = row.cells.get("port", _PORTS[security])
    if not isinstance(port, int) or not 0 < port < 65536:
        raise ValueError("port: expected a number from 1 to 65535")
    to, sender = row.texts("to"), row.text("from")
    if not to:
        raise ValueError('to is missing: write a list of addresses, such as ["night@example.org"]')
    for address in (*to, sender):
        if "@" not in address or any(c in address for c in "\r\n,"):
            raise ValueError(f"{address!r} is not an e-mail address")
    user = row.text("user") if "user" in row else ""
    password = row.secret("password_file") if "password_file" in row else None
    if bool(user) is not bool(password):
        raise ValueError("set user and password_file, or neither")
    if user and security is Security.NONE:
        raise ValueError('the password would be sent unencrypted: set security = "starttls" or "tls"')
    return Email(row.text("host"), port, security, sender, to, user, password)


def _address(row: Row) -> Address:
    if ("url" in row) is ("url_file" in row):
        raise ValueError("set either url, or url_file (a file whose first line is the URL) if the URL is a secret")
    url = row.secret("url_file") if "url_file" in row else Secret(row.text("url"))
    parts = urlsplit(url.reveal())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("the url is not an http or https URL")
    return Address(url)


def _wording(row: Row) -> Callable[[Notice], str]:
    """The text of a message: the built-in one, or a template of the site (Jinja2, sandboxed)."""
    if "template" not in row:
        return in_words
    from jinja2 import StrictUndefined, TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    path = row.file("template")
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
