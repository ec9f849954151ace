# Every target makes what it needs: a virtual environment from the hashed lock file and, on Debian with root rights,
# the system packages that the tests use. `make help` lists the targets.
PYTHON ?= python3
RUN := .venv/run
DEV := .venv/dev
LOCK := .venv/lock
BENCH := .venv/bench
MUTATION := .venv/mutation
ORACLE := .venv/oracle
# Compiled modules are kept: without them every program that a test starts compiles the whole package again.
unexport PYTHONDONTWRITEBYTECODE
TALOS_VERSIONS := 1.11 1.12 1.13 1.14

.PHONY: man help demo test test-faults test-oracle test-providers pictures oracle talos-tables check format lock clean zipapp test-boot bench bench-acquire bench-serve mutation
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | awk -F '\t' '{printf "  make %-14s %s\n", $$1, $$2}'

demo: $(RUN)/.stamp ## a server, a machine, an approval, the configuration delivered (AUTO=1 approves for you)
	@$(RUN)/bin/bootgrant demo $(if $(filter 1,$(AUTO)),--auto)

test: $(DEV)/.stamp ## the test suite (the longer suites are targets of their own)
	@tools/debian_packages.sh tests/debian-packages.txt
	$(DEV)/bin/python tools/run_tests.py -n 5 --dist worksteal $(TESTS)

test-boot: $(DEV)/.stamp ## a real boot: Debian's kernel in qemu, an initramfs with our hook, an approval (1-2 minutes; root)
	@tools/debian_packages.sh tests/boot/debian-packages.txt
	BOOT_TEST=1 $(DEV)/bin/python tools/run_tests.py tests/boot --durations=0

test-faults: $(DEV)/.stamp ## the fault suite in its long form: 100 kills, 5,000 connections (docs/faults.md; FAULT_SEED=N again)
	@tools/debian_packages.sh tests/debian-packages.txt
	FAULT_TEST=1 $(DEV)/bin/python -m pytest tests/faults -rP --durations=0

test-oracle: $(DEV)/.stamp oracle ## compare with Talos's own code and sops (ORACLE_SEED=N, ORACLE_SIZE=0.1, ORACLE_RELEASES="1.12")
	@tools/debian_packages.sh tests/debian-packages.txt
	ORACLE_TEST=1 $(DEV)/bin/python -m pytest tests/oracle -n 2 --dist worksteal -rP --durations=5

test-providers: $(DEV)/.stamp $(ORACLE)/dex ## people and machines at a real Keycloak (Maven, Java) and a real Dex (Go; some minutes; root)
	@tools/debian_packages.sh tests/providers_real/debian-packages.txt
	@$(DEV)/bin/python -m tools.keycloak.install
	PROVIDERS_TEST=1 $(DEV)/bin/python tools/run_tests.py tests/providers_real -n 2 --dist loadfile -rPs --durations=15

# What is built from the project and tried on other systems: a file for each kind.
include make/*.mk

oracle: $(TALOS_VERSIONS:%=$(ORACLE)/talos-%) $(ORACLE)/sops ## Talos's own code per version, as programs that tests compare with (docs/talos-versions.md)

talos-tables: $(ORACLE)/.stamp ## the tables of a Talos version, from Talos (VERSION=1.13, CHECKOUT=DIR for a commit)
	@tools/talos/tables.sh $(ORACLE) $(VERSION) $(CHECKOUT)

mutation: $(MUTATION)/.stamp ## mutation testing (ROOMS="approval machines wire workflows", SAMPLE=N per room, SEED=1)
	$(MUTATION)/bin/python tools/mutation.py $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(SEED),--seed $(SEED)) $(ROOMS)

pictures: $(DEV)/.stamp ## take the pictures of the documentation again (docs/images)
	@tools/debian_packages.sh tests/debian-packages.txt
	PICTURES=1 $(DEV)/bin/python -m pytest tests/end_to_end/test_pictures.py

check: $(DEV)/.stamp ## format, lint, types, import contracts, generated docs, wording
	$(DEV)/bin/ruff format --check .
	$(DEV)/bin/ruff check .
	$(DEV)/bin/mypy
	$(DEV)/bin/lint-imports --no-cache
	$(DEV)/bin/python -m tools.generate_docs --check
	$(DEV)/bin/python tools/check_texts.py

format: $(DEV)/.stamp ## format the code and generate the docs
	$(DEV)/bin/ruff format .
	$(DEV)/bin/ruff check --fix --quiet . || true
	$(DEV)/bin/python -m tools.generate_docs

man: $(RUN)/.stamp ## dist/man: the manual, bootgrant(1) and a page for each command, from the same source as --help
	@$(RUN)/bin/python -m bootgrant.cli.install.manual dist/man
	@ls -d dist/man

zipapp: $(RUN)/.stamp ## dist/bootgrant-acquire.pyz: the machine's half in one file, for a bare python3
	@$(RUN)/bin/python -m bootgrant.cli.install.zipapp dist/bootgrant-acquire.pyz
	@ls -l dist/bootgrant-acquire.pyz

bench: $(if $(ONLY),,bench-acquire) bench-serve ## every measurement, or one by name: make bench ONLY=device_code

bench-acquire: zipapp ## start-up time and memory of the zipapp, compared with a bare Python
	$(RUN)/bin/python bench/acquire_start.py

bench-serve: $(BENCH)/.stamp ## the server against its peers, about 15 minutes (ROUNDS=5, ONLY=NAME)
	@tools/debian_packages.sh bench/debian-packages.txt
	@$(BENCH)/bin/python -m bench $(ONLY) $(if $(ROUNDS),--rounds $(ROUNDS))

lock: $(LOCK)/.stamp ## write requirements/*.txt again from pyproject.toml and requirements/*.in
	tools/lock.sh $(LOCK)/bin/uv

clean: ## remove the environments and the files that tools leave behind
	rm -rf .venv .cache dist build .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(RUN)/.stamp: requirements/run.txt pyproject.toml tools/make_venv.sh
	@tools/make_venv.sh "$(PYTHON)" $(RUN) requirements/run.txt --with-project
	@touch $@

$(DEV)/.stamp: requirements/dev.txt pyproject.toml tools/make_venv.sh
	@tools/make_venv.sh "$(PYTHON)" $(DEV) requirements/dev.txt --with-project
	@touch $@

$(BENCH)/.stamp: requirements/bench.txt pyproject.toml tools/make_venv.sh
	@tools/make_venv.sh "$(PYTHON)" $(BENCH) requirements/bench.txt --with-project
	@touch $@

$(MUTATION)/.stamp: requirements/mutation.txt pyproject.toml tools/make_venv.sh
	@tools/make_venv.sh "$(PYTHON)" $(MUTATION) requirements/mutation.txt --with-project
	@touch $@

$(LOCK)/.stamp: requirements/lock.txt tools/make_venv.sh
	@tools/make_venv.sh "$(PYTHON)" $(LOCK) requirements/lock.txt
	@touch $@

$(ORACLE)/.stamp: requirements/oracle.txt tools/make_venv.sh
	@tools/make_venv.sh "$(PYTHON)" $(ORACLE) requirements/oracle.txt
	@touch $@

$(ORACLE)/talos-%: tools/talos/%.mod tools/talos/%.sum $(wildcard tools/talos/*.go) $(ORACLE)/.stamp
	@echo "building $@ …"
	@tools/talos/go.sh $(ORACLE) build -trimpath -tags talos$* -modfile=$*.mod -o ../../$@ .

$(ORACLE)/sops: tools/sops/go.mod tools/sops/go.sum $(ORACLE)/.stamp
	@echo "building $@ (some minutes) …"
	@tools/talos/go.sh $(ORACLE) build -C ../sops -trimpath -o ../../$@ github.com/getsops/sops/v3/cmd/sops

$(ORACLE)/dex: tools/dex/go.mod tools/dex/go.sum $(ORACLE)/.stamp
	@echo "building $@ (some minutes) …"
	@tools/talos/go.sh $(ORACLE) build -C ../dex -trimpath -o ../../$@ github.com/dexidp/dex/cmd/dex
