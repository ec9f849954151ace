"""``[[providers]]``, and what is refused because it would accept too many tokens."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootgrant.providers.settings import Check
from bootgrant.service.settings.site import SettingsError, Site, load_site

GOOD = """
name = "corp"
issuer = "https://idp.example.org"
audiences = ["bootgrant"]
"""
RULE = """
[[providers.rules]]
claims = {email = "*@example.org"}
select = ["site=fra"]
"""


def load(folder: Path, *providers: str) -> Site:
    tables = "".join(f"[[providers]]\n{provider}\n" for provider in providers)
    (folder / "bootgrant.toml").write_text(f'public_url = "https://boot.example.org"\n{tables}')
    return load_site(folder / "bootgrant.toml")


def test_a_provider_has_its_rules_and_its_secret(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("swordfish\n")
    more = 'check = "introspection"\nclient_id = "bootgrant"\nclient_secret_file = "secret"\nleeway = "30s"\n'
    (provider,) = load(tmp_path, GOOD + more + RULE).providers
    assert (provider.check, provider.leeway, provider.audiences) == (Check.INTROSPECTION, 30.0, ("bootgrant",))
    assert provider.client_secret is not None
    assert provider.client_secret.reveal() == "swordfish"
    (rule,) = provider.rules
    assert rule.claims == (("email", ("*@example.org",)),)
    assert not rule.control_plane


@pytest.mark.parametrize(
    ("provider", "message"),
    [
        (GOOD, "rules is missing"),
        (GOOD.replace('audiences = ["bootgrant"]', "") + RULE, "audiences is missing"),
        (GOOD.replace("https:", "http:") + RULE, "over plain http"),
        (GOOD + 'algorithms = ["HS256"]\n' + RULE, "HS256"),
        (GOOD + 'algorithms = ["none"]\n' + RULE, "none"),
        (GOOD + "id_token = true\n" + RULE, "id_token needs client_ids"),
        (GOOD + 'check = "guess"\n' + RULE, "check: 'guess' is not one of"),
        (GOOD + 'check = "introspection"\n' + RULE, "client_id"),
        (GOOD + 'check = "userinfo"\n' + RULE, "leave them out"),
        (GOOD + 'introspection_url = "https://idp.example.org/i"\n' + RULE, "has no effect with"),
        (GOOD + 'leeway = "1h"\n' + RULE, "leeway"),
        (GOOD + 'audience = "typo"\n' + RULE, "no key 'audience'; did you mean audiences"),
        (GOOD + RULE.replace("claims", "claim"), "no key 'claim'; did you mean claims"),
        (GOOD + RULE.replace('{email = "*@example.org"}', "{}"), "a rule needs claims"),
        (GOOD + RULE.replace('"*@example.org"', "[]"), "a rule needs claims"),
        (GOOD + 'timeout = "0s"\n' + RULE, "timeout"),
        (GOOD + 'timeout = "10m"\n' + RULE, "timeout"),
        (GOOD + RULE.replace('["site=fra"]', "[]"), "a rule needs select"),
        (GOOD + 'client_secret_file = "missing"\n' + RULE, "cannot be read"),
        ('issuer = "https://idp.example.org"\n' + RULE, "name: required, but not set"),
    ],
)
def test_an_error_says_what_to_write(tmp_path: Path, provider: str, message: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, provider)
    assert message in str(refused.value)


def test_providers_have_different_names_and_only_one_takes_opaque_tokens(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="the name 'corp'"):
        load(tmp_path, GOOD + RULE, GOOD + RULE)
    userinfo = GOOD.replace('audiences = ["bootgrant"]', 'check = "userinfo"')
    with pytest.raises(SettingsError, match="only one provider"):
        load(tmp_path, userinfo + RULE, userinfo.replace("corp", "other") + RULE)
