# The packages as a user gets them: built, then installed and run in a new Debian. They need root and some minutes.
ROOTS := .cache/roots
DEBIAN_RELEASES := bookworm trixie

.PHONY: test-packaging

test-packaging: $(DEV)/.stamp $(DEBIAN_RELEASES:%=$(ROOTS)/%.tar) ## wheel, deb, image and the rest, installed and run (some minutes; root)
	PACKAGING_TEST=1 $(DEV)/bin/python tools/run_tests.py tests/packaging_real -n 2 --dist loadfile -rPs --durations=15

# A small Debian of a release, with its Python, as an archive that tests unpack and containers start from.
$(ROOTS)/%.tar: tests/packaging_real/debian-packages.txt
	@tools/debian_packages.sh tests/packaging_real/debian-packages.txt
	@mkdir -p $(ROOTS)
	@echo "making a Debian $* …"
	@mmdebstrap --quiet --format=tar --variant=minbase --include=python3,python3-venv,ca-certificates $* $@.part
	@mv $@.part $@
