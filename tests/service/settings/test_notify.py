"""``[[notify]]``: targets, their messengers and their wording."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootgrant.messengers.chat import Ntfy
from bootgrant.messengers.email import Email, Security
from bootgrant.ports.notifications import Notice
from bootgrant.service.settings.notify import parse_notify
from bootgrant.service.settings.site import SettingsError, load_site
from bootgrant.wire.secret import Secret

SECRET = "a secret of the site"


def test_without_notify_there_are_no_targets(tmp_path: Path) -> None:
    config = tmp_path / "bootgrant.toml"
    config.write_text('public_url = "http://boot.example"\n')
    assert load_site(config).notify == ()


def test_each_kind_has_its_messenger(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    rows = [
        {"kind": "webhook", "url": "https://hooks.example/1", "secret_file": "secret", "selectors": ["site=fra"]},
        {"kind": "slack", "url_file": str(_written(tmp_path / "url", "https://hooks.slack.example/services/T/B/x"))},
        {"kind": "teams", "name": "night", "url": "https://prod.example/workflows/1?sig=x"},
        {"kind": "ntfy", "url": "https://ntfy.example/base/boots", "token_file": "secret"},
        {"kind": "smtp", "host": "mail.example", "from": "boot@example.org", "to": ["a@example.org"]},
    ]
    targets = parse_notify(rows, tmp_path)
    assert [target.name for target in targets] == ["webhook", "slack", "night", "ntfy", "smtp"]
    assert [str(selector) for selector in targets[0].selectors] == ["site=fra"]
    ntfy, email = targets[3].messenger, targets[4].messenger
    assert isinstance(ntfy, Ntfy)
    assert isinstance(email, Email)
    assert (ntfy.topic, ntfy.server.url) == ("boots", Secret("https://ntfy.example/base/"))
    assert (email.port, email.security) == (587, Security.STARTTLS)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"kind": "pigeon"}, "webhook, slack, teams, ntfy, smtp"),
        ({"kind": "slack", "url": "ftp://x"}, "slack: the url is not an http or https URL"),
        ({"kind": "slack"}, "slack: set either url, or url_file"),
        ({"kind": "slack", "url": ["https://x/s3cret"]}, "slack: url: expected a string in quotes"),
        ({"kind": "slack", "url": "https://[s3cret"}, "slack: "),
        ({"kind": "slack", "url": "https://x", "token": "s3cret"}, "slack: [[notify]] has no key 'token'"),
        ({"kind": "webhook", "url": "https://x"}, "webhook: secret_file: required, but not set"),
        ({"kind": "webhook", "url": "https://x", "secret_file": "none"}, "none cannot be read"),
        ({"kind": "webhook", "url": "https://x", "secret_file": "short"}, "shorter than 16 characters"),
        ({"kind": "ntfy", "url": "https://ntfy.example/"}, "the url must end in the topic"),
        ({"kind": "smtp", "host": "m", "from": "a@b", "to": []}, "smtp: to is empty"),
        ({"kind": "smtp", "host": "m", "from": "a@b\nBcc: c@d", "to": ["e@f"]}, "is not an e-mail address"),
        ({"kind": "smtp", "host": "m", "from": "a@b", "to": "e@f", "security": "ssl"}, "security: 'ssl' is not one of"),
        ({"kind": "smtp", "host": "m", "from": "a@b", "to": "e@f", "user": "u"}, "or neither"),
        (
            {"kind": "smtp", "host": "m", "from": "a@b", "to": "e@f", "user": "u", "password_file": "short"}
            | {"security": "none"},
            "unencrypted",
        ),
        ({"kind": "slack", "url": "https://x", "selectors": ["site="]}, "a label without a name or value"),
        ({"kind": "slack", "url": "https://x", "template": "broken"}, "cannot be used"),
        ({"kind": "slack", "url": "https://x", "template": "unknown"}, "cannot be used"),
    ],
)  # fmt: skip
def test_an_error_names_the_target_and_what_to_write(tmp_path: Path, row: dict[str, object], message: str) -> None:
    _written(tmp_path / "short", "short")
    _written(tmp_path / "broken", "{% if %}")
    _written(tmp_path / "unknown", "{{ notice.codes }}")
    with pytest.raises(ValueError) as refused:  # noqa: PT011  (each case has its text)
        parse_notify([row], tmp_path)
    assert message in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_targets_have_different_names(tmp_path: Path) -> None:
    config = tmp_path / "bootgrant.toml"
    row = '[[notify]]\nkind = "slack"\nurl = "https://x"\n'
    config.write_text(f'public_url = "http://boot.example"\n{row}{row}')
    with pytest.raises(SettingsError, match="called 'slack': give each a name"):
        load_site(config)


def test_a_template_replaces_the_wording(tmp_path: Path) -> None:
    _written(tmp_path / "words", "{{ notice.count }} am {{ notice.link }}")
    [target] = parse_notify([{"kind": "slack", "url": "https://x", "template": "words"}], tmp_path)
    assert target.wording(Notice("m", 0.0, "https://boot/", 3)) == "3 am https://boot/"


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path
