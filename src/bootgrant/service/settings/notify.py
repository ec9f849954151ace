"""``[[notify]]``: where to send a notification when machines are waiting."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from bootgrant.approval.policy import Selector
from bootgrant.messengers.chat import Ntfy, Slack, Teams
from bootgrant.messengers.email import Email, Security
from bootgrant.messengers.posting import Address
from bootgrant.messengers.webhook import Webhook
from bootgrant.ports.notifications import Messenger, Notice
from bootgrant.service.settings import forms
from bootgrant.service.settings.forms import FILE, SELECTORS, SHORTEST_SECRET, TEXT, hidden, if_given, one_of, secret
from bootgrant.service.settings.posting import posting_address
from bootgrant.service.settings.setting import read_row, rows_of, setting
from bootgrant.service.system import SystemClock
from bootgrant.wire.secret import Secret
from bootgrant.workflows.record.notify_waiting import Target, plain_text

_PORTS: Final = {Security.STARTTLS: 587, Security.TLS: 465, Security.NONE: 25}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """What every target has."""

    kind: str = setting(TEXT)
    name: str | None = setting(if_given(TEXT), ())
    selectors: tuple[Selector, ...] = setting(SELECTORS, ())
    template: Path | None = setting(if_given(FILE), ())

    @abstractmethod
    def messenger(self) -> Messenger:
        """What sends its messages."""

    def target(self) -> Target:
        """The target."""
        wording = plain_text if self.template is None else _template(self.template)
        return Target(self.name or self.kind, self.messenger(), wording, self.selectors)


def _template(path: Path) -> Callable[[Notice], str]:
    """The wording of a site: a Jinja2 template in a sandbox."""
    from jinja2 import StrictUndefined, TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    example = Notice("msg_example", 0.0, "https://boot.example.org/", 0, is_test=True)
    try:
        environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
        template = environment.from_string(path.read_text("utf-8"))
        template.render(notice=example)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"template: {path} cannot be read: {forms.unreadable(error)}") from None
    except TemplateError as error:
        raise ValueError(f"template: {path} cannot be used: {error}") from None
    return lambda notice: template.render(notice=notice)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Web(_Target):
    url: str | None = setting(if_given(TEXT), ())
    url_file: Secret | None = setting(if_given(secret()), ())

    def address(self) -> Address:
        """Where to post. The error does not repeat the URL, which may hold a secret."""
        return posting_address(self.url, self.url_file)

    def messenger(self) -> Messenger:
        return Slack(self.address()) if self.kind == "slack" else Teams(self.address())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Webhook(_Web):
    secret_file: Secret = setting(secret(SHORTEST_SECRET))

    def messenger(self) -> Messenger:
        return Webhook(self.address(), self.secret_file, SystemClock().now)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ntfy(_Web):
    token_file: Secret | None = setting(if_given(secret()), ())

    def messenger(self) -> Messenger:
        parts = urlsplit(self.address().url.reveal())
        head, _, topic = parts.path.rpartition("/")
        if not topic:
            raise ValueError('the url must end in the topic: "https://ntfy.example.org/bootgrant"')
        return Ntfy(Address(Secret(f"{parts.scheme}://{parts.netloc}{head}/")), topic, self.token_file)


def _mail_host(value: object) -> str:
    """A host name, which errors repeat: a URL with a password must not be one."""
    host = forms.text(value)
    if any(c in "/@ " or not c.isprintable() for c in host):
        raise ValueError('the host is not a host name: write "mail.example.org"; user and password_file have their own')
    return host


def _mailbox(value: object) -> str:
    address = forms.text(value)
    if "@" not in address or any(c in address for c in "\r\n,"):
        raise ValueError(f"{address!r} is not an e-mail address")
    return address


@dataclass(frozen=True, slots=True, kw_only=True)
class _Smtp(_Target):
    host: str = setting(hidden("host", _mail_host))
    port: int | None = setting(if_given(forms.PORT), ())
    security: Security = setting(one_of(Security), "starttls")
    sender: str = setting(hidden("address", _mailbox), name="from")
    to: tuple[str, ...] = setting(forms.one_or_more(_mailbox))
    user: str | None = setting(if_given(TEXT), ())
    password_file: Secret | None = setting(if_given(secret()), ())

    def messenger(self) -> Messenger:
        if not self.to:
            raise ValueError('to is empty: write a list of addresses, such as ["night@example.org"]')
        if bool(self.user) is not bool(self.password_file):
            raise ValueError("set user and password_file, or neither")
        if self.user and self.security is Security.NONE:
            raise ValueError('the password would be sent unencrypted: set security = "starttls" or "tls"')
        port = self.port or _PORTS[self.security]
        return Email(self.host, port, self.security, self.sender, self.to, self.user or "", self.password_file)


_KINDS: Final[Mapping[str, type[_Target]]] = {
    "webhook": _Webhook, "slack": _Web, "teams": _Web, "ntfy": _Ntfy, "smtp": _Smtp,
}  # fmt: skip


def parse_notify(value: object, base: Path) -> tuple[Target, ...]:
    """``[[notify]]``. Raises ValueError; no secret is repeated in it."""
    targets = tuple(_target(row, base) for row in rows_of(value, "notify"))
    names = [target.name for target in targets]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"two [[notify]] tables are called {twice[0]!r}: give each a name")
    return targets


def _target(row: Mapping[str, object], base: Path) -> Target:
    kind = row.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(f"each [[notify]] needs a kind: {', '.join(_KINDS)}")
    try:
        return read_row(_KINDS[kind], row, base, "notify").target()
    except ValueError as error:
        raise ValueError(f"{row.get('name', kind)}: {error}") from None
