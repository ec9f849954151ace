"""Fail on wording that reads like a translation (tools/texts.toml) and on commit subjects over 72 characters.

    python tools/check_texts.py [PATH ...]

Without a PATH, every tracked text file and the commits since the list was introduced are checked.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
LIST: Final = ROOT / "tools" / "texts.toml"
SUFFIXES: Final = frozenset(
    {"", ".css", ".html", ".js", ".md", ".mjs", ".py", ".service", ".sh", ".socket", ".sql", ".toml"}
)
SKIPPED: Final = (
    "LICENSE",
    "tools/texts.toml",
    "tests/architecture/test_texts.py",
    "tests/vectors/",
    "tests/fixtures/",
)
FIRST_COMMIT: Final = "546e06e"
"""Commit subjects are checked from here on; older ones stay as they are."""
LONGEST_SUBJECT: Final = 72


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression, and what to write instead of what it finds."""

    find: re.Pattern[str]
    write: str


@dataclass(frozen=True, slots=True)
class Wording:
    """The list: patterns to find, and phrases that are kept although a pattern matches."""

    patterns: tuple[Pattern, ...]
    kept: tuple[str, ...]

    def findings(self, name: str, text: str) -> Iterator[str]:
        """Yield ``file:line: found; write …`` for each match."""
        for number, line in enumerate(text.splitlines(), 1):
            if any(phrase in line for phrase in self.kept):
                continue
            for pattern in self.patterns:
                if found := pattern.find.search(line):
                    yield f"{name}:{number}: {found[0].strip()!r}; write: {pattern.write}"


def read_list(path: Path = LIST) -> Wording:
    """Read the list of patterns."""
    table = tomllib.loads(path.read_text("utf-8"))
    patterns = (
        Pattern(re.compile(row["find"], 0 if row.get("case") else re.IGNORECASE), row["write"])
        for row in table["pattern"]
    )
    return Wording(tuple(patterns), tuple(table["kept"]["phrases"]))


def long_subjects(folder: Path, first: str = FIRST_COMMIT) -> list[str]:
    """Return the commits after ``first`` whose subject is too long.

    Raises LookupError when git does not know ``first``, as in a shallow clone.
    """
    known = git(folder, "cat-file", "-e", f"{first}^{{commit}}")
    if known.returncode:
        raise LookupError(
            f"commit {first} is missing here, so commit subjects cannot be checked: fetch the whole history"
        )
    log = git(folder, "log", "--no-merges", "--format=%h %s", f"{first}..HEAD").stdout
    rows = [line.partition(" ") for line in log.splitlines()]
    return [
        f"{commit}: subject of {len(subject)} characters"
        for commit, _, subject in rows
        if len(subject) > LONGEST_SUBJECT
    ]


def git(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=False)


def text_files(paths: Sequence[str]) -> list[str]:
    """Return the names of the tracked text files below ``paths``, relative to the project."""
    listed = git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard", *paths).stdout.splitlines()
    return [name for name in listed if Path(name).suffix in SUFFIXES and not name.startswith(SKIPPED)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", metavar="PATH")
    paths: list[str] = parser.parse_args().paths
    wording = read_list()
    found: list[str] = []
    for name in text_files([str(Path(path).resolve()) for path in paths]):
        if (ROOT / name).is_file():
            found += wording.findings(name, (ROOT / name).read_text("utf-8"))
    if not paths:
        try:
            found += long_subjects(ROOT)
        except LookupError as error:
            if os.environ.get("CI"):
                found.append(str(error))
            else:
                print(error, file=sys.stderr)
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
