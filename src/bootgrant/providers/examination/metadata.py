"""What a provider's metadata says about what bootgrant needs (OpenID Connect Discovery section 3, RFC 8414)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from bootgrant.providers.examination.asking import Seen, one_line
from bootgrant.providers.examination.remark import Grade, Remark
from bootgrant.providers.jwt import listed
from bootgrant.providers.settings import SignInProvider

_ERROR: Final = partial(Remark, Grade.ERROR)
_WARNING: Final = partial(Remark, Grade.WARNING)
_NOTE: Final = partial(Remark, Grade.NOTE)
_SLIGHTLY_OFF: Final = 5.0
_WITH_SECRET: Final = frozenset({"client_secret_basic", "client_secret_post"})


def judge_flow(metadata: Mapping[str, Any], settings: SignInProvider) -> Iterator[Remark]:
    """Judge what the authorization code flow needs: response type, grant, PKCE, and the client's authentication."""
    if (types := _named(metadata, "response_types_supported")) and "code" not in types:
        message = f"response_types_supported is {_list(types)}, without code: nobody can sign in"
        yield _ERROR("response-type", message, "turn on the authorization code flow at the provider")
    if (grants := _named(metadata, "grant_types_supported")) and "authorization_code" not in grants:
        message = f"grant_types_supported is {_list(grants)}, without authorization_code: nobody can sign in"
        yield _ERROR("grant-type", message, "turn on the authorization code flow at the provider")
    methods = _named(metadata, "code_challenge_methods_supported")
    if not methods:
        message = "the metadata does not name S256 (code_challenge_methods_supported): PKCE may have no effect"
        yield _NOTE("no-pkce", message, "turn on PKCE with S256 at the provider, if it can")
    elif "S256" not in methods:
        message = f"code_challenge_methods_supported is {_list(methods)}, without S256, which bootgrant always sends"
        yield _ERROR("no-s256", message, "allow S256 at the provider (RFC 7636)")
    yield from _judge_client(metadata, settings)


def _judge_client(metadata: Mapping[str, Any], settings: SignInProvider) -> Iterator[Remark]:
    methods = _named(metadata, "token_endpoint_auth_methods_supported")
    if methods and settings.secret is not None and not _WITH_SECRET & set(methods):
        message = f"the token endpoint takes {_list(methods)}, and no client secret"
        yield _ERROR("client-auth", message, "allow client_secret_basic or client_secret_post for this client")
    elif methods and settings.secret is None and "none" not in methods:
        message = f"the token endpoint takes {_list(methods)}, but [[oidc]] has no client_secret_file"
        yield _WARNING("client-auth", message, "set client_secret_file, or make the client a public one")


def judge_algorithms(metadata: Mapping[str, Any], accepted: Sequence[str]) -> Iterator[Remark]:
    """Judge whether ID tokens are signed with an algorithm that is accepted."""
    named = _named(metadata, "id_token_signing_alg_values_supported")
    if named and not set(named) & set(accepted):
        message = f"the provider signs with {_list(named)}; accepted are {_list(accepted)}"
        yield _ERROR("algorithms", message, "have it sign with a key pair, such as RS256 or ES256")


def judge_claims(metadata: Mapping[str, Any], settings: SignInProvider) -> Iterator[Remark]:
    """Judge where the claims of the rules can come from."""
    if metadata.get("userinfo_endpoint"):
        return
    known = _named(metadata, "claims_supported")
    for claim in dict.fromkeys(rule.claim for rule in settings.rules):
        if claim not in known and claim.partition(".")[0] not in known:
            message = f"a rule needs the claim {claim}, which claims_supported does not name, and there is no userinfo"
            yield _WARNING("claim-unknown", message, f"have the provider put {claim} into the ID token")


def judge_leaving(metadata: Mapping[str, Any], logout_url: str) -> Iterator[Remark]:
    """Judge signing out: at the provider from here (RP-initiated), and here from the provider (back-channel)."""
    if not metadata.get("end_session_endpoint"):
        message = "there is no end_session_endpoint: signing out here leaves the session at the provider"
        yield _NOTE("no-end-session", message, "people sign out there themselves")
    if metadata.get("backchannel_logout_supported") is True:
        message = f"the provider can report sign-outs and disabled people (back-channel logout): {logout_url}"
        yield _NOTE("back-channel", message, "register that URL as the client's back-channel logout URL")
    else:
        message = "the provider does not report sign-outs (no back-channel logout): sessions here end by themselves"
        yield _NOTE("no-back-channel", message, "keep operators.session_lifetime as short as you need it")


def judge_clock(seen: Seen | None, leeway: float) -> Iterator[Remark]:
    """Compare the clocks; tokens are refused if they differ by more than ``leeway`` seconds."""
    if seen is None:
        return
    ahead = seen.clock_ahead
    if ahead is None:
        message = "the provider's answers have no Date, so its clock cannot be compared with this computer's"
        yield _NOTE("provider-clock-unknown", message, "let both computers set their clocks from the network (NTP)")
        return
    which = "ahead of" if ahead > 0 else "behind"
    message = f"this computer's clock is {abs(ahead):.0f} s {which} the provider's"
    # A date has whole seconds.
    if abs(ahead) > leeway + 1:
        yield _ERROR("provider-clock", f"{message}: tokens are refused above {leeway:.0f} s", "correct the wrong one")
    elif abs(ahead) > _SLIGHTLY_OFF:
        yield _WARNING("provider-clock", message, "correct the wrong one: tokens have times")
    else:
        yield Remark(Grade.OK, "provider-clock", "the provider's clock agrees with this computer's")


def unknown_scopes(metadata: Mapping[str, Any], scopes: Sequence[str]) -> list[str]:
    """Return the scopes that ``scopes_supported`` does not name; none if it is absent."""
    named = _named(metadata, "scopes_supported")
    return [scope for scope in scopes if scope not in named] if named else []


def _named(metadata: Mapping[str, Any], name: str) -> list[str]:
    return listed(metadata.get(name))


def _list(texts: Sequence[str]) -> str:
    return one_line(", ".join(texts)) or "empty"
