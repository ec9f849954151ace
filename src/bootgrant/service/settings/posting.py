"""Where messages and audit records are posted: a URL in the settings, or in a file because it is a secret."""

from __future__ import annotations

from urllib.parse import urlsplit

from bootgrant.messengers.posting import Address
from bootgrant.service.settings import urls
from bootgrant.wire.secret import Secret


def posting_address(url: str | None, url_file: Secret | None) -> Address:
    """Return the address. Raises ValueError, which does not repeat the URL."""
    if (url is None) is (url_file is None):
        raise ValueError("set either url, or url_file (a file whose first line is the URL) if the URL is a secret")
    written = url_file or Secret(url or "")
    try:
        parts = urls.split(written.reveal())
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("the url is not an http or https URL")
    return Address(written)
