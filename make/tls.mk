# Pebble, a small ACME server for tests, and its DNS server: certificates by ACME are tried at them (docs/https.md).
PEBBLE := github.com/letsencrypt/pebble/v2/cmd

test-packaging: $(ORACLE)/pebble

$(ORACLE)/pebble: tools/pebble/go.mod tools/pebble/go.sum $(ORACLE)/.stamp
	@echo "building $@ …"
	@tools/talos/go.sh $(ORACLE) build -C ../pebble -trimpath -o ../../$(ORACLE)/ $(PEBBLE)/pebble $(PEBBLE)/pebble-challtestsrv
	@touch $@
