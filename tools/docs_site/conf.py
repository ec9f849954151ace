"""The settings of Sphinx. Nothing on the site comes from elsewhere: no font, no script, no picture."""

import re
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_VERSION = re.search(r'__version__ = "(.+)"', (_ROOT / "src/bootgrant/__init__.py").read_text("utf-8"))

project = "bootgrant"
author = "the bootgrant developers"
release = _VERSION[1] if _VERSION else ""
# Two hyphens are an option, not a dash.
smartquotes = False
extensions = ["myst_parser"]
root_doc = "index"
# Pictures with a width are written as HTML, which a forge shows as well.
myst_enable_extensions = ["html_image"]
myst_heading_anchors = 4
myst_links_external_new_tab = False
# A block may show part of a language (`…`), which its highlighter does not know.
suppress_warnings = ["misc.highlighting_failure", "myst.header"]

html_theme = "furo"
html_title = f"bootgrant {release}"
html_static_path = ["theme/static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_show_sourcelink = False
# The words around what was found are fetched from the pages, which a browser refuses for files.
html_show_search_summary = False
html_domain_indices = False
html_use_index = False
html_favicon = "theme/static/icon.svg"
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
