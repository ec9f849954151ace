"""The parser of every command: no abbreviations, and an error suggests what was probably meant."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn

from bootgrant.cli.statuses import USAGE

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

_CHOICES: Final = re.compile(r"invalid choice: '(.*)' \(choose from (.*)\)$")
_UNKNOWN: Final = "unrecognized arguments: "


class CommandParser(argparse.ArgumentParser):
    """Parsers for verbs, such as `operators add`, are of this class too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(*args, **{**kwargs, "allow_abbrev": False})
        self.as_json = False

    def answer_in_json(self) -> None:
        """Print errors as JSON, if the command has a flag --json: for `rehearse` it takes a file."""
        parsers = list(parsers_in(self))
        flags = [action for parser in parsers for action in actions_of(parser) if "--json" in action.option_strings]
        for parser in parsers:
            if isinstance(parser, CommandParser):
                parser.as_json = any(action.nargs == 0 for action in flags)

    def error(self, message: str) -> NoReturn:
        """Print what is wrong, as JSON if the command would print JSON, and exit with status 2."""
        text = message + self._suggestion(message)
        if self.as_json:
            import json

            print(json.dumps({"error": "usage", "message": text}))
            sys.exit(USAGE)
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: error: {text}\n")

    def print_help(self, file: SupportsWrite[str] | None = None) -> None:
        """Print the help. argparse would ignore that it cannot be written."""
        print(self.format_help(), end="", file=file)

    def _suggestion(self, message: str) -> str:
        if found := _CHOICES.search(message):
            return did_you_mean(found[1], [choice.strip("'") for choice in found[2].split(", ")])
        if message.startswith(_UNKNOWN):
            options = [option for parser in parsers_in(self) for option in options_of(parser)]
            words = (word.partition("=")[0] for word in message.removeprefix(_UNKNOWN).split() if word.startswith("-"))
            return next((text for word in words if (text := did_you_mean(word, options))), "")
        return ""


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Return a suggestion to append to an error; empty when nothing is similar."""
    from difflib import get_close_matches

    near = get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def options_of(parser: argparse.ArgumentParser) -> list[str]:
    """Return the names of the options of one parser."""
    return [option for action in actions_of(parser) for option in action.option_strings]


def actions_of(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Return the arguments of a parser that its help shows, in that order."""
    # argparse has no public way to list them; everything that generates from parsers reads this list.
    return [action for action in parser._actions if action.help != argparse.SUPPRESS]  # noqa: SLF001


def groups_of(parser: argparse.ArgumentParser) -> list[tuple[str, list[argparse.Action]]]:
    """Return the arguments of a parser in the groups of its help, each with its title."""
    shown = actions_of(parser)
    groups = [(group.title or "", group._group_actions) for group in parser._action_groups]  # noqa: SLF001
    return [(title, [one for one in actions if one in shown]) for title, actions in groups]


def verbs_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of a command's verbs by name."""
    for action in actions_of(parser):
        if isinstance(action.choices, dict):
            return dict(action.choices)
    return {}


def parsers_in(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield a parser, and the parsers of its verbs."""
    yield parser
    for verb in verbs_of(parser).values():
        yield from parsers_in(verb)
