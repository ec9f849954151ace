"""Configurations that are on the machine already: a labelled medium, a file, the kernel command line.

Source: Talos ``platform/metal/metal.go`` (metal-iso), ``pkg/download/download.go`` (file:, tftp:) and
``controllers/config/acquire.go`` (inline, early, gzip).
"""

from __future__ import annotations

import binascii
import time
from pathlib import Path
from typing import assert_never

from bootgrant.acquire.cmdline.settings import ConfigKind, Settings
from bootgrant.acquire.disks import DiskError, read_labelled
from bootgrant.acquire.errors import BadConfig, BadParameter, DownloadFailed
from bootgrant.acquire.facts.netlink import Events, Topic
from bootgrant.acquire.unpacking import NotPackedError, unpack_zstd
from bootgrant.wire.go_text import quote
from bootgrant.wire.go_url import UrlError, parse_url
from bootgrant.wire.limits import CONFIG
from bootgrant.wire.secret import Secret

ISO_LABEL = "metal-iso"
ISO_FILE = "config.yaml"
# How often to look when the kernel's events cannot be heard, in seconds.
_LOOK_AGAIN = 5.0


def read_metal_iso(root: Path, deadline: float, limit: int = CONFIG) -> tuple[bytes, str]:
    """``config.yaml`` from the medium labelled ``metal-iso``, and the device it was on.

    Waits for the medium until ``deadline`` (``time.monotonic``): a USB stick shows up seconds after the kernel. Raises
    DownloadFailed when there is none, BadConfig when it is there and cannot be used.
    """
    with Events(Topic.DEVICES) as events:
        while True:
            try:
                found = read_labelled(root, ISO_LABEL, ISO_FILE, limit)
            except DiskError as error:
                raise BadConfig(f"the medium labelled {ISO_LABEL} cannot be used: {error}", "write it anew") from error
            if found is not None:
                return found
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise DownloadFailed(
                    f"no medium labelled {ISO_LABEL} with a file {ISO_FILE} (ISO 9660, FAT or ext) on this machine",
                    f"insert it, or make one: xorriso -as mkisofs -V {ISO_LABEL} -J -R -o config.iso {ISO_FILE}",
                )
            events.wait(min(remaining, _LOOK_AGAIN))


def read_file_url(url: str, limit: int = CONFIG) -> bytes:
    """The file that ``file:///path`` names. A query is ignored, as Talos does.

    Raises BadParameter for a URL without a local path, DownloadFailed when the file cannot be read, BadConfig when it
    has more than ``limit`` bytes.
    """
    try:
        parsed = parse_url(url)
    except UrlError as error:
        raise BadParameter(str(error), "correct talos.config") from error
    if parsed.host not in {"", "localhost"} or not parsed.path.startswith("/") or "\0" in parsed.path:
        raise BadParameter(f"talos.config={url} names no file on this machine", "write file:///path/to/config.yaml")
    try:
        with Path(parsed.path).open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DownloadFailed(f"cannot read {parsed.path}: {reason}", "check the path in talos.config") from error
    if len(content) > limit:
        raise BadConfig(f"{parsed.path} holds more than {limit} bytes", "a configuration is smaller than that")
    return content


def source_error(settings: Settings) -> BadParameter | None:
    """Why ``talos.config`` cannot be fetched at all, or None when it can."""
    match settings.kind:
        case ConfigKind.HTTP | ConfigKind.FILE | ConfigKind.METAL_ISO | ConfigKind.NONE:
            return None
        case ConfigKind.TFTP:
            # There is no library of good standing for it in pure Python, and no way to protect what it carries.
            return BadParameter(
                f"talos.config={settings.config_url}: tftp is not supported",
                "serve the configuration over https or http, or put it on a medium",
            )
        case ConfigKind.UNSUPPORTED:
            return _unsupported(settings.config_url)
        case _:
            assert_never(settings.kind)


def _unsupported(url: str) -> BadParameter:
    next_step = "write talos.config=https://host/path, file:///path or metal-iso"
    try:
        scheme = parse_url(url).scheme
    except UrlError as error:
        return BadParameter(f"talos.config is no URL: {error}", next_step)
    return BadParameter(f"talos.config={quote(url)}: unsupported protocol scheme {quote(scheme)}", next_step)


def decode_inline(encoded: Secret, parameter: str, limit: int = CONFIG) -> bytes:
    """The configuration in ``talos.config.inline`` or ``.early`` (``parameter`` names it): base64 of zstd.

    Raises BadParameter when it cannot be decoded or this machine has nothing that unpacks zstd, BadConfig when it
    holds more than ``limit`` bytes. The error text shows nothing of the content.
    """
    try:
        packed = binascii.a2b_base64(encoded.reveal().encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise BadParameter(f"{parameter} is not base64", _how_to_write(parameter)) from error
    try:
        return unpack_zstd(packed, limit, parameter)
    except NotPackedError as error:
        raise BadParameter(f"{parameter} is not zstd: {error}", _how_to_write(parameter)) from error


def _how_to_write(parameter: str) -> str:
    return f"write it so: echo {parameter}=$(zstd --stdout config.yaml | base64 -w0)"
