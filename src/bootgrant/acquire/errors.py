"""The errors of ``acquire``, each with its exit status.

AcquireError
├── NoConfigSource     the kernel command line names no configuration
├── BadParameter       a parameter cannot be used
├── MissingVariable    the machine lacks a variable that the request needs
├── Unreachable        a server cannot be reached: DNS, routing, refused, timeout
├── TlsFailed          a server's certificate is not accepted
├── Denied             a person denied the request
├── TimedOut           nobody approved, or the download did not finish, in time
├── ProviderFailed     the provider answered with an error, or not as RFC 8628 requires
├── DownloadFailed     the configuration server refused or sent an unusable answer
├── BadConfig          the content received is not the expected configuration
└── OutputFailed       the configuration could not be written
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitStatus(IntEnum):
    """The exit statuses of ``bootgrant acquire``, documented in docs/acquire.md."""

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


def reason_of(error: OSError) -> str:
    """The system's text for an error, without its number."""
    return error.strerror or str(error)


class AcquireError(Exception):
    """``what`` failed, and the ``next_step`` for the person at the console; together they are one line."""

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
