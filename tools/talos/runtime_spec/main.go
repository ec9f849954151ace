// Command runtime_spec writes the structures of the OCI runtime specification that a release of Talos reads into
// src/bootgrant/machines/talos/validation/runtime_spec.json. It is built with the module file of that release:
//
//	runtime_spec FILE RELEASE
//
// A release that reads what the release before it does has no entry.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// structures are the fields of each structure, and their types.
type structures map[string]map[string]string

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "runtime_spec:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: runtime_spec FILE RELEASE")
	}
	known := map[string]structures{}
	if content, err := os.ReadFile(args[0]); err == nil {
		if err := json.Unmarshal(content, &known); err != nil {
			return err
		}
	}
	found := structures{}
	found.name(reflect.TypeFor[specs.Spec]())
	known[args[1]] = found
	return os.WriteFile(args[0], written(known), 0o644)
}

// name returns the name of a type, and adds the structures in it. Pointers are left out.
func (found structures) name(of reflect.Type) string {
	switch of.Kind() {
	case reflect.Pointer:
		return found.name(of.Elem())
	case reflect.Slice, reflect.Array:
		return "[]" + found.name(of.Elem())
	case reflect.Map:
		return "map:" + found.name(of.Elem())
	case reflect.Struct:
		if _, known := found[of.Name()]; !known {
			found[of.Name()] = map[string]string{}
			found.addFields(of, found[of.Name()])
		}
		return of.Name()
	default:
		return of.Kind().String()
	}
}

func (found structures) addFields(of reflect.Type, fields map[string]string) {
	for at := range of.NumField() {
		field := of.Field(at)
		key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous && key == "":
			found.addFields(field.Type, fields)
		case key == "":
			fields[field.Name] = found.name(field.Type)
		case key != "-":
			fields[key] = found.name(field.Type)
		}
	}
}

// written has one line for each structure, and leaves out releases without a change.
func written(known map[string]structures) []byte {
	releases := slices.SortedFunc(maps.Keys(known), func(a, b string) int { return minor(a) - minor(b) })
	releases = slices.CompactFunc(releases, func(a, b string) bool { return reflect.DeepEqual(known[a], known[b]) })
	content := bytes.Buffer{}
	content.WriteString("{\n")
	for at, release := range releases {
		fmt.Fprintf(&content, " %q: {\n", release)
		names := slices.Sorted(maps.Keys(known[release]))
		for place, name := range names {
			fields, _ := json.Marshal(known[release][name])
			fmt.Fprintf(&content, "  %q: %s%s\n", name, fields, comma(place, len(names)))
		}
		fmt.Fprintf(&content, " }%s\n", comma(at, len(releases)))
	}
	content.WriteString("}\n")
	return content.Bytes()
}

func minor(release string) int {
	_, text, _ := strings.Cut(release, ".")
	number, _ := strconv.Atoi(text)
	return number
}

func comma(at, count int) string {
	if at == count-1 {
		return ""
	}
	return ","
}
