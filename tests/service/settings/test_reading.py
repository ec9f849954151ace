"""``bootgrant.toml``: what overrides what, what every version of the file means, and how errors are worded."""

from __future__ import annotations

import ipaddress
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bootgrant.service.commands.init_site import settings_file
from bootgrant.service.settings.site import SETTINGS, SettingsError, load_site
from bootgrant.service.settings.summaries import summary_of

MINIMAL = 'public_url = "https://boot.example"\n'
WRITTEN_BY_546E06E = Path(__file__).parents[2] / "fixtures/546e06e/bootgrant.toml"
FILE_ONLY = ("audit.sinks", "networks.names", "oidc", "notify", "providers", "evidence.exec", "rules")


def site_file(folder: Path, text: str) -> Path:
    path = folder / "bootgrant.toml"
    path.write_text(text)
    return path


def error_of(folder: Path, text: str, environment: dict[str, str] | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        load_site(site_file(folder, text), environment)
    return str(caught.value)


def test_settings_that_are_not_in_the_file_have_their_defaults(tmp_path: Path) -> None:
    site = load_site(site_file(tmp_path, MINIMAL))
    assert site.public_url == "https://boot.example"
    assert (site.grants.lifetime, site.grants.interval, site.grants.hold) == (600, 1, 25)
    assert site.data == tmp_path / "data"
    assert ipaddress.ip_network("10.0.0.0/8") in site.networks.machines
    assert set(site.clients) == {"talos"}


def test_the_file_that_init_writes_has_the_defaults(tmp_path: Path) -> None:
    chosen = {"public_url": "https://boot.example", "listen": "127.0.0.1:8080"}
    assert load_site(site_file(tmp_path, settings_file(chosen))) == load_site(site_file(tmp_path, MINIMAL))


def test_the_file_that_an_older_version_wrote_means_the_same(tmp_path: Path) -> None:
    older = site_file(tmp_path, WRITTEN_BY_546E06E.read_text())
    assert load_site(older) == load_site(site_file(tmp_path, MINIMAL.replace("boot.example", "boot.example.org")))


def test_every_example_that_init_writes_can_be_uncommented(tmp_path: Path) -> None:
    (tmp_path / "corp.secret").write_text("s3cret\n")
    text = settings_file({"public_url": "https://boot.example"})
    for setting in SETTINGS:
        for line in setting.example:
            text = text.replace(f"\n# {line}\n", f"\n{line}\n")
    site = load_site(site_file(tmp_path, text))
    assert [provider.provider_id for provider in site.oidc] == ["corp"]
    assert [target.name for target in site.notify] == ["ntfy"]
    assert [provider.name for provider in site.providers] == ["corp"]
    assert [rule.name for rule in site.approval_rules()] == ["fra-workers"]


def test_a_flag_overrides_the_environment_which_overrides_the_file(tmp_path: Path) -> None:
    config = site_file(tmp_path, MINIMAL + 'listen = "127.0.0.1:1"\n[grants]\nhold = "wrong"\n')
    environment = {"BOOTGRANT_LISTEN": "127.0.0.1:2", "BOOTGRANT_GRANTS_HOLD": "2s"}
    site = load_site(config, environment, {"listen": "127.0.0.1:3"})
    assert (site.listen, site.grants.hold) == (("127.0.0.1", 3), 2)


def test_the_environment_separates_lists_with_commas(tmp_path: Path) -> None:
    environment = {"BOOTGRANT_NETWORKS_MACHINES": "10.20.0.0/16, fd00::/8", "BOOTGRANT_CLIENTS": "talos,other"}
    site = load_site(site_file(tmp_path, MINIMAL), environment)
    assert [str(network) for network in site.networks.machines] == ["10.20.0.0/16", "fd00::/8"]
    assert set(site.clients) == {"talos", "other"}


@pytest.mark.parametrize("key", FILE_ONLY)
def test_tables_cannot_be_set_by_the_environment(tmp_path: Path, key: str) -> None:
    variable = "BOOTGRANT_" + key.replace(".", "_").upper()
    error = error_of(tmp_path, MINIMAL, {variable: "x"})
    assert error == f"{variable}: {key} can only be set in {tmp_path / 'bootgrant.toml'}"


def test_only_tables_are_limited_to_the_file() -> None:
    assert sorted(setting.key for setting in SETTINGS if setting.form.file_only) == sorted(FILE_ONLY)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "public_url: required, but not set"),
        (MINIMAL + "[grants]\nhold = 25", "bootgrant.toml: grants.hold: expected a string in quotes"),
        (MINIMAL + "[grants]\nhold = '25'", "'25' is not a duration (write 90s, 10m, 4h or 1h30m)"),
        (MINIMAL + "[grants]\ninterval = '1500ms'", "whole seconds"),
        (MINIMAL + "[grants]\ntoken_lifetime = '1s'", "token_lifetime: '1s' is too short: it must be at least 60s"),
        (MINIMAL + "[grants]\ndenial_cooldown = '2d'", "'2d' is too long: it must be at most 24h"),
        (MINIMAL + "[limits]\npending = 0", "limits.pending: expected a whole number of at least 1"),
        (MINIMAL + "[networks]\nmachines = ['10.0.0.1/8']", "is not a network"),
        (MINIMAL + "clients = []", "at least one client"),
        (MINIMAL + "clients = ['a', 'a']", "two [[clients]] tables have the id 'a'"),
        ("public_url = 'boot.example'", "is not the URL of a server"),
        ("public_url = 'https://boot example'", "is not the URL of a server"),
        ("public_url = 'https://boot.example:84430'", "is not the URL of a server"),
        ("public_url = 'https://boot.example/path'", "must have only a scheme"),
        (MINIMAL + "listen = '8080'", "not an address and port"),
        (MINIMAL + "listen = '[::]:80'\noperators.listen = '[::]:80'", "operators.listen: it is the same as listen"),
        (MINIMAL + "composer = 'helm'", "composer: 'helm' is not one of bootgrant, talosctl"),
        (MINIMAL + "secrets.exec_programs = ['site-secret']", "'site-secret' is not a full path"),
        (MINIMAL + "git = {url = '--upload-pack=x'}", "git.url: '--upload-pack=x' must not begin with a dash"),
        (MINIMAL + "git = {url = 'x', branch = '-x'}", "git.branch: '-x' must not begin with a dash"),
        (MINIMAL + "secrets = {age_identity_file = 'a', age_identity_command = ['b']}", "set only one"),
        (MINIMAL + "tls.key = 'key.pem'", "tls.key: set tls.certificate and tls.key, or neither"),
        ("public_url = ", "is not TOML"),
    ],
)
def test_an_error_names_the_key_and_what_to_write(tmp_path: Path, text: str, message: str) -> None:
    error = error_of(tmp_path, text)
    assert message in error
    assert "\n" not in error.strip()


def test_an_error_names_the_variable_that_a_value_is_from(tmp_path: Path) -> None:
    error = error_of(tmp_path, MINIMAL, {"BOOTGRANT_GRANTS_HOLD": "soon"})
    assert error.startswith("BOOTGRANT_GRANTS_HOLD: 'soon' is not a duration")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour = 1", "there is no setting 'colour'"),
        ("[grants]\nlifetme = '1m'", "there is no setting 'grants.lifetme'; did you mean grants.lifetime"),
        ("[limits]\nhold = '1s'", "there is no setting 'limits.hold'; did you mean grants.hold"),
        ("[[clients]]\nid = 'a'\nsecret = 'b'", "[[clients]] has no key 'secret'; did you mean secret_file?"),
    ],
)
def test_an_unknown_key_is_an_error_with_similar_keys(tmp_path: Path, text: str, message: str) -> None:
    assert message in error_of(tmp_path, MINIMAL + text)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.sampled_from([setting.key for setting in SETTINGS]), more=st.sampled_from(["x", "s", "_file"]))
def test_at_most_three_similar_keys_are_named(tmp_path: Path, key: str, more: str) -> None:
    section, dot, name = f"{key}{more}".rpartition(".")
    head = f"[{section}]\n" if dot else ""
    _, found, near = error_of(tmp_path, f"{MINIMAL}{head}{name} = 1").partition("; did you mean ")
    assert found
    assert 1 <= len(near.split(" or ")) <= 3


def test_a_missing_file_points_to_init(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="bootgrant init"):
        load_site(tmp_path / "bootgrant.toml")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300))
def test_arbitrary_bytes_are_one_clear_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bootgrant.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError):
        load_site(path)


def test_an_error_does_not_repeat_a_secret(tmp_path: Path) -> None:
    assert "hunter2" not in error_of(tmp_path, MINIMAL + "[[clients]]\nid = 'talos'\nsecret = 'hunter2'")


def test_the_settings_page_does_not_show_what_may_be_a_secret(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("0123456789abcdef\n")
    text = 'git.url = "https://token@git.example/x"\ndatabase.url = "postgresql://ana:token@db/x"\nlisten = ":80"\n'
    client = "[[clients]]\nid = 'vault'\nsecret_file = 'secret'\n"
    target = "[[notify]]\nkind = 'slack'\nurl = 'https://hooks.example/token'\n"
    shown = {each.key: each for each in load_site(site_file(tmp_path, MINIMAL + text + client + target)).shown}
    hidden = [key for key, each in shown.items() if each.is_hidden]
    assert hidden == ["database.url", "git.url", "notify"]
    assert not [each for each in shown.values() if "token" in each.value or "0123" in each.value]
    assert (shown["listen"].value, shown["clients"].value, shown["grants.hold"].value) == (":80", "vault", "25s")
    assert [key for key, each in shown.items() if not each.is_default] == [
        "public_url", "listen", "database.url", "git.url", "notify", "clients",
    ]  # fmt: skip


def test_reading_the_settings_imports_no_web_framework_and_no_client(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from bootgrant.service.settings.site import load_site; "
        "load_site(Path(sys.argv[1])); "
        "print({'starlette', 'uvicorn', 'httpx2', 'jinja2', 'psycopg', 'bootgrant.messengers'} & set(sys.modules))"
    )
    words = [sys.executable, "-c", program, str(site_file(tmp_path, MINIMAL))]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_auditors_see_of_hidden_tables_what_is_never_a_secret(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("0123456789abcdef\n")
    oidc = "[[oidc]]\nid = 'corp'\nissuer = 'https://sso.example'\nclient_id = 'boot'\nclient_secret_file = 'secret'\n"
    role = "[[oidc.roles]]\ngroup = 'auditors'\nrole = 'auditor'\nlabels = ['site=fra']\n"
    provider = "[[providers]]\nname = 'ci'\nissuer = 'https://idp.example'\naudiences = ['boot']\n"
    rule = (
        "[[providers.rules]]\nclaims = {groups = ['ops', 'dev'], email_verified = 'true'}\nselect = ['role=worker']\n"
    )
    target = "[[notify]]\nkind = 'slack'\nurl = 'https://hooks.example/token'\n"
    shown = load_site(site_file(tmp_path, MINIMAL + oidc + role + provider + rule + target)).shown
    summaries = {each.key: each.summary for each in shown if each.summary}
    assert summaries == {
        "oidc": 'id = "corp", issuer = "https://sso.example", client_id = "boot", client_secret_file = …, '
        'roles = [{group = "auditors", role = "auditor", labels = ["site=fra"]}]',
        "providers": 'name = "ci", issuer = "https://idp.example", audiences = ["boot"], '
        'rules = [{claims = {groups = ["ops", "dev"], email_verified = "true"}, select = ["role=worker"]}]',
    }
    assert {each.key: each.value for each in shown if each.key in summaries} == {"oidc": "", "providers": ""}


@pytest.mark.parametrize(
    "written",
    [
        [{"id": "corp", "password": "s3cr3t"}],
        [{"id": "corp", "roles": [{"group": "ops", "password": "s3cr3t"}]}],
        [{"id": "corp", "roles": {"group": "ops", "password": "s3cr3t"}}],
        [{"id": "corp", "more": [{"id": "s3cr3t"}]}],
        ["s3cr3t"],
        "s3cr3t",
    ],
)
def test_a_summary_shows_nothing_but_the_keys_that_it_names(written: object) -> None:
    assert "s3cr3t" not in summary_of("id", "roles", "group")(written)
