"""``[[audit.sinks]]``: the kinds of sinks, and what is refused."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bootgrant.messengers.audit_file import FileSink
from bootgrant.messengers.audit_http import Body, HttpSink
from bootgrant.messengers.audit_syslog import SyslogSink
from bootgrant.service.settings.audit_sinks import parse_sinks
from bootgrant.service.settings.site import SettingsError, load_site
from bootgrant.wire.secret import Secret
from support.certificates import Authority
from support.site import bootgrant, clean_environment


def test_without_sinks_there_are_none(tmp_path: Path) -> None:
    config = tmp_path / "bootgrant.toml"
    config.write_text('public_url = "http://boot.example"\n')
    assert load_site(config).audit.sinks == ()


def test_each_kind_has_its_keys(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    (tmp_path / "token").write_text("Bearer abc\n")
    (tmp_path / "secret").write_text("a secret of the site\n")
    rows = [
        {"kind": "file", "path": "audit.jsonl", "sync": False, "start": "newest"},
        {"kind": "syslog", "address": "logs.example.org", "ca_file": str(authority.certificate)},
        {"kind": "syslog", "name": "local", "address": "[::1]:601", "security": "none"},
        {"kind": "http", "url": "https://in.example.org/audit?key=s3cret"}
        | {"body": "array", "authorization_file": "token", "secret_file": "secret"},
    ]
    targets = parse_sinks(rows, tmp_path)
    assert [(target.name, target.only_new) for target in targets] == [
        ("file", True), ("syslog", False), ("local", False), ("http", False),
    ]  # fmt: skip
    file, syslog, local, http = (target.sink for target in targets)
    assert file == FileSink(tmp_path / "audit.jsonl", sync=False)
    assert isinstance(syslog, SyslogSink)
    assert isinstance(local, SyslogSink)
    assert isinstance(http, HttpSink)
    assert (syslog.host, syslog.port, syslog.context is None) == ("logs.example.org", 6514, False)
    assert (local.host, local.port, local.context) == ("::1", 601, None)
    assert (http.body, http.authorization) == (Body.ARRAY, Secret("Bearer abc"))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"kind": "pigeon"}, "each [[audit.sinks]] needs a kind: file, syslog, http"),
        ({"kind": "file"}, "file: path: required, but not set"),
        ({"kind": "file", "path": "gone/audit.jsonl"}, "gone does not exist; create it"),
        ({"kind": "file", "path": "."}, "is not a regular file"),
        ({"kind": "file", "path": "a", "sync": "often"}, "file: sync: expected true or false"),
        ({"kind": "file", "path": "a", "name": "a b"}, "a b: name: 'a b' is not a name"),
        ({"kind": "file", "path": "a", "start": "middle"}, "start: 'middle' is not one of oldest, newest"),
        ({"kind": "syslog"}, "syslog: address: required, but not set"),
        ({"kind": "syslog", "address": "https://logs.example.org"}, 'write "logs.example.org:6514"'),
        ({"kind": "syslog", "address": "logs.example.org:0"}, 'write "logs.example.org:6514"'),
        ({"kind": "syslog", "address": "logs:514", "security": "none"}, 'which needs security = "tls"'),
        ({"kind": "syslog", "address": "127.0.0.1:514", "security": "none", "ca_file": "x"}, 'need security = "tls"'),
        ({"kind": "syslog", "address": "logs", "ca_file": "none"}, "none cannot be used: No such file"),
        ({"kind": "syslog", "address": "logs", "ca_file": "text"}, "text cannot be used: "),
        ({"kind": "syslog", "address": "logs", "key": "text"}, "set certificate and key, or neither"),
        ({"kind": "syslog", "address": "logs", "key": "text", "certificate": "text"}, "text cannot be used: "),
        ({"kind": "http"}, "http: set either url, or url_file"),
        ({"kind": "http", "url": "ftp://x/s3cret"}, "http: the url is not an http or https URL"),
        ({"kind": "http", "url": "http://x/s3cret"}, "another computer, which needs https"),
        ({"kind": "http", "url": "https://x", "body": "csv"}, "body: 'csv' is not one of lines, array"),
        ({"kind": "http", "url": "https://x", "authorization_file": "none"}, "none cannot be read"),
        ({"kind": "http", "url": "https://x", "authorization_file": "odd"}, "not a header value"),
        ({"kind": "http", "url": "https://x", "secret_file": "text"}, "shorter than 16 characters"),
        ({"kind": "http", "url": "https://x", "token": "s3cret"}, "http: [[audit.sinks]] has no key 'token'"),
    ],
)  # fmt: skip
def test_an_error_names_the_sink_and_what_to_write(tmp_path: Path, row: dict[str, object], message: str) -> None:
    (tmp_path / "text").write_text("text")
    (tmp_path / "odd").write_text("Bearer é")
    with pytest.raises(ValueError) as refused:  # noqa: PT011  (each case has its text)
        parse_sinks([row], tmp_path)
    assert message in str(refused.value)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("command", ["check", "serve", "audit"])
def test_commands_refuse_a_bad_sink(tmp_path: Path, command: str) -> None:
    config = tmp_path / "bootgrant.toml"
    row = '[[audit.sinks]]\nkind = "file"\npath = "audit.jsonl"\n'
    config.write_text(f'public_url = "http://boot.example"\n{row}{row}')
    with pytest.raises(SettingsError, match="called 'file': give each a name"):
        load_site(config)
    words = bootgrant(command, "--config", str(config))
    done = subprocess.run(words, capture_output=True, text=True, env=clean_environment(), timeout=60)
    assert done.returncode == 1
    assert "audit.sinks: two [[audit.sinks]] tables are called 'file'" in done.stderr
