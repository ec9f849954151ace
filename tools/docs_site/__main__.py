"""Build the site of the documentation.

    python -m tools.docs_site OUT
    python -m tools.docs_site --external

The second form lists the addresses outside of the project that pages link to. They are not visited.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tools.docs_site.contents import ROOT, Section, sections
from tools.docs_site.staging import DeadLink, external_links, stage, staged_name

_SITE = Path(__file__).parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", nargs="?", type=Path, metavar="OUT", help="the folder of the site; it is replaced")
    parser.add_argument("--external", action="store_true", help="list the external links instead")
    args = parser.parse_args()
    if args.external:
        pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
        print("\n".join(sorted({link for page in pages for link in external_links(page)})))
        return 0
    if args.out is None:
        parser.error("name the folder of the site")
    try:
        return build(args.out)
    except DeadLink as error:
        print(f"docs: {error}", file=sys.stderr)
        return 1


def build(out: Path) -> int:
    """Write the site into ``out``. Return the exit status of Sphinx, which fails on a dead link or anchor."""
    order = sections()
    with tempfile.TemporaryDirectory(prefix="bootgrant-docs-") as place:
        staged, made = Path(place) / "pages", Path(place) / "site"
        staged.mkdir()
        pages = stage(staged, order)
        words = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-c", str(_SITE)]
        status = subprocess.run([*words, str(staged), str(made)], cwd=ROOT, check=False).returncode
        if status == 0:
            for page in pages:
                shutil.copyfile(staged / page, made / page)
            (made / "llms.txt").write_text(overview(order), "utf-8")
            shutil.rmtree(out, ignore_errors=True)
            out.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(made, out, ignore=shutil.ignore_patterns(".doctrees", ".buildinfo*", "objects.inv"))
    return status


def overview(order: Sequence[Section]) -> str:
    """Return llms.txt (https://llmstxt.org): every page with its Markdown, for programs that read."""
    lines = [
        "# bootgrant",
        "",
        "> OAuth2-authenticated machine configuration for bare metal: a machine that boots over the network shows a",
        "> code, a person approves it, and the machine downloads its own configuration.",
    ]
    for section in order:
        lines += ["", f"## {section.title}", ""]
        lines += [f"- [{page.title}]({staged_name(page.file)}): {page.purpose}" for page in section.pages]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
