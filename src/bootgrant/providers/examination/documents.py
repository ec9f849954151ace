"""A provider's metadata and keys, as an examination reads them in addition to the server's own verdict."""

from __future__ import annotations

from bootgrant.ports.providers import ProviderUnavailable
from bootgrant.providers.discovery import Discovery
from bootgrant.providers.examination.asking import Asking, NoAnswer, Seen
from bootgrant.providers.examination.remark import Grade, Remark

_OPENID = "/.well-known/openid-configuration"
_MOST_NAMED = 5


async def metadata_answer(asking: Asking, issuer: str) -> Seen | None:
    """Return the answer with the metadata, for its date; None if there is none."""
    try:
        return await asking.get(f"{issuer.rstrip('/')}{_OPENID}")
    except NoAnswer:
        return None


async def keys_remarks(discovery: Discovery) -> list[Remark]:
    """Report how many keys can be used, and which are ignored. Those for encryption have no part in this."""
    try:
        keys = await discovery.keys(None)
    except ProviderUnavailable as error:
        fix = "publish a key for signatures at the provider's jwks_uri"
        return [Remark(Grade.ERROR, "provider-keys", str(error), fix)]
    found = [Remark(Grade.OK, "provider-keys", f"{_count(len(keys.usable))} can be used to check signatures")]
    ignored = [str(key) for key in keys.ignored if key.is_for_signatures]
    if ignored:
        more = f" and {len(ignored) - _MOST_NAMED} more" if len(ignored) > _MOST_NAMED else ""
        message = f"ignored: {', '.join(ignored[:_MOST_NAMED])}{more}"
        found.append(Remark(Grade.NOTE, "provider-keys-ignored", message))
    return found


def _count(number: int) -> str:
    return f"{number} key" if number == 1 else f"{number} keys"
