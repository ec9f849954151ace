"""A provider's metadata and keys, as an examination reads them in addition to the server's own verdict."""

from __future__ import annotations

from collections.abc import Mapping

from joserfc.jwk import KeySet

from bootgrant.ports.providers import ProviderUnavailable
from bootgrant.providers.discovery import Discovery
from bootgrant.providers.examination.asking import Asking, NoAnswer, Seen, one_line
from bootgrant.providers.examination.remark import Grade, Remark

_OPENID = "/.well-known/openid-configuration"
_MOST_NAMED = 5


async def metadata_answer(asking: Asking, issuer: str) -> Seen | None:
    """Return the answer with the metadata, for its date; None if there is none."""
    try:
        return await asking.get(f"{issuer.rstrip('/')}{_OPENID}")
    except NoAnswer:
        return None


async def keys_remarks(discovery: Discovery, asking: Asking, jwks_url: str = "") -> list[Remark]:
    """Report how many keys can be used, and which are ignored."""
    try:
        keys = await discovery.keys(None)
        url = await discovery.endpoint("jwks_uri", jwks_url)
        published = (await asking.get(url)).members.get("keys")
    except (ProviderUnavailable, NoAnswer) as error:
        fix = "publish a key for signatures at the provider's jwks_uri"
        return [Remark(Grade.ERROR, "provider-keys", str(error), fix)]
    found = [Remark(Grade.OK, "provider-keys", f"{_count(len(keys.keys))} can be used to check signatures")]
    ignored = _ignored(published if isinstance(published, list) else [], keys)
    if ignored:
        more = f" and {len(ignored) - _MOST_NAMED} more" if len(ignored) > _MOST_NAMED else ""
        message = f"ignored: {', '.join(ignored[:_MOST_NAMED])}{more} (another use, type or curve, or too short)"
        found.append(Remark(Grade.NOTE, "provider-keys-ignored", message))
    return found


def _count(number: int) -> str:
    return f"{number} key" if number == 1 else f"{number} keys"


def _ignored(published: list[object], usable: KeySet) -> list[str]:
    """Describe the published keys that are not among the usable ones. Those for encryption have no part in this."""
    left = [key.as_dict(private=False) for key in usable.keys]
    found = []
    for key in published:
        if isinstance(key, dict) and key.get("use") == "enc":
            continue
        if not isinstance(key, dict):
            found.append("something that is not a key")
        elif not any(_is_same(key, one) for one in left):
            words = [one_line(key.get(name), most=60) for name in ("kty", "crv", "alg", "use")]
            found.append(f"{one_line(key.get('kid'), most=60) or 'no kid'} ({' '.join(filter(None, words))})")
    return found


def _is_same(published: Mapping[str, object], usable: Mapping[str, object]) -> bool:
    return all(published.get(name) == usable.get(name) for name in ("kty", "kid", "crv", "n", "x"))
