"""The documentation as a site: docs/*.md, staged for Sphinx, with docs/README.md as its order."""
