package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"github.com/siderolabs/talos/pkg/machinery/config/merge"
)

// strategies explains the rules, for the readers of rules.json.
var strategies = [][2]string{
	{"replace", "merge:\"replace\" tag: a non-zero right value replaces the left one whole ([] is non-zero and replaces; null and, for Unstructured, {} are zero and keep)"},
	{"keyed-merge", "list: an element whose key equals that of a left element is merged into the first such element, else appended; null element in the patch = panic"},
	{"keyed-replace", "list: an element whose key equals that of a left element (last one on duplicates) replaces it whole, else appended; elements appended by this patch are not keys for later ones"},
	{"map-overwrite", "extraArgs: per key the right value (string or list) overwrites whole, \"\" and null included"},
	{"opaque-nonzero", "parsed scalar (address, prefix, address:port): right replaces unless absent/empty"},
	{"opaque-always", "parsed scalar whose Merge always copies: a patch of the same DOCUMENT that lacks the field clears it (unless it sits behind a pointer struct the patch lacks)"},
	{"size-either", "{percentage, bytes} pair: each side replaced if given; when both are set, bytes is what is written"},
	{"url-fieldwise", "net/url fields merged one by one: scheme, opaque, host, path, rawpath, query, fragment kept from the left where the right has none; userinfo over userinfo = error"},
	{"pem-whole", "crt/key pair (or key): present and non-null in the patch => both replaced, a missing one becomes \"\""},
	{"bytes-replace", "byte slice: non-null right replaces (also with empty)"},
	{"unsettable-error", "right over an existing left = error \"merge not possible, left ... is not settable\" (adding where absent is fine)"},
	{"unsettable-always", "a struct with private fields, by value: merging the struct around it = that error, even if neither side has the field"},
}

// tables writes the two files of a version.
func tables(folder, from string) error {
	read := readSchema()
	source := fmt.Sprintf("siderolabs/talos %s pkg/machinery", from)
	written := bytes.Buffer{}
	fmt.Fprintf(&written, "{\n\"source\":%s,\n\"roots\":%s,\n\"types\":{\n", compact(source), compact(read.roots))
	writeLines(&written, read.types, slices.Sorted(maps.Keys(read.types)))
	written.WriteString("}}\n")
	if err := os.WriteFile(filepath.Join(folder, "schema.json"), written.Bytes(), 0o644); err != nil {
		return err
	}

	kinds := readKinds()
	order := slices.Sorted(maps.Keys(kinds))
	slices.SortStableFunc(order, func(a, b string) int { return cmp.Compare(boolNumber(a == legacy), boolNumber(b == legacy)) })
	written.Reset()
	fmt.Fprintf(&written, "{\n\"source\":%s,\n\"strategies\":{\n", compact(source))
	for at, one := range strategies {
		fmt.Fprintf(&written, " %s:%s%s\n", compact(one[0]), compact(one[1]), comma(at, len(strategies)))
	}
	fmt.Fprintf(&written, "},\n\"zeroOverridesPointers\":%t,\n\"kinds\":{\n", zeroOverridesPointers())
	writeLines(&written, kinds, order)
	written.WriteString("}}\n")
	return os.WriteFile(filepath.Join(folder, "rules.json"), written.Bytes(), 0o644)
}

func writeLines[V any](written *bytes.Buffer, values map[string]V, order []string) {
	for at, name := range order {
		fmt.Fprintf(written, " %s:%s%s\n", compact(name), compact(values[name]), comma(at, len(order)))
	}
}

func comma(at, count int) string {
	if at == count-1 {
		return ""
	}
	return ","
}

// compact writes JSON on one line, without the escapes that are for web pages.
func compact(value any) string {
	written := bytes.Buffer{}
	encoder := json.NewEncoder(&written)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err)
	}
	return string(bytes.TrimSpace(written.Bytes()))
}

// zeroOverridesPointers says whether 0 and "" of a patch replace what a pointer points to. Talos 1.11 keeps it.
func zeroOverridesPointers() bool {
	left, right := 1, 0
	one, other := struct{ P *int }{&left}, struct{ P *int }{&right}
	if err := merge.Merge(&one, &other); err != nil {
		panic(err)
	}
	return reflect.ValueOf(one).Field(0).Elem().Int() == 0
}

func boolNumber(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
