# Pebble, a small ACME server for tests, and its DNS server: certificates by ACME are tried at them (docs/https.md).
PEBBLE := github.com/letsencrypt/pebble/v2/cmd

.PHONY: tls-packages

test-packaging: $(ORACLE)/pebble tls-packages

# Chromium and what installs an authority for it.
tls-packages:
	@tools/debian_packages.sh tests/debian-packages.txt
	@tools/debian_packages.sh tests/packaging_real/debian-packages.txt

$(ORACLE)/pebble: tools/pebble/go.mod tools/pebble/go.sum $(ORACLE)/.stamp
	@echo "building $@ …"
	@tools/talos/go.sh $(ORACLE) build -C ../pebble -trimpath -o ../../$(ORACLE)/ $(PEBBLE)/pebble $(PEBBLE)/pebble-challtestsrv
	@touch $@
