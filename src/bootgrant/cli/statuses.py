"""The exit statuses of all commands except `acquire`. The manual and docs/exit_statuses.md are made from these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

USAGE: Final = 2
INTERRUPTED: Final = 130
CLOSED_OUTPUT: Final = 141

COMMON: Final[Mapping[int, str]] = {
    0: "everything that was asked for took effect",
    1: "it was refused or failed; one line on standard error says why",
    USAGE: "the command line is wrong",
    INTERRUPTED: "interrupted (Ctrl-C)",
    CLOSED_OUTPUT: "the program that read the output, such as `head`, has ended",
}

OWN: Final[Mapping[str, Mapping[int, str]]] = {
    "status": {
        0: "nothing is wrong, whether or not machines are waiting",
        1: "something is wrong, or the server does not answer",
    },
    "health": {
        0: "the server works; with `--ready`: machines can be sent to it",
        1: "it does not, or it does not answer; one line on standard error says why",
    },
    "doctor": {
        0: "a machine gets through",
        1: "a machine does not get through; with `--strict` also if there is a warning",
    },
    "check": {0: "no errors", 1: "at least one error; with `--strict` also if there is a warning"},
    "machines": {1: "it was refused or failed; `explain`: also if the machine gets no entry"},
    "patch": {3: "with `--strict`: a patch has a surprising effect, and nothing was printed"},
    "install": {0: "everything is installed; a file in /etc that you have changed is kept, and the output names it"},
    "rehearse": {0: "every machine got its own configuration", 1: "at least one machine did not"},
}
"""What differs from COMMON, by command."""


def statuses_of(command: str) -> dict[int, str]:
    """Return what each exit status of a command means."""
    return dict(sorted({**COMMON, **OWN.get(command, {})}.items()))
