"""``--explain``: what a run would do on this machine, found out without a request."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bootgrant.acquire.cmdline import settings as param
from bootgrant.acquire.cmdline.findings import Finding, Subject
from bootgrant.acquire.cmdline.inline import decode_inline
from bootgrant.acquire.cmdline.kernel_cmdline import KernelCmdline
from bootgrant.acquire.cmdline.lint import find_all
from bootgrant.acquire.cmdline.url_template import populate, wanted_variables
from bootgrant.acquire.errors import AcquireError, BadParameter
from bootgrant.acquire.facts import VARIABLES, Absent, Fact, MachineFacts, check_names
from bootgrant.wire.go_text import printable

_PASSWORD = re.compile(r"(//[^/?#@:]*:)[^/?#]*@")


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the parameters mean on this machine now.

    ``config_url`` is ``talos.config`` as written (None if absent), ``url`` is what would be fetched (None if unknown).
    ``error`` is a parameter that is refused before any request; a request that can only fail is a finding.
    """

    config_url: str | None
    oauth: param.OAuthSettings | None
    variables: tuple[Fact | Absent, ...]
    wanted: frozenset[str]
    url: str | None
    findings: tuple[Finding, ...]
    parameters: KernelCmdline
    error: BadParameter | None

    def as_json(self) -> dict[str, object]:
        """Return what ``json.dumps`` takes, without the client secret. Programs rely on the keys and their order.

        ``variables`` has all five: ``{"uuid": {"value": …, "source": …, "reason": …, "wanted": …}}``; ``reason`` says
        why ``value`` is null. ``findings`` is a list of objects with ``code``, ``level``, ``message`` and ``fix``.
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
        wanted = variable.name in self.wanted
        if isinstance(variable, Fact):
            return {"value": variable.value, "source": variable.source, "reason": None, "wanted": wanted}
        return {"value": None, "source": None, "reason": variable.reason, "wanted": wanted}

    def lines(self) -> list[str]:
        """Return one page of plain lines, with control characters escaped and passwords in URLs hidden."""
        lines = [f"{param.CONFIG}: {_shown_url(self.config_url)}", f"would fetch: {_shown_url(self.url)}", "", "OAuth:"]
        lines += ["  off"] if self.oauth is None else _oauth_lines(self.oauth)
        lines += ["", "variables (* = used):"]
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


def explain(
    cmdline: KernelCmdline, facts: MachineFacts, *, compat: bool = False, for_talos: bool = True
) -> Explanation:
    """Check everything that a real run checks before its first request. Never raises for a problem that it finds.

    ``for_talos``: Talos boots with the line, and not another Linux that runs ``bootgrant acquire``.
    """
    config_url = cmdline.first(param.CONFIG)
    error, unusable = _problems(cmdline)
    oauth = _oauth(cmdline, config_url)
    variables = tuple(map(facts.look, VARIABLES))
    values = {variable.name: variable.value for variable in variables if isinstance(variable, Fact)}
    in_url, url = _fetched(config_url, values, compat=compat)
    wanted = frozenset([*in_url, *(oauth.extra_variables if oauth else ())])
    findings = find_all(Subject(cmdline, config_url, oauth, variables, wanted, error or unusable, for_talos))
    return Explanation(config_url, oauth, variables, wanted, url, findings, cmdline, error)


def _problems(cmdline: KernelCmdline) -> tuple[BadParameter | None, AcquireError | None]:
    """The error that ends Talos before its first request, and the one that makes every request fail."""
    try:
        settings = param.read_settings(cmdline)
        if settings.oauth is not None:
            check_names(settings.oauth.extra_variables)
        for encoded, parameter in ((settings.inline, param.INLINE), (settings.early, param.EARLY)):
            if encoded is not None:
                decode_inline(encoded, parameter)
    except BadParameter as error:
        return error, None
    except AcquireError as error:
        return None, error
    return None, param.source_error(settings)


def _oauth(cmdline: KernelCmdline, config_url: str | None) -> param.OAuthSettings | None:
    try:
        return param.read_oauth(cmdline, config_url or "")
    except BadParameter:
        return None


def _fetched(config_url: str | None, values: dict[str, str], *, compat: bool) -> tuple[tuple[str, ...], str | None]:
    """The variables in ``talos.config``, and the URL with their values; None if there is none to fetch."""
    if config_url is None or config_url == "none":
        return (), None
    try:
        return wanted_variables(config_url, compat=compat), populate(config_url, values, compat=compat)
    except BadParameter:
        return (), None


def _oauth_as_json(oauth: param.OAuthSettings) -> dict[str, object]:
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
    return [("(set)" if value else "") for value in values] if key == param.CLIENT_SECRET else list(values)


def _oauth_lines(oauth: param.OAuthSettings) -> list[str]:
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
