"""`[[notify]]`: its settings, a running server that tells people, and `bootgrant notify test`."""

from __future__ import annotations

import json
from pathlib import Path

import httpx2
import pytest

from bootgrant.messengers.email import Email, Security
from bootgrant.messengers.ntfy import Ntfy
from bootgrant.messengers.webhook import signature
from bootgrant.service.settings.notify import parse_notify
from bootgrant.service.settings.reading import SettingsError, load_site
from bootgrant.wire.secret import Secret
from support.answering_server import AnsweringServer, http
from support.grants import MAC, UUID
from support.site import Served, served

SECRET = "a secret of the site"


def test_without_notify_nobody_is_told(tmp_path: Path) -> None:
    config = tmp_path / "bootgrant.toml"
    config.write_text('public_url = "http://boot.example"\n')
    assert load_site(config).notify == ()


def test_each_kind_is_understood(tmp_path: Path) -> None:
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
    ("row", "told"),
    [
        ({"kind": "pigeon"}, "webhook, slack, teams, ntfy, smtp"),
        ({"kind": "slack", "url": "ftp://x"}, "slack: the url is not an http or https URL"),
        ({"kind": "slack"}, "slack: set either url, or url_file"),
        ({"kind": "slack", "url": "https://x", "token": "s3cret"}, "slack: [[notify]] has no key 'token'"),
        ({"kind": "webhook", "url": "https://x"}, "webhook: secret_file is missing"),
        ({"kind": "webhook", "url": "https://x", "secret_file": "none"}, "none cannot be read"),
        ({"kind": "webhook", "url": "https://x", "secret_file": "short"}, "shorter than 16 characters"),
        ({"kind": "ntfy", "url": "https://ntfy.example/"}, "the url must end in the topic"),
        ({"kind": "smtp", "host": "m", "from": "a@b", "to": []}, "to is missing"),
        ({"kind": "smtp", "host": "m", "from": "a@b\nBcc: c@d", "to": ["e@f"]}, "is not an e-mail address"),
        ({"kind": "smtp", "host": "m", "from": "a@b", "to": "e@f", "security": "ssl"}, "security: 'ssl' is not one of"),
        ({"kind": "smtp", "host": "m", "from": "a@b", "to": "e@f", "user": "u"}, "or neither"),
        (
            {"kind": "smtp", "host": "m", "from": "a@b", "to": "e@f", "user": "u", "password_file": "short"}
            | {"security": "none"},
            "unencrypted",
        ),
        ({"kind": "slack", "url": "https://x", "selectors": ["site="]}, "a label without name or value"),
        ({"kind": "slack", "url": "https://x", "template": "broken"}, "cannot be used"),
        ({"kind": "slack", "url": "https://x", "template": "unknown"}, "cannot be used"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_what_to_write(tmp_path: Path, row: dict[str, object], told: str) -> None:
    _written(tmp_path / "short", "short")
    _written(tmp_path / "broken", "{% if %}")
    _written(tmp_path / "unknown", "{{ notice.codes }}")
    with pytest.raises(ValueError) as refused:  # noqa: PT011  (each case has its text)
        parse_notify([row], tmp_path)
    assert told in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_two_of_one_name_are_refused(tmp_path: Path) -> None:
    config = tmp_path / "bootgrant.toml"
    row = '[[notify]]\nkind = "slack"\nurl = "https://x"\n'
    config.write_text(f'public_url = "http://boot.example"\n{row}{row}')
    with pytest.raises(SettingsError, match="called 'slack': give each a name"):
        load_site(config)


def test_a_template_of_the_site_says_it_in_its_words(tmp_path: Path) -> None:
    _written(tmp_path / "words", "{{ notice.count }} am {{ notice.link }}")
    [target] = parse_notify([{"kind": "slack", "url": "https://x", "template": "words"}], tmp_path)
    from bootgrant.ports.notifications import Notice

    assert target.wording(Notice("m", 0.0, "https://boot/", 3)) == "3 am https://boot/"


def test_a_running_server_tells_a_webhook_and_after_a_restart_what_did_not_arrive(tmp_path: Path) -> None:
    statuses = iter([500])
    with AnsweringServer(lambda _asked: http(next(statuses, 204))) as hook, served(tmp_path) as site:
        _with_webhook(site, hook.url)
        form = {"client_id": "talos", "uuid": UUID, "mac": MAC}
        httpx2.post(f"{site.url}/device/code", data=form, trust_env=False).raise_for_status()
        refused = hook.came(1, 40)
        assert site.stop() == 0
        site.start()
        asked = hook.came(2, 60)
    told = json.loads(asked.body)
    assert (told["type"], told["data"]["count"]) == ("machines.waiting", 1)
    assert told["data"]["machines"][0]["identity"] == {"uuid": UUID, "mac": MAC}
    assert told["data"]["link"].startswith(f"{site.url}/requests/")
    headers = asked.headers
    assert headers["webhook-id"] == refused.headers["webhook-id"]
    signed = signature(Secret(SECRET), headers["webhook-id"], headers["webhook-timestamp"], asked.body)
    assert headers["webhook-signature"] == signed


def test_the_command_sends_a_test_and_says_how_it_went(tmp_path: Path) -> None:
    with AnsweringServer(lambda _asked: http(204)) as hook, served(tmp_path) as site:
        none = site.command("notify", "test")
        _with_webhook(site, hook.url)
        sent = site.command("notify", "test", "night")
        unknown = site.command("notify", "test", "day")
        hook.stop()
        failed = site.command("notify", "test")
    assert (none.returncode, "no [[notify]]" in none.stderr) == (1, True)
    assert (sent.returncode, sent.stdout) == (0, "night: sent\n")
    assert json.loads(hook.asked[0].body)["type"] == "test"
    assert (unknown.returncode, "there are: night" in unknown.stderr) == (1, True)
    assert (failed.returncode, failed.stdout) == (1, f"night: not sent: {hook.url} cannot be reached (ConnectError)\n")


def _with_webhook(site: Served, url: str) -> None:
    """Give the site a webhook, and start its server with it."""
    site.stop()
    _written(site.folder / "hook.secret", SECRET)
    row = f'\n[[notify]]\nkind = "webhook"\nname = "night"\nurl = "{url}/hook"\nsecret_file = "hook.secret"\n'
    site.made.config.write_text(site.made.config.read_text() + row)
    site.start()


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path
