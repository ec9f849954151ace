"""The errors of ``acquire``, each with its exit status."""

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
    status = ExitStatus.NO_CONFIG_SOURCE  # the kernel command line names no configuration


class BadParameter(AcquireError):
    status = ExitStatus.BAD_PARAMETER  # a parameter cannot be used


class MissingVariable(AcquireError):
    status = ExitStatus.MISSING_VARIABLE  # the machine lacks a variable that the request needs


class Unreachable(AcquireError):
    status = ExitStatus.UNREACHABLE  # a server cannot be reached: DNS, routing, refused, timeout


class TlsFailed(AcquireError):
    status = ExitStatus.TLS  # a server's certificate is not accepted


class Denied(AcquireError):
    status = ExitStatus.DENIED  # a person denied the request


class TimedOut(AcquireError):
    status = ExitStatus.TIMED_OUT  # nobody approved, or the download did not finish, in time


class ProviderFailed(AcquireError):
    status = ExitStatus.PROVIDER  # the provider answered with an error, or not as RFC 8628 requires


class DownloadFailed(AcquireError):
    status = ExitStatus.DOWNLOAD  # the configuration server refused or sent an unusable answer


class BadConfig(AcquireError):
    status = ExitStatus.BAD_CONFIG  # the content received is not the expected configuration


class OutputFailed(AcquireError):
    status = ExitStatus.OUTPUT  # the configuration could not be written
