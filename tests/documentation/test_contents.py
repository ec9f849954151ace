"""The order of the site is docs/README.md, and the README shows what the commands print."""

from __future__ import annotations

import re

import pytest
from tools.docs_site.contents import INDEX, ROOT, sections
from tools.docs_site.staging import external_links, staged_name

from bootgrant.cli import main


def test_every_page_has_a_place_in_the_order() -> None:
    listed = {page.file for section in sections() for page in section.pages}
    all_pages = {path for path in (ROOT / "docs").rglob("*.md") if path.parent.name != "decisions"} - {INDEX}
    assert sorted(path.name for path in all_pages - listed) == []
    assert all(page.file.exists() for section in sections() for page in section.pages)


def test_the_order_is_that_of_the_tasks() -> None:
    assert [section.title for section in sections()] == [
        "Start",
        "Talos",
        "Other Linux",
        "Configurations",
        "People and sign-in",
        "Evidence",
        "Several servers",
        "Operations",
        "Security",
        "Reference",
        "Contributing",
    ]


def test_pages_of_folders_are_their_index() -> None:
    assert staged_name(ROOT / "docs/install/README.md") == "install/index.md"
    assert staged_name(ROOT / "SECURITY.md") == "project/SECURITY.md"
    assert staged_name(ROOT / "docs/security/bcp247.md") == "security/bcp247.md"


def test_links_to_elsewhere_are_listed_without_visiting_them() -> None:
    assert "https://omni.siderolabs.com/" in set(external_links(ROOT / "README.md"))


def test_the_readme_has_the_kernel_parameters_that_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kernel-args", "--url", "https://boot.example.org"]) == 0
    printed = capsys.readouterr().out.split()
    written = re.findall(r"```text\n(talos\.platform.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert [block.split() for block in written] == [printed]


def test_the_readme_names_two_commands_for_a_clone() -> None:
    assert re.findall(r"^make (\w+)", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE) == ["demo", "test"]
