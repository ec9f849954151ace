"""The pages as Sphinx reads them: a copy in a folder, with links to files outside docs/ changed to copies of these.

A link whose text is the name of a page gets the title of that page.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tools.docs_site.contents import INDEX, ROOT, Section, title_of

_SOURCES: Final = ("docs/**/*.md", "examples/**/README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
_LINK: Final = re.compile(r"(?<=\]\()([^)\s]+)(?=\))")
_NAMED: Final = re.compile(r"(?<=\[)[\w./-]+\.md(?=\]\(([^)#\s]+))")
_FENCED: Final = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
_MERMAID: Final = re.compile(r"^```mermaid\n.*?^```\n", re.MULTILINE | re.DOTALL)
_EXTERNAL: Final = re.compile(r"^[a-z]+:")


class DeadLink(Exception):
    """A link of a page that leads nowhere."""


def stage(folder: Path, order: Sequence[Section]) -> list[str]:
    """Write the pages into an empty folder. Return their names. Raises DeadLink."""
    pages = sorted(path for pattern in _SOURCES for path in ROOT.glob(pattern))
    for page in pages:
        target = folder / staged_name(page)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_staged(page, folder, pages) + _tree(page, order, pages), "utf-8")
    shutil.copytree(ROOT / "docs" / "images", folder / "images")
    return [staged_name(page) for page in pages]


def staged_name(page: Path) -> str:
    """Return where a file of the repository is in the site, such as ``install/index.md``."""
    name = page.relative_to(ROOT).as_posix().removeprefix("docs/")
    if "/" not in name and page.parent == ROOT:
        name = f"project/{name}"
    return re.sub(r"(^|/)README\.md$", r"\1index.md", name)


def external_links(page: Path) -> Iterator[str]:
    """Yield the addresses outside of the project that a page links to."""
    yield from (link for link in _LINK.findall(_FENCED.sub("", page.read_text("utf-8"))) if _EXTERNAL.match(link))


def _staged(page: Path, folder: Path, pages: Sequence[Path]) -> str:
    """The text of a page. Its diagrams in Mermaid, which a forge draws, are left out: a table has the same."""
    text = _MERMAID.sub("", page.read_text("utf-8"))
    parts, end = [], 0
    for block in _FENCED.finditer(text):
        parts += [_relinked(text[end : block.start()], page, folder, pages), block[0]]
        end = block.end()
    return "".join([*parts, _relinked(text[end:], page, folder, pages)])


def _relinked(text: str, page: Path, folder: Path, pages: Sequence[Path]) -> str:
    titled = _NAMED.sub(lambda found: title_of((page.parent / found[1]).resolve()), text)
    return _LINK.sub(lambda found: _target(found[1], page, folder, pages), titled)


def _target(link: str, page: Path, folder: Path, pages: Sequence[Path]) -> str:
    path, hash_sign, anchor = link.partition("#")
    if not path or _EXTERNAL.match(link):
        return link
    file = (page.parent / path).resolve()
    if file == ROOT / "README.md":
        file, hash_sign, anchor = INDEX, "", ""
    if file.is_dir():
        file /= "README.md"
    if not file.exists() or not file.is_relative_to(ROOT):
        raise DeadLink(f"{page.relative_to(ROOT)}: {link} leads nowhere")
    if file not in pages and not file.is_relative_to(ROOT / "docs" / "images"):
        copy = folder / staged_name(file)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    here = (folder / staged_name(page)).parent
    return f"{os.path.relpath(folder / staged_name(file), here)}{hash_sign}{anchor}"


def _tree(page: Path, order: Sequence[Section], pages: Sequence[Path]) -> str:
    """The hidden lists of pages that make the menu: the sections on the index, the rest below the page of a folder."""
    if page == INDEX:
        return "".join(_toctree([each.file for each in part.pages], page, part.title) for part in order)
    listed = {each.file for part in order for each in part.pages}
    below = [each for each in pages if each != page and page.parent in each.parents and each not in listed]
    return _toctree(below, page, "") if page.name == "README.md" and page in listed and below else ""


def _toctree(files: Sequence[Path], page: Path, caption: str) -> str:
    here = Path(staged_name(page)).parent
    rows = "\n".join(f"{title_of(file)} <{os.path.relpath(staged_name(file), here)[:-3]}>" for file in files)
    head = f":caption: {caption}\n" if caption else ""
    return f"\n```{{toctree}}\n:hidden:\n{head}\n{rows}\n```\n"
