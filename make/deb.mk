# Packages for Debian: one of each kind per release, because compiled wheels are for one version of Python.
DEB_SUFFIX ?=

.PHONY: deb

deb: deb-bookworm deb-trixie ## dist/*.deb for Debian 12 and 13 (root; DEB_SUFFIX=+1 for newer dependencies of the same version)

deb-%: wheel $(DEV)/.stamp .cache/roots/%.tar
	@SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) $(DEV)/bin/python -m tools.deb $* dist --wheel dist/bootgrant-*.whl \
		--suffix "$(DEB_SUFFIX)" $(if $(PROJECT_URL),--homepage $(PROJECT_URL))
