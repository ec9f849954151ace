"""`[[notify]]`: a running server that notifies people, and `bootgrant notify test`."""

from __future__ import annotations

import json
from pathlib import Path

import httpx2

from bootgrant.messengers.webhook import signature
from bootgrant.wire.secret import Secret
from support.answering_server import AnsweringServer, http
from support.grants import MAC, UUID
from support.site import Served, served

SECRET = "a secret of the site"


def test_an_undelivered_message_is_sent_again_after_a_restart(tmp_path: Path) -> None:
    statuses = iter([500])
    with AnsweringServer(lambda _asked: http(next(statuses, 204))) as hook, served(tmp_path) as site:
        _with_webhook(site, hook.url)
        form = {"client_id": "talos", "uuid": UUID, "mac": MAC}
        httpx2.post(f"{site.url}/device/code", data=form, trust_env=False).raise_for_status()
        refused = hook.came(1, 40)
        assert site.stop() == 0
        site.start()
        arrived = hook.came(2, 60)
    body = json.loads(arrived.body)
    assert (body["type"], body["data"]["count"]) == ("machines.waiting", 1)
    assert body["data"]["machines"][0]["identity"] == {"uuid": UUID, "mac": MAC}
    assert body["data"]["link"].startswith(f"{site.url}/requests/")
    headers = arrived.headers
    assert headers["webhook-id"] == refused.headers["webhook-id"]
    signed = signature(Secret(SECRET), headers["webhook-id"], headers["webhook-timestamp"], arrived.body)
    assert headers["webhook-signature"] == signed


def test_the_command_sends_a_test_and_reports_the_result(tmp_path: Path) -> None:
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
    assert (unknown.returncode, "the names are: night" in unknown.stderr) == (1, True)
    assert (failed.returncode, failed.stdout) == (1, f"night: not sent: {hook.url} cannot be reached (ConnectError)\n")


def _with_webhook(site: Served, url: str) -> None:
    """Add a webhook to the settings and restart the server."""
    site.stop()
    _written(site.folder / "hook.secret", SECRET)
    row = f'\n[[notify]]\nkind = "webhook"\nname = "night"\nurl = "{url}/hook"\nsecret_file = "hook.secret"\n'
    site.made.config.write_text(site.made.config.read_text() + row)
    site.start()


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path
