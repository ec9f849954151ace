"""The provider's metadata against the parameters (RFC 8414, OpenID Discovery). Talos reads none; it shows mistakes."""

from __future__ import annotations

from collections.abc import Iterator

from bootgrant.acquire.errors import BadParameter
from bootgrant.acquire.flow.discovery import well_known
from bootgrant.acquire.http.dial import TransportError
from bootgrant.acquire.http.endpoint import parse_endpoint
from bootgrant.doctor.asking import Asker, Heard
from bootgrant.doctor.findings import Finding, Level, Step
from bootgrant.doctor.subject import Subject
from bootgrant.wire.go_text import printable


def examine_discovery(subject: Subject, asker: Asker, issuer: str) -> tuple[Heard | None, list[Finding]]:
    """Look for metadata of ``issuer``, or of the device endpoint's host when none is named."""
    asked = issuer or subject.device.shown()
    try:
        places = well_known(asked)
    except BadParameter as error:
        if issuer:
            return None, [_finding(Level.ERROR, "issuer", error.what, error.next_step)]
        return None, [_finding(Level.NOTE, "no-metadata", "no metadata is looked for over plain HTTP")]
    heard: Heard | None = None
    for place in places:
        try:
            heard = asker.get(parse_endpoint(place))
        except TransportError as error:
            return heard, [
                _finding(Level.WARNING, "metadata-unreachable", f"{place}: {error.what}", "check the server")
            ]
        if heard.status == 200 and heard.members():
            return heard, list(_compare(subject, asked, heard.members()))
    message = (
        f"{asked} has no metadata; Talos does not need it, and `bootgrant acquire --issuer` would not find anything"
    )
    fix = "check the issuer" if issuer else "name the issuer with --issuer when it has a path"
    return heard, [_finding(Level.WARNING if issuer else Level.NOTE, "no-metadata", message, fix)]


def _compare(subject: Subject, asked: str, found: dict[str, object]) -> Iterator[Finding]:
    issuer = found.get("issuer")
    if issuer != asked:
        message = f"the metadata of {asked} is that of {printable(str(issuer))[:200]}"
        yield _finding(
            Level.WARNING, "other-issuer", message, "public_url, or the provider's own name, is not this URL"
        )
    named = {
        "device_authorization_endpoint": subject.oauth.device_auth_url,
        "token_endpoint": subject.oauth.token_url,
    }
    for member, url in named.items():
        said, written = found.get(member), url.partition("?")[0]
        if said is None:
            message = f"the metadata names no {member}: is the device flow on?"
            yield _finding(Level.WARNING, "no-device-flow", message, "turn it on at the provider")
        elif said != written:
            message = f"the parameters ask {printable(written)}, the metadata says {printable(str(said))[:200]}"
            yield _finding(Level.WARNING, "other-endpoint", message, "write what the metadata says")
    if issuer == asked:
        yield _finding(Level.OK, "metadata", f"the metadata of {asked} is there")


def _finding(level: Level, code: str, message: str, fix: str = "") -> Finding:
    return Finding(Step.DISCOVERY, level, code, message, fix)
