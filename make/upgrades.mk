# Every fixture of an older version on both databases, and servers of two versions, as part of `make test-packaging`.
.PHONY: test-upgrades

test-packaging: test-upgrades

test-upgrades: $(DEV)/.stamp ## upgrades from every older version (about a minute)
	PACKAGING_TEST=1 $(DEV)/bin/python -m pytest tests/end_to_end/test_older_versions.py tests/faults/test_upgrades.py -n 2 --dist load
