# What a release consists of (docs/verify.md), and what is known about the locked packages.
.PHONY: check-dependencies format-dependencies packages audit release bundle

check: check-dependencies
check-dependencies: $(DEV)/.stamp
	@$(DEV)/bin/python -m tools.release.dependencies

format: format-dependencies
format-dependencies: $(DEV)/.stamp
	@$(DEV)/bin/python -m tools.release.dependencies --write

packages: $(DEV)/.stamp $(LOCK)/.stamp ## requirements/packages.toml: licenses and release days of what is locked (after make lock)
	$(DEV)/bin/python -m tools.release.packages $(LOCK)/bin/uv
	$(DEV)/bin/python -m tools.release.dependencies --write

audit: $(DEV)/.stamp ## known vulnerabilities of the locked packages (pip-audit; needs its data)
	@$(DEV)/bin/python -m tools.release.dependencies --audit

# KEY is the SSH key that signs. ONLY builds a part, PYTHONS and ARCH choose what the bundle is for.
release: $(DEV)/.stamp ## dist/release: every artifact, SBOM, checksums, signature (KEY=~/.ssh/id_ed25519, ONLY="wheel zipapp sbom")
	@$(DEV)/bin/python -m tools.release.build dist/release $(if $(KEY),--key $(KEY)) $(if $(ONLY),--only $(ONLY))

bundle: release ## dist/bootgrant-VERSION-bundle-ARCH.tar: everything for a network without the internet (PYTHONS="3.11 3.13", ARCH=aarch64)
	@$(DEV)/bin/python -m tools.release.bundle dist/release $(if $(KEY),--key $(KEY)) \
		$(if $(PYTHONS),--python $(PYTHONS)) $(if $(ARCH),--architecture $(ARCH))
