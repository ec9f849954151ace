"""The Debian that packages are installed in is new, and reaches what a user's host reaches."""

from __future__ import annotations

from support.debian_root import DebianRoot


def test_it_is_the_release_and_has_nothing_of_ours(bookworm: DebianRoot, trixie: DebianRoot) -> None:
    assert bookworm.run("python3", "-c", "import sys; print(sys.version_info[:2])").stdout == "(3, 11)\n"
    assert trixie.run("python3", "-c", "import sys; print(sys.version_info[:2])").stdout == "(3, 13)\n"
    for root in (bookworm, trixie):
        assert root.run("sh", "-c", "command -v bootgrant", check=False).returncode != 0
        assert root.run("sh", "-c", "ls /proc | grep -c '^[0-9]'").stdout.strip() in ("2", "3", "4")
