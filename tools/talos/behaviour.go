package main

import (
	"github.com/siderolabs/talos/pkg/machinery/config/configloader"
	"github.com/siderolabs/talos/pkg/machinery/config/configpatcher"
	"github.com/siderolabs/talos/pkg/machinery/config/merge"
)

// behaviour is what differs between releases in how they read and merge, whatever the type.
type behaviour struct {
	// ZeroOverridesPointers: 0 and "" of a patch replace what a pointer points to.
	ZeroOverridesPointers bool `json:"zeroOverridesPointers"`
	// PatchesRepeatDocuments: a patch may have the same document twice.
	PatchesRepeatDocuments bool `json:"patchesRepeatDocuments"`
	// ArgumentLists: arguments of Kubernetes components can be lists.
	ArgumentLists bool `json:"argumentLists"`
	// ElementsByForm: the element to delete can be named by an address, a number with a text, or another text form.
	ElementsByForm bool `json:"elementsByForm"`
	// DeletesInline: fields that a kind shares with others (such as mtu of links) can be deleted.
	DeletesInline bool `json:"deletesInline"`
	// ZeroDurations: 0 without a unit is a duration.
	ZeroDurations bool `json:"zeroDurations"`
	// FloatDurations: a number with an exponent is a duration in nanoseconds.
	FloatDurations bool `json:"floatDurations"`
	// NegativeSizes: the size of a volume may begin with a minus.
	NegativeSizes bool `json:"negativeSizes"`
	// DatesAreTexts: a date without quotes can be given for a text.
	DatesAreTexts bool `json:"datesAreTexts"`
	// LenientScalars: fractions of whole numbers are cut off; by the same YAML library, {} is an empty text form.
	LenientScalars bool `json:"lenientScalars"`
}

const (
	rule = "apiVersion: v1alpha1\nkind: NetworkRuleConfig\nname: a\n"
	link = "apiVersion: v1alpha1\nkind: LinkConfig\nname: a\n"
	volume = "apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: a\n"
)

func readBehaviour() behaviour {
	left, right := 1, 0
	one, other := struct{ P *int }{&left}, struct{ P *int }{&right}
	if err := merge.Merge(&one, &other); err != nil {
		panic(err)
	}
	return behaviour{
		ZeroOverridesPointers:  *one.P == 0,
		PatchesRepeatDocuments: isPatch("debug: true\n---\ndebug: true\n"),
		ArgumentLists:          loads("cluster: {apiServer: {extraArgs: {a: [b]}}}\n"),
		ElementsByForm:         composes(rule, "ingress: [{subnet: 10.0.0.0/8, $patch: delete}]\n"),
		DeletesInline:          composes(link, "mtu: {$patch: delete}\n"),
		ZeroDurations:          loads("machine: {time: {bootTimeout: 0}}\n"),
		FloatDurations:         loads("machine: {time: {bootTimeout: 1e9}}\n"),
		NegativeSizes:          loads(volume + "provisioning: {minSize: -1GB}\n"),
		DatesAreTexts:          loads("machine: {token: 2024-01-02}\n"),
		LenientScalars:         loads("machine: {network: {interfaces: [{interface: a, mtu: 1500.5}]}}\n"),
	}
}

func loads(text string) bool {
	_, err := configloader.NewFromBytes([]byte(text))
	return err == nil
}

// composes says whether a document with a subnet or an mtu can be patched so.
func composes(header, change string) bool {
	values := map[string]string{rule: "ingress: [{subnet: 10.0.0.0/8}]\n", link: "mtu: 9000\n"}
	return patch([]byte(header+values[header]), []string{header + change}).Error == nil
}

func isPatch(text string) bool {
	_, err := configpatcher.LoadPatch([]byte(text))
	return err == nil
}
