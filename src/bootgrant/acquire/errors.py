"""The errors of ``acquire``, each with its exit status."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar, Self


class ExitStatus(IntEnum):
    """The exit statuses of ``bootgrant acquire``; ``meaning`` is for the documentation."""

    meaning: str

    def __new__(cls, number: int, meaning: str) -> Self:
        status = int.__new__(cls, number)
        status._value_ = number
        status.meaning = meaning
        return status

    OK = 0, "the configuration was delivered, or was already there"
    USAGE = 2, "the command line of `bootgrant acquire` is invalid"
    NO_CONFIG_SOURCE = 3, "the kernel command line names no configuration"
    BAD_PARAMETER = 4, "a parameter cannot be used"
    MISSING_VARIABLE = 5, "the machine lacks a variable that the request needs"
    UNREACHABLE = 6, "a server cannot be reached: DNS, routing, refused, timeout"
    TLS = 7, "a server's certificate is not accepted"
    DENIED = 8, "a person denied the request"
    TIMED_OUT = 9, "nobody approved, or the download did not finish, in time"
    PROVIDER = 10, "the provider answered with an error, or not as RFC 8628 requires"
    DOWNLOAD = 11, "the configuration server refused or sent an unusable answer"
    BAD_CONFIG = 12, "the content received is not the expected configuration"
    OUTPUT = 13, "the configuration could not be written"
    INTERRUPTED = 130, "interrupted (Ctrl-C)"
    TERMINATED = 143, "ended by SIGTERM"


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
