package main

import (
	"cmp"
	"slices"
	"sync"
	_ "unsafe" // for go:linkname

	"github.com/siderolabs/talos/pkg/machinery/config/config"
	_ "github.com/siderolabs/talos/pkg/machinery/config/configloader" // registers every kind
)

// registered is Talos's own registry of kinds, which is private to its module. The fields are those of its type Registry.
//
//go:linkname registered github.com/siderolabs/talos/pkg/machinery/config/internal/registry.registry
var registered *struct {
	m     sync.Mutex
	kinds map[string]func(version string) config.Document
}

// legacy is the kind of the document without `kind`.
const legacy = "v1alpha1"

// apiVersions are those that are tried for each kind.
var apiVersions = []string{"v1alpha1", "v1alpha2", "v1beta1", "v1"}

// document is a kind of document: its key in the tables and an empty document.
type document struct {
	key   string
	empty config.Document
}

// documents returns every kind but the legacy one, by their keys.
func documents() []document {
	var found []document
	for kind, create := range registered.kinds {
		if kind == legacy {
			continue
		}
		for _, version := range apiVersions {
			if empty := create(version); empty != nil {
				found = append(found, document{version + "/" + kind, empty})
			}
		}
	}
	slices.SortFunc(found, func(a, b document) int { return cmp.Compare(a.key, b.key) })
	return found
}
