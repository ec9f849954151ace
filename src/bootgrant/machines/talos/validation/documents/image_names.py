"""Names of images as ``go-containerregistry`` reads them (``name.ParseReference``, weak validation)."""

from __future__ import annotations

import re
from typing import Final

from bootgrant.wire.go_url import UrlError, parse_url

_REPOSITORY: Final = re.compile(r"[a-z0-9_\-./]{2,255}")
_TAG: Final = re.compile(r"[A-Za-z0-9_\-.]{1,128}")
_DIGEST: Final = re.compile(r"sha256:[a-f0-9]{64}")
_DOCKER: Final = frozenset(("", "docker.io", "index.docker.io"))
_LONGEST_OFFICIAL: Final = 255 - len("library/")


def is_image(text: str) -> bool:
    """Whether a text is an image with a tag, with a digest, or with none of them."""
    return _is_tagged(text) or is_pinned(text)


def is_pinned(text: str) -> bool:
    """Whether a text is an image with a digest. A tag in front of the digest is allowed, and ignored."""
    name, at, digest = text.partition("@")
    if not at or not _DIGEST.fullmatch(digest):
        return False
    return _is_tagged(name) or _is_repository(name)


def _is_tagged(text: str) -> bool:
    """``name.NewTag``: what follows the last colon is a tag, unless it has a slash, as after the port of a host."""
    name, colon, tag = text.rpartition(":")
    if not colon or "/" in tag:
        return _is_repository(text)
    return _TAG.fullmatch(tag) is not None and _is_repository(name)


def _is_repository(text: str) -> bool:
    """``name.NewRepository``: a first part with a dot or a colon, or ``localhost``, is the registry.

    Talos crashes on a repository of Docker Hub that gets too long with ``library/`` in front.
    """
    first, slash, rest = text.partition("/")
    has_registry = bool(slash) and (first == "localhost" or "." in first or ":" in first)
    registry, repository = (first, rest) if has_registry else ("", text)
    if not _REPOSITORY.fullmatch(repository) or not _is_registry(registry):
        return False
    return "/" in repository or registry not in _DOCKER or len(repository) <= _LONGEST_OFFICIAL


def _is_registry(text: str) -> bool:
    """Whether a text is the authority of a URL and nothing else."""
    try:
        return parse_url(f"//{text}").host == text
    except UrlError:
        return False
