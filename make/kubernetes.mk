# The chart below packaging/kubernetes is rendered with Helm and compared with the schemas of Kubernetes.
KUBERNETES := .venv/kubernetes

test-packaging: $(ORACLE)/helm $(KUBERNETES)/.stamp .cache/servicemonitors.yaml

$(KUBERNETES)/.stamp: requirements/kubernetes.txt tools/make_venv.sh
	@tools/make_venv.sh "$(PYTHON)" $(KUBERNETES) requirements/kubernetes.txt
	@touch $@

$(ORACLE)/helm: tools/helm/go.mod tools/helm/go.sum $(ORACLE)/.stamp
	@echo "building $@ (some minutes) …"
	@tools/talos/go.sh $(ORACLE) build -C ../helm -trimpath -o ../../$@ helm.sh/helm/v3/cmd/helm

.cache/servicemonitors.yaml: tools/helm/servicemonitors.sh $(ORACLE)/.stamp
	@mkdir -p .cache
	@tools/helm/servicemonitors.sh $(ORACLE) $@
