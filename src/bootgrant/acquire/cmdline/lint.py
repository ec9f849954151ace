"""Lint for the kernel command line: mistakes that operators of Talos have made, each with what to write instead."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bootgrant.acquire.cmdline import settings as param
from bootgrant.acquire.cmdline.damage import DAMAGE, plain, url_problem, urls
from bootgrant.acquire.cmdline.findings import Finding, Level, Subject
from bootgrant.acquire.facts import VARIABLES, Absent
from bootgrant.acquire.facts.network import is_loopback
from bootgrant.wire.go_text import quote, trim_space
from bootgrant.wire.go_url import GoUrl

_STRONG = ("uuid", "serial", "mac")
_ONLY_ONE = (
    param.PLATFORM, param.CONFIG, param.CLIENT_ID, param.CLIENT_SECRET, param.AUDIENCE, param.DEVICE_AUTH_URL,
    param.TOKEN_URL,
)  # fmt: skip
_AUTH = "talos.config.auth."
_SECRET_KEY = re.compile(
    r"(?:.*[-_.])?(?:token|secret|password|passwd|pwd|api[-_]?key|apikey|signature|sig|credential)s?", re.IGNORECASE
)
_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")


def find_all(subject: Subject) -> tuple[Finding, ...]:
    """Apply every rule and return the findings, errors first."""
    found = [finding for rule in _RULES for finding in rule(subject)]
    order = list(Level)
    return tuple(sorted(found, key=lambda finding: order.index(finding.level)))


def _cannot_run(subject: Subject) -> Iterator[Finding]:
    # Other rules report an unsupported variable, with what to write instead.
    if subject.error is not None and not subject.error.what.startswith("unsupported variable"):
        code = subject.error.status.name.lower().replace("_", "-")
        yield Finding(code, Level.ERROR, subject.error.what, subject.error.next_step)


def _platform(subject: Subject) -> Iterator[Finding]:
    """Talos fetches talos.config on its metal platform only (the first value of talos.platform counts)."""
    platform = subject.cmdline.first(param.PLATFORM)
    wanted = f"write {param.PLATFORM}=metal"
    if not subject.for_talos or platform == "metal" or subject.config_url in {None, "none"}:
        return
    if platform is None:
        message = f"{param.PLATFORM} is missing: Talos fetches {param.CONFIG} only with {param.PLATFORM}=metal"
        fix = f"{wanted}; only another Linux that runs `bootgrant acquire` does not need it"
        yield Finding("no-platform", Level.ERROR, message, fix)
    else:
        message = f"Talos ignores {param.CONFIG} with {param.PLATFORM}={quote(platform)}: only metal fetches it"
        yield Finding("other-platform", Level.ERROR, message, wanted)


def _old_prefix(subject: Subject) -> Iterator[Finding]:
    for key, _ in subject.cmdline.parameters:
        if key.startswith(_AUTH):
            name = param.OAUTH + key.removeprefix(_AUTH)
            message = f"{key} is ignored: Talos's kernel documentation names it by mistake"
            yield Finding("auth-prefix", Level.ERROR, message, f"write {name}")


def _unknown_parameter(subject: Subject) -> Iterator[Finding]:
    known = {param.PLATFORM, param.CONFIG, param.INLINE, param.EARLY, *param.OAUTH_PARAMETERS}
    for key, _ in subject.cmdline.parameters:
        meant = next((name for name in known if _loosely(name) == _loosely(key)), "")
        if key in known or key.startswith(_AUTH) or not (meant or key.startswith(f"{param.CONFIG}.")):
            continue
        fix = f"write {meant}" if meant else f"the parameters are {', '.join(param.OAUTH_PARAMETERS)}"
        yield Finding("unknown-parameter", Level.ERROR, f"{quote(key)} is not a known parameter and is ignored", fix)


def _loosely(key: str) -> str:
    return re.sub("[-._]", "_", key.lower()).rstrip("s")


def _without_client_id(subject: Subject) -> Iterator[Finding]:
    client_id = subject.cmdline.first(param.CLIENT_ID)
    others = [key for key, _ in subject.cmdline.parameters if key in param.OAUTH_PARAMETERS]
    if client_id is None and others:
        message = f"{others[0]} is set but {param.CLIENT_ID} is not, so OAuth is silently off"
        yield Finding("no-client-id", Level.ERROR, message, f"add {param.CLIENT_ID}=…")
    if client_id == "":
        message = f"{param.CLIENT_ID} is empty: OAuth is on, but without a client"
        yield Finding("empty-client-id", Level.ERROR, message, f"write {param.CLIENT_ID}=<name of the client>")


def _unused_oauth(subject: Subject) -> Iterator[Finding]:
    if subject.oauth is not None and subject.config_url in {None, "none", "metal-iso"}:
        message = f"{param.CONFIG}={subject.config_url or ''} contacts no server, so the OAuth parameters are not used"
        fix = f"write {param.CONFIG}=<URL>, or remove talos.config.oauth.*"
        yield Finding("unused-oauth", Level.WARNING, message, fix)


def _comma_list(subject: Subject) -> Iterator[Finding]:
    for key in (param.EXTRA_VARIABLE, param.SCOPE):
        for value in subject.cmdline.all(key):
            if "," in value:
                separate = " ".join(f"{key}={part}" for part in value.split(",") if part)
                level = Level.ERROR if key == param.EXTRA_VARIABLE else Level.WARNING
                message = f"{key}={value} is a single value with commas, not a list"
                yield Finding("comma-list", level, message, f"repeat the parameter: {separate}")


def _unknown_variable(subject: Subject) -> Iterator[Finding]:
    for value in subject.cmdline.all(param.EXTRA_VARIABLE):
        if value not in VARIABLES and "," not in value:
            guess = value.strip("${}").lower()
            fix = f"write {guess}" if guess in VARIABLES else f"the variables are {', '.join(VARIABLES)}"
            message = f"{param.EXTRA_VARIABLE}={quote(value)} is not a variable, so the request fails"
            yield Finding("unknown-variable", Level.ERROR, message, fix)


def _missing_extra_variable(subject: Subject) -> Iterator[Finding]:
    if subject.oauth is None or any(name in subject.oauth.extra_variables for name in _STRONG):
        return
    message = f"no {param.EXTRA_VARIABLE} identifies this machine, so bootgrant refuses its request"
    fix = f"add {param.EXTRA_VARIABLE}=uuid {param.EXTRA_VARIABLE}=mac"
    yield Finding("missing-extra-variable", Level.WARNING, message, fix)


def _repeated(subject: Subject) -> Iterator[Finding]:
    for key, values in subject.cmdline.parameters:
        if key in _ONLY_ONE and len(values) > 1:
            message = f"{key} is set {len(values)} times; only the first value counts"
            yield Finding("repeated-parameter", Level.WARNING, message, "remove the others")


def _empty_endpoint(subject: Subject) -> Iterator[Finding]:
    for key in (param.DEVICE_AUTH_URL, param.TOKEN_URL):
        if subject.oauth is not None and subject.cmdline.first(key) == "":
            message = f"{key} is empty, so there is no URL to send the request to"
            fix = f"set {key} to a URL, or remove it to use the default"
            yield Finding("empty-endpoint", Level.ERROR, message, fix)


def _urls(subject: Subject) -> Iterator[tuple[str, GoUrl]]:
    return ((key, url) for key, url in urls(subject) if isinstance(url, GoUrl))


def _bad_url(subject: Subject) -> Iterator[Finding]:
    for key, url in urls(subject):
        if key == param.CONFIG and subject.error is not None:
            continue
        schemes = ("http", "https", "file", "tftp") if key == param.CONFIG else ("http", "https")
        if problem := url_problem(url, schemes):
            message = f"the URL in {key} cannot be used: {problem}"
            yield Finding("bad-url", Level.ERROR, message, "write https://host/path")


def _plain_http(subject: Subject) -> Iterator[Finding]:
    for key, url in _urls(subject):
        if url.scheme == "http" and not is_loopback(url.hostname()):
            what = "token and configuration" if key == param.CONFIG else "code and token"
            message = f"{key} uses plain HTTP to {url.hostname()}: anyone in between can read and change {what}"
            yield Finding("plain-http", Level.WARNING, message, "serve it over https")


def _secret_in_url(subject: Subject) -> Iterator[Finding]:
    for key, url in _urls(subject):
        query = url.query().items()
        named = [name for name, values in query if _SECRET_KEY.fullmatch(name) and any(map(_is_fixed, values))]
        if url.user is not None:
            named.insert(0, "user and password" if url.password is not None else "user")
        if named:
            message = f"the URL in {key} contains a secret ({', '.join(map(quote, named))}), and URLs are logged"
            yield Finding("secret-in-url", Level.WARNING, message, "use talos.config.oauth.* to authenticate")


def _is_fixed(value: str) -> bool:
    return bool(trim_space(value)) and not _PLACEHOLDER.fullmatch(value)


def _misplaced_placeholder(subject: Subject) -> Iterator[Finding]:
    url = subject.config_url or ""
    base, _, query = url.partition("#")[0].partition("?")
    keys = "&".join(pair.partition("=")[0] for pair in query.split("&"))
    parts = {"the path or host": base, "a query key": keys, "the fragment": url.partition("#")[2]}
    for where, text in parts.items():
        if _PLACEHOLDER.search(plain(text)):
            message = f"a variable in {where} of {param.CONFIG} is not replaced"
            yield Finding("misplaced-variable", Level.WARNING, message, "use it in a query value: ?uuid=${uuid}")
    for name in dict.fromkeys(_PLACEHOLDER.findall(plain(query))):
        if name.lower() not in VARIABLES:
            message = f"{quote('${' + name + '}')} in {param.CONFIG} is not a variable and is sent unchanged"
            yield Finding("unknown-variable", Level.WARNING, message, f"the variables are {', '.join(VARIABLES)}")


def _endpoint_placeholder(subject: Subject) -> Iterator[Finding]:
    for key, url in _urls(subject):
        if key != param.CONFIG and _PLACEHOLDER.search(plain(str(url))):
            message = f"variables in {key} are not replaced"
            fix = f"send them with {param.EXTRA_VARIABLE} instead"
            yield Finding("misplaced-variable", Level.WARNING, message, fix)


def _copied_query(subject: Subject) -> Iterator[Finding]:
    endpoints = [subject.cmdline.first(key) for key in (param.DEVICE_AUTH_URL, param.TOKEN_URL)]
    if (
        subject.oauth is not None
        and None in endpoints
        and _PLACEHOLDER.search((subject.config_url or "").partition("?")[2])
    ):
        message = f"the default OAuth endpoints keep the query of {param.CONFIG}, with variables that are not replaced"
        fix = f"harmless with bootgrant; for other providers set {param.DEVICE_AUTH_URL} and {param.TOKEN_URL}"
        yield Finding("copied-query", Level.NOTE, message, fix)


def _missing_value(subject: Subject) -> Iterator[Finding]:
    for variable in subject.variables:
        if isinstance(variable, Absent) and variable.name in subject.wanted:
            message = f"this machine has no {variable.name} at the moment: {variable.reason}"
            yield Finding("missing-value", Level.WARNING, message, f"set it with --set {variable.name}=…")


_RULES = (
    _cannot_run,
    _platform,
    _old_prefix,
    _unknown_parameter,
    _without_client_id,
    _unused_oauth,
    _comma_list,
    _unknown_variable,
    _missing_extra_variable,
    _repeated,
    _empty_endpoint,
    _bad_url,
    _plain_http,
    _secret_in_url,
    _misplaced_placeholder,
    _endpoint_placeholder,
    _copied_query,
    _missing_value,
    *DAMAGE,
)
