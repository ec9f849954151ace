"""What can go wrong while a machine asks for its configuration, and how the program ends then.

AcquireError
├── NoConfigSource     the kernel command line names no configuration
├── BadParameter       a parameter cannot be used as it stands
├── MissingVariable    the machine does not have a value that the request needs
├── Unreachable        a server cannot be reached: DNS, routing, refused, timeout
├── TlsFailed          a server was reached and its certificate is not accepted
├── Denied             a person refused
├── TimedOut           nobody approved, or the download never came, in the time given
├── ProviderFailed     the provider answered with an error, or not as RFC 8628 says
├── DownloadFailed     the configuration server refuses or answers nonsense
├── BadConfig          what arrived is not the configuration that was asked for
└── OutputFailed       the configuration arrived and could not be put where it belongs
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitStatus(IntEnum):
    """The exit statuses of ``bootgrant acquire``; documented in docs/acquire.md."""

    OK = 0
    USAGE = 2
    NO_CONFIG_SOURCE = 3
    BAD_PARAMETER = 4
    MISSING_VARIABLE = 5
    UNREACHABLE = 6
    TLS = 7
    DENIED = 8
    TIMED_OUT = 9
    PROVIDER = 10
    DOWNLOAD = 11
    BAD_CONFIG = 12
    OUTPUT = 13
    INTERRUPTED = 130
    TERMINATED = 143


class AcquireError(Exception):
    """``what`` failed and the ``next_step`` for the person at the console; together they are one line."""

    status: ClassVar[ExitStatus]

    def __init__(self, what: str, next_step: str) -> None:
        super().__init__(f"{what}: {next_step}")
        self.what = what
        self.next_step = next_step


class NoConfigSource(AcquireError):
    status = ExitStatus.NO_CONFIG_SOURCE


class BadParameter(AcquireError):
    status = ExitStatus.BAD_PARAMETER


class MissingVariable(AcquireError):
    status = ExitStatus.MISSING_VARIABLE


class Unreachable(AcquireError):
    status = ExitStatus.UNREACHABLE


class TlsFailed(AcquireError):
    status = ExitStatus.TLS


class Denied(AcquireError):
    status = ExitStatus.DENIED


class TimedOut(AcquireError):
    status = ExitStatus.TIMED_OUT


class ProviderFailed(AcquireError):
    status = ExitStatus.PROVIDER


class DownloadFailed(AcquireError):
    status = ExitStatus.DOWNLOAD


class BadConfig(AcquireError):
    status = ExitStatus.BAD_CONFIG


class OutputFailed(AcquireError):
    status = ExitStatus.OUTPUT
