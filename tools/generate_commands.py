"""The page of all commands, from the parsers that also make `--help` and the manual."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from bootgrant.cli import SUMMARIES, overview
from bootgrant.cli.parsing import groups_of, verbs_of

_ENVIRONMENT: Final = ("BOOTGRANT_CONFIG", "BOOTGRANT_SERVER", "BOOTGRANT_TOKEN_FILE", "BOOTGRANT_PROFILE")


def commands_page(note: str) -> str:
    """Return the page. Every command has a heading, so that a message or a page can link to it."""
    # Defaults in the help come from these.
    for name in _ENVIRONMENT:
        os.environ.pop(name, None)
    parsers = verbs_of(overview(whole=True))
    rows = "\n".join(f"| [`{name}`](#bootgrant-{name}) | {_cell(text)} |" for name, (_, text) in SUMMARIES.items())
    parts = "\n".join(part for name in SUMMARIES for part in _command(f"bootgrant {name}", parsers[name]))
    return f"""{note}
# Commands

`bootgrant COMMAND --help` prints the same, `bootgrant completion` completes commands and options in bash, zsh, and
fish, and `make man` writes manual pages. What a command's exit status means is in [exit_statuses.md](exit_statuses.md).

| command | purpose |
| --- | --- |
{rows}

{parts}"""


def _command(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    yield f"## {name}\n"
    yield _described(parser)
    for verb, each in verbs_of(parser).items():
        yield f"### {name} {verb}\n"
        yield _described(each)


def _described(parser: argparse.ArgumentParser) -> str:
    usage = " ".join(parser.format_usage().removeprefix("usage: ").split())
    text = "\n\n".join(_paragraph(block) for block in re.split(r"\n\s*\n", (parser.description or "").strip()) if block)
    rows = "\n".join(_rows(parser))
    table = f"\n| argument | meaning |\n| --- | --- |\n{rows}\n" if rows else ""
    return f"{text}\n\n```text\n{usage}\n```\n{table}".lstrip("\n")


def _paragraph(block: str) -> str:
    """Text as it is; indented lines are commands."""
    if not block.startswith("  "):
        return " ".join(block.split())
    return "```text\n" + "\n".join(line.strip() for line in block.splitlines()) + "\n```"


def _rows(parser: argparse.ArgumentParser) -> Iterator[str]:
    for _, actions in groups_of(parser):
        for action in actions:
            if not isinstance(action.choices, Mapping) and action.dest != "help":
                help_text = (action.help or "") % {**vars(action), "prog": parser.prog}
                yield f"| `{_named(action)}` | {_cell(help_text)} |"


def _named(action: argparse.Action) -> str:
    value = _value(action)
    return ", ".join(f"{option}{value}" for option in action.option_strings) or value.strip()


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    if action.metavar is not None:
        names = (action.metavar,) if isinstance(action.metavar, str) else action.metavar
    else:
        names = (f"{{{','.join(map(str, action.choices))}}}" if action.choices else action.dest.upper(),)
    return "".join(f" {name}" for name in names).replace("|", "\\|")


def _cell(text: str) -> str:
    here = str(Path.home())
    return " ".join(text.split()).replace(here, "~").replace("|", "\\|").replace("<", "\\<")
