# The package for pip: a wheel and an archive of the source. Nothing is fetched except what the lock file names.
BUILD := .venv/build
# Everything in the archives gets this time, so that the same sources are the same bytes.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 1577836800)

.PHONY: wheel

wheel: $(BUILD)/.stamp ## dist/*.whl and dist/*.tar.gz, for pip (PROJECT_URL=https://… is where the project is published)
	@rm -rf build/wheel && mkdir -p build/wheel dist
	@SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) $(BUILD)/bin/python -m hatchling build -t sdist -t wheel -d build/wheel
	@rm -f dist/bootgrant-*.whl dist/bootgrant-*.tar.gz
	@mv build/wheel/* dist/
	@ls -l dist/bootgrant-*.whl dist/bootgrant-*.tar.gz

$(BUILD)/.stamp: requirements/build.txt tools/make_venv.sh
	@tools/make_venv.sh "$(PYTHON)" $(BUILD) requirements/build.txt
	@touch $@
