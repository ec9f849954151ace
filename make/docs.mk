# The documentation as a site (docs/decisions/0048-documentation-site.md).
DOCS := .venv/docs

.PHONY: docs

docs: $(DOCS)/.stamp ## dist/docs: the documentation as a site, with search, for any web server or from the disk
	@$(DOCS)/bin/python -m tools.docs_site dist/docs
	@du -sh dist/docs

$(DOCS)/.stamp: requirements/docs.txt tools/make_venv.sh
	@tools/make_venv.sh "$(PYTHON)" $(DOCS) requirements/docs.txt
	@touch $@
