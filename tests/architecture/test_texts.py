"""The check on texts finds what it is for, and passes what a native engineer would write."""

from __future__ import annotations

from pathlib import Path

import pytest
from tools.check_texts import git, long_subjects, read_list, text_files


@pytest.mark.parametrize(
    "line",
    [
        "No machine waits.",
        '"x" is no URL',
        "def told_without(known):",
        "the operator is told on which page",
        "kept beside the tree",
        "on the socket alone",
        "What is sound is served on",
        "# Who denies nobody looks for no denial",
        "the record stands in the audit",
    ],
)
def test_wording_that_reads_like_a_translation_is_found(line: str) -> None:
    found = next(read_list().findings("page.md", f"First line.\n{line}\n"))
    assert found.startswith("page.md:2: ")


@pytest.mark.parametrize(
    "line",
    [
        "No machines waiting.",
        '"x" is not a URL',
        "there is no such entry",
        "the code is no longer valid",
        "`example.org` stands for your own name",
        "Who is signed in?",
    ],
)
def test_plain_wording_passes(line: str) -> None:
    assert list(read_list().findings("page.md", line)) == []


def test_texts_of_every_kind_are_looked_at() -> None:
    suffixes = {Path(name).suffix for name in text_files([])}
    assert {".py", ".md", ".toml", ".html", ".sh", ".sql"} <= suffixes


def test_a_long_commit_subject_is_found(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    subjects = ["First", "Restart background chores that fail", "A" * 73]
    author = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for subject in subjects:
        assert git(tmp_path, *author, "commit", "-q", "--allow-empty", "-m", subject).returncode == 0
    first = git(tmp_path, "rev-list", "--max-parents=0", "HEAD").stdout.strip()
    assert len(long_subjects(tmp_path, first)) == 1


def test_a_history_without_the_first_commit_is_an_error(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    with pytest.raises(LookupError, match="fetch the whole history"):
        long_subjects(tmp_path)
