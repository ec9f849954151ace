"""Print a script that completes commands, options, and file names when you press Tab.

  bootgrant completion bash > /etc/bash_completion.d/bootgrant                bash, with the package bash-completion
  bootgrant completion zsh > /usr/local/share/zsh/site-functions/_bootgrant   zsh
  bootgrant completion fish > ~/.config/fish/completions/bootgrant.fish       fish

Without the package bash-completion: `source <(bootgrant completion bash)` in ~/.bashrc. The script asks no server, so
it completes no codes and no entries. Make it again after an update of bootgrant.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bootgrant.cli.parsing import actions_of, parsers_in, verbs_of

_FILES = frozenset({"FILE", "BASE", "PATCH", "OUT", "OUT.iso", "PATH"})
_FOLDERS = frozenset({"DIR"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell that runs the script")


def run(args: argparse.Namespace) -> int:
    print(script(args.shell))
    return 0


def script(shell: str) -> str:
    """Return the script for a shell."""
    import shtab

    from bootgrant.cli import SUMMARIES, overview

    parser = overview(whole=True)
    for name, command in verbs_of(parser).items():
        command.description = SUMMARIES[name][1]
    for each in parsers_in(parser):
        for action in actions_of(each):
            if action.metavar in _FOLDERS:
                vars(action)["complete"] = shtab.DIRECTORY
            elif action.metavar in _FILES or action.type is Path:
                vars(action)["complete"] = shtab.FILE
    return str(shtab.complete(parser, shell))
