"""Write the manual: bootgrant(1), and bootgrant-COMMAND(1) for each command, from the same source as `--help`.

    python -m bootgrant.cli.install.manual OUT

The date on the pages is SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch/), or today.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bootgrant import __version__
from bootgrant.acquire.errors import ExitStatus
from bootgrant.cli import SUMMARIES, overview
from bootgrant.cli.parsing import groups_of, verbs_of
from bootgrant.cli.statuses import COMMON, statuses_of

_WIDTH: Final = 78
_ENVIRONMENT: Final = {
    "BOOTGRANT_CONFIG": "The site's settings, if --config is not used.",
    "BOOTGRANT_SERVER": "The address of the server to ask, if --server is not used.",
    "BOOTGRANT_TOKEN_FILE": "The file with the API token, if --token-file is not used.",
    "BOOTGRANT_PROFILE": "The profile of bootgrant login to use, if --profile is not used.",
    "NO_COLOR": "If it is not empty, nothing is printed in color.",
}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT", help="the folder for the pages")
    out: Path = parser.parse_args(arguments).out
    out.mkdir(parents=True, exist_ok=True)
    for name, text in pages(today()).items():
        (out / name).write_text(text, "ascii")


def today() -> float:
    """Return the date of the pages, in Unix seconds."""
    return float(os.environ.get("SOURCE_DATE_EPOCH", time.time()))


def pages(now: float) -> dict[str, str]:
    """Return the text of every page by the name of its file."""
    # Defaults in the help come from these.
    for name in _ENVIRONMENT:
        os.environ.pop(name, None)
    whole = overview(whole=True)
    written = {"bootgrant.1": _page("bootgrant", now, _main_page(whole))}
    for name, parser in verbs_of(whole).items():
        written[f"bootgrant-{name}.1"] = _page(f"bootgrant-{name}", now, _command_page(name, parser))
    return written


def _page(name: str, now: float, body: Iterator[str]) -> str:
    day = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d")
    head = f'.TH {_text(name.upper())} 1 "{day}" "bootgrant {__version__}" "bootgrant manual"'
    # No hyphenation, and no spaces to fill lines: both make commands hard to copy.
    return "\n".join([head, ".nh", ".ad l", *body]) + "\n"


def _main_page(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield from (".SH NAME", rf"bootgrant \- {_text((parser.description or '').rstrip('.'))}")
    yield ".SH SYNOPSIS"
    yield from _synopses([parser])
    yield from (".SH DESCRIPTION", *_lines(f"{parser.epilog} Each command has a page of its own as well."))
    yield ".SH COMMANDS"
    for name, (_, summary) in SUMMARIES.items():
        yield from (".TP", rf".BR bootgrant\-{_text(name)} (1)", *_lines(_sentence(summary)))
    yield ".SH OPTIONS"
    yield from _options(parser)
    yield ".SH ENVIRONMENT"
    yield from _list(_ENVIRONMENT)
    yield ".SH EXIT STATUS"
    yield from _list({str(status): _sentence(meaning) for status, meaning in COMMON.items()})


def _command_page(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    yield from (".SH NAME", rf"bootgrant\-{_text(name)} \- {_text(SUMMARIES[name][1])}")
    yield ".SH SYNOPSIS"
    verbs = verbs_of(parser)
    yield from _synopses([*verbs.values()] or [parser])
    yield ".SH DESCRIPTION"
    yield from description(parser.description or "")
    for title, actions in groups_of(parser):
        shown = [action for action in actions if not isinstance(action.choices, Mapping)]
        if shown:
            yield f".SH {_text(title.upper())}"
            for action in shown:
                yield from _option(parser, action)
    for verb, each in verbs.items():
        yield f".SH COMMAND {_text(verb.upper())}"
        yield from _options(each)
    yield ".SH EXIT STATUS"
    yield from _list({str(status): _sentence(meaning) for status, meaning in _statuses(name).items()})
    yield from (".SH SEE ALSO", ".BR bootgrant (1)")


def _statuses(name: str) -> dict[int, str]:
    return {status.value: status.meaning for status in ExitStatus} if name == "acquire" else statuses_of(name)


def _synopses(parsers: Sequence[argparse.ArgumentParser]) -> Iterator[str]:
    for number, parser in enumerate(parsers):
        usage = " ".join(parser.format_usage().removeprefix("usage: ").split())
        yield from (".PP",) if number else ()
        yield rf".B {_text(parser.prog)}"
        yield from _lines(usage.removeprefix(parser.prog).strip())


def description(text: str) -> Iterator[str]:
    """Paragraphs, and indented lines as they are: they are commands."""
    for number, block in enumerate(re.split(r"\n\s*\n", text.strip())):
        yield from (".PP",) if number else ()
        if block.startswith("  "):
            yield from (".nf", ".RS 2")
            yield from (_escaped_start(_text(line.strip())) for line in block.splitlines())
            yield from (".RE", ".fi")
        else:
            yield from _lines(block)


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    for _, actions in groups_of(parser):
        for action in actions:
            if not isinstance(action.choices, Mapping) and action.dest != "help":
                yield from _option(parser, action)


def _option(parser: argparse.ArgumentParser, action: argparse.Action) -> Iterator[str]:
    value = _value(action)
    names = ", ".join(rf"\fB{_text(option)}\fR{value}" for option in action.option_strings) or value.strip()
    help_text = (action.help or "") % {**vars(action), "prog": parser.prog}
    yield from (".TP", names, *(_lines(_sentence(help_text)) if help_text else (r"\&",)))


def _value(action: argparse.Action) -> str:
    """The placeholder of a value, with a space before it."""
    if action.nargs == 0:
        return ""
    if action.metavar is not None:
        names = (action.metavar,) if isinstance(action.metavar, str) else action.metavar
    else:
        names = (f"{{{','.join(map(str, action.choices))}}}" if action.choices else action.dest.upper(),)
    return "".join(rf" \fI{_text(name)}\fR" for name in names)


def _list(rows: Mapping[str, str]) -> Iterator[str]:
    for name, meaning in rows.items():
        yield from (".TP", rf"\fB{_text(name)}\fR", *_lines(meaning))


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}".rstrip(".") + "."


def _lines(text: str) -> list[str]:
    """A paragraph, in lines as short as roff wants them."""
    escaped = _text(" ".join(text.split()))
    return list(map(_escaped_start, textwrap.wrap(escaped, _WIDTH, break_long_words=False, break_on_hyphens=False)))


def _escaped_start(line: str) -> str:
    """A line that is not read as a request, whatever it begins with."""
    return rf"\&{line}" if line[:1] in (".", "'") else line


def _text(text: str) -> str:
    """Text in roff: hyphens stay hyphens when they are copied."""
    quoted = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq").replace("`", r"\(ga")
    quoted = quoted.replace("^", r"\(ha").replace("~", r"\(ti").replace('"', r"\(dq")
    return "".join(char if char.isascii() else rf"\[u{ord(char):04X}]" for char in quoted)


if __name__ == "__main__":
    main(sys.argv[1:])
