"""``--explain``: what would happen on this machine, without a request."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bootgrant.acquire.cmdline.kernel_cmdline import KernelCmdline
from bootgrant.acquire.cmdline.lint import Finding, Subject, find_all
from bootgrant.acquire.cmdline.settings import (
    CLIENT_SECRET,
    CONFIG,
    EARLY,
    INLINE,
    OAuthSettings,
    read_oauth,
    read_settings,
)
from bootgrant.acquire.cmdline.url_template import VARIABLES, populate, wanted_variables
from bootgrant.acquire.errors import AcquireError, BadParameter
from bootgrant.acquire.facts import Absent, Fact, MachineFacts, check_names
from bootgrant.acquire.sources import decode_inline, source_error
from bootgrant.wire.go_text import printable

_PASSWORD = re.compile(r"(//[^/?#@:]*:)[^/?#]*@")


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the parameters mean here and now.

    ``config_url`` is ``talos.config`` as written (None when absent), ``url`` what would be fetched (None when that
    cannot be said). ``oauth`` is what ``talos.config.oauth.*`` says, also where it is not used. ``error`` is set when a
    parameter is refused before anybody is asked, as Talos does; what is tried in vain is a finding of level ERROR.
    """

    config_url: str | None
    oauth: OAuthSettings | None
    variables: tuple[Fact | Absent, ...]
    wanted: frozenset[str]
    url: str | None
    findings: tuple[Finding, ...]
    parameters: KernelCmdline
    error: BadParameter | None

    def as_json(self) -> dict[str, object]:
        """For ``json.dumps``. The keys and their order are part of the interface. No client secret is in it.

        ``variables`` has all five: ``{"uuid": {"value": …, "source": …, "reason": …, "wanted": …}}``, where ``reason``
        says why ``value`` is null. ``findings`` is a list of objects with ``code``, ``level``, ``message``, ``fix``.
        """
        return {
            "config_url": self.config_url,
            "oauth": None if self.oauth is None else _oauth_as_json(self.oauth),
            "variables": {variable.name: self._variable_as_json(variable) for variable in self.variables},
            "url": self.url,
            "findings": [
                {"code": found.code, "level": found.level.value, "message": found.message, "fix": found.fix}
                for found in self.findings
            ],
            "parameters": [[key, _shown_values(key, values)] for key, values in self.parameters.parameters],
        }

    def _variable_as_json(self, variable: Fact | Absent) -> dict[str, object]:
        found = isinstance(variable, Fact)
        return {
            "value": variable.value if isinstance(variable, Fact) else None,
            "source": variable.source if isinstance(variable, Fact) else None,
            "reason": None if found or isinstance(variable, Fact) else variable.reason,
            "wanted": variable.name in self.wanted,
        }

    def lines(self) -> list[str]:
        """For people: one page of plain lines. Control characters are escaped and passwords in URLs are hidden."""
        lines = [f"{CONFIG}: {_shown_url(self.config_url)}", f"would fetch: {_shown_url(self.url)}", "", "OAuth:"]
        lines += ["  off"] if self.oauth is None else _oauth_lines(self.oauth)
        lines += ["", "variables (* = used here):"]
        for variable in self.variables:
            mark = "*" if variable.name in self.wanted else " "
            if isinstance(variable, Fact):
                lines.append(f"{mark} {variable.name:8} {printable(variable.value)}  (from {variable.source})")
            else:
                lines.append(f"{mark} {variable.name:8} -  ({printable(variable.reason)})")
        lines += ["", "findings:"]
        for found in self.findings:
            lines.append(f"  {found.level.value}: {printable(found.message)} [{found.code}]")
            lines.append(f"    {printable(found.fix)}")
        return lines if self.findings else [*lines, "  none"]


def explain(cmdline: KernelCmdline, facts: MachineFacts, *, compat: bool = False) -> Explanation:
    """Look at everything that a real run would look at before its first request. Never raises for what it finds."""
    config_url = cmdline.first(CONFIG)
    error, unusable = _problems(cmdline)
    oauth = _oauth(cmdline, config_url)
    variables = tuple(map(facts.look, VARIABLES))
    values = {variable.name: variable.value for variable in variables if isinstance(variable, Fact)}
    in_url = _wanted_by_url(config_url, compat=compat)
    wanted = frozenset([*in_url, *(oauth.extra_variables if oauth else ())])
    url = _populated(config_url, values, compat=compat)
    findings = find_all(Subject(cmdline, config_url, oauth, variables, wanted, error or unusable))
    return Explanation(config_url, oauth, variables, wanted, url, findings, cmdline, error)


def _problems(cmdline: KernelCmdline) -> tuple[BadParameter | None, AcquireError | None]:
    """What Talos would end with before it asks anybody, and what it would try in vain."""
    try:
        settings = read_settings(cmdline)
        if settings.oauth is not None:
            check_names(settings.oauth.extra_variables)
        for encoded, parameter in ((settings.inline, INLINE), (settings.early, EARLY)):
            if encoded is not None:
                decode_inline(encoded, parameter)
    except BadParameter as error:
        return error, None
    except AcquireError as error:
        return None, error
    return None, source_error(settings)


def _oauth(cmdline: KernelCmdline, config_url: str | None) -> OAuthSettings | None:
    try:
        return read_oauth(cmdline, config_url or "")
    except BadParameter:
        return None


def _wanted_by_url(config_url: str | None, *, compat: bool) -> tuple[str, ...]:
    try:
        return wanted_variables(config_url or "", compat=compat)
    except BadParameter:
        return ()


def _populated(config_url: str | None, values: dict[str, str], *, compat: bool) -> str | None:
    if config_url is None or config_url == "none":
        return None
    try:
        return populate(config_url, values, compat=compat)
    except BadParameter:
        return None


def _oauth_as_json(oauth: OAuthSettings) -> dict[str, object]:
    return {
        "client_id": oauth.client_id,
        "client_secret_set": oauth.client_secret is not None,
        "scopes": list(oauth.scopes),
        "audience": oauth.audience,
        "device_auth_url": oauth.device_auth_url,
        "token_url": oauth.token_url,
        "extra_variables": list(oauth.extra_variables),
    }


def _shown_values(key: str, values: tuple[str, ...]) -> list[str]:
    return [("(set)" if value else "") for value in values] if key == CLIENT_SECRET else list(values)


def _oauth_lines(oauth: OAuthSettings) -> list[str]:
    return [
        f"  client ID        {printable(oauth.client_id) or '(empty)'}",
        f"  client secret    {'set' if oauth.client_secret else 'not set'}",
        f"  device endpoint  {_shown_url(oauth.device_auth_url)}",
        f"  token endpoint   {_shown_url(oauth.token_url)}",
        f"  scopes           {printable(' '.join(oauth.scopes)) or '-'}",
        f"  audience         {printable(oauth.audience) or '-'}",
        f"  extra variables  {printable(' '.join(oauth.extra_variables)) or '-'}",
    ]


def _shown_url(url: str | None) -> str:
    if not url:
        return "-" if url is None else "(empty)"
    return _PASSWORD.sub(r"\1…@", printable(url))
