# The image of the server as an OCI archive. Without BASE it is made on the small Debian of make/packaging.mk, so that
# neither a registry nor a daemon is needed.
IMAGE_RELEASE ?= trixie
IMAGE_VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"$$/\1/p' src/bootgrant/__init__.py)
IMAGE_ARCH = $(shell dpkg --print-architecture 2>/dev/null || uname -m)

.PHONY: image

ifdef BASE
image: ## dist/*.oci.tar, an image of the server on BASE=python:3.13-slim or, without BASE, on a small Debian (buildah)
	@PACKAGES="$(PACKAGES)" tools/build_image.sh dist/bootgrant-$(IMAGE_VERSION)-$(IMAGE_ARCH).oci.tar "$(BASE)"
else
image: .cache/roots/$(IMAGE_RELEASE).tar
	@tools/debian_packages.sh tests/packaging_real/debian-packages.txt
	@PACKAGES="$(PACKAGES)" tools/build_image.sh dist/bootgrant-$(IMAGE_VERSION)-$(IMAGE_ARCH).oci.tar \
	    localhost/bootgrant-base:$(IMAGE_RELEASE) $<
endif
	@ls -l dist/bootgrant-$(IMAGE_VERSION)-$(IMAGE_ARCH).oci.tar

# The reference implementation of the compose file format, which reads packaging/compose.
$(ORACLE)/compose: $(wildcard tools/compose/*) $(ORACLE)/.stamp
	@echo "building $@ …"
	@tools/talos/go.sh $(ORACLE) build -C ../compose -trimpath -o ../../$@ .

test-packaging: .venv/oracle/compose
