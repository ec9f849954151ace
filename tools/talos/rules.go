package main

import (
	"encoding"
	"fmt"
	"net/url"
	"reflect"
	"strings"

	"github.com/siderolabs/talos/pkg/machinery/config/config"
	"github.com/siderolabs/talos/pkg/machinery/config/configloader"
	"github.com/siderolabs/talos/pkg/machinery/config/merge"
	"github.com/siderolabs/talos/pkg/machinery/config/types/v1alpha1"
)

// kind is a kind of document as rules.json has it. A rule is a path, a strategy, and the fields that are keys.
// Always has the fields that are written even if they are empty, as YAML.
type kind struct {
	Type             string            `json:"type"`
	Named            bool              `json:"named"`
	ConflictsWith    []string          `json:"conflictsWith,omitempty"`
	ClaimsLinkName   bool              `json:"claimsLinkName,omitempty"`
	ControlplaneOnly bool              `json:"controlplaneOnly,omitempty"`
	Rules            [][]any           `json:"rules,omitempty"`
	Always           map[string]string `json:"always,omitempty"`
}

func readKinds() map[string]kind {
	claims := linksAreClaimed()
	root := reflect.TypeFor[v1alpha1.Config]()
	found := map[string]kind{legacy: {Type: root.String(), Rules: rules(root, "", nil), Always: always(root, "")}}
	for _, document := range documents() {
		type_ := reflect.TypeOf(document.empty).Elem()
		_, named := document.empty.(config.NamedDocument)
		made := kind{Type: type_.String(), Named: named, Rules: rules(type_, "", nil), Always: always(type_, "")}
		if conflicting, ok := document.empty.(config.ConflictingDocument); ok {
			made.ConflictsWith = conflicting.ConflictsWithKinds()
		}
		made.ClaimsLinkName = claims && isLink(type_)
		made.ControlplaneOnly = has(type_, "ControlplaneOnlyDocument")
		found[document.key] = made
	}
	return found
}

// has looks for a method by its name: not every version has the interface that it belongs to.
func has(t reflect.Type, method string) bool {
	_, found := reflect.PointerTo(t).MethodByName(method)
	return found
}

// isLink says whether a type is config.NetworkCommonLinkConfig, which 1.11 does not have.
func isLink(t reflect.Type) bool {
	for _, method := range []string{"Up", "MTU", "Addresses", "Routes", "Multicast"} {
		if !has(t, method) {
			return false
		}
	}
	return true
}

// linksAreClaimed says whether two documents may not configure the same link, here the missing peers of two pairs.
func linksAreClaimed() bool {
	const two = "apiVersion: v1alpha1\nkind: VethConfig\nname: a\n---\napiVersion: v1alpha1\nkind: VethConfig\nname: b\n"
	_, err := configloader.NewFromBytes([]byte(two))
	return err != nil && strings.Contains(err.Error(), "conflicting link configurations")
}

// rules finds the fields below a struct that are merged otherwise than by their kind. Types above are not entered again.
func rules(t reflect.Type, path string, above []reflect.Type) [][]any {
	var found [][]any
	for _, field := range reflect.VisibleFields(t) {
		name, flags := tag(field)
		switch {
		case len(field.Index) > 1 || name == "-" || strings.Contains(flags, "u"):
		case flags == "i" && field.Type.Kind() == reflect.Map: // free YAML
		case flags == "i":
			found = append(found, rules(field.Type, path, above)...)
		case strings.Contains(flags, "r"):
			found = append(found, []any{below(path, name), "replace"})
		default:
			found = append(found, ruleOf(field.Type, below(path, name), false, above)...)
		}
	}
	return found
}

func below(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func ruleOf(t reflect.Type, path string, pointed bool, above []reflect.Type) [][]any {
	switch {
	case t.Kind() == reflect.Pointer:
		return ruleOf(t.Elem(), path, true, above)
	case has(t, "Merge"):
		return ownMerge(t, path, above)
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return [][]any{{path, "bytes-replace"}}
	case t.Kind() == reflect.Map && t.PkgPath() == "":
		return ruleOf(t.Elem(), path+"{}", false, above)
	case t.Kind() != reflect.Struct || t == reflect.TypeFor[any]():
		return nil
	case !scalar(t):
		for _, one := range above {
			if one == t {
				panic(fmt.Sprintf("%s at %s contains itself: the tables cannot say that", t, path))
			}
		}
		return rules(t, path, append(above, t))
	case holds(t, reflect.TypeFor[*url.URL]()):
		return [][]any{{path, "url-fieldwise"}}
	case allBytes(t):
		return [][]any{{path, "pem-whole"}}
	case unsettable(t) && pointed:
		return [][]any{{path, "unsettable-error"}}
	case unsettable(t):
		return [][]any{{path, "unsettable-always"}}
	case halves(t):
		return [][]any{{path, "size-either"}}
	default:
		panic(fmt.Sprintf("%s at %s has a form of its own, and no rule for it is known: add one to rules.go", t, path))
	}
}

func holds(t, one reflect.Type) bool {
	return t.NumField() == 1 && t.Field(0).Type == one
}

// allBytes says whether a struct is a certificate, a key, or both: its reader sets every one of them.
func allBytes(t reflect.Type) bool {
	for _, field := range reflect.VisibleFields(t) {
		if field.Type != reflect.TypeFor[[]byte]() {
			return false
		}
	}
	return true
}

// halves says whether a struct is two pointers, of which each is merged on its own.
func halves(t reflect.Type) bool {
	return t.NumField() == 2 && t.Field(0).Type.Kind() == reflect.Pointer && t.Field(1).Type.Kind() == reflect.Pointer
}

// unsettable tries to merge two empty values, which fails where a struct has private fields.
func unsettable(t reflect.Type) bool {
	err := guarded(func() error { return merge.Merge(reflect.New(t).Interface(), reflect.New(t).Interface()) })
	return err != nil
}

type merger interface{ Merge(other any) error }

// ownMerge tries what the Merge of a type does.
func ownMerge(t reflect.Type, path string, above []reflect.Type) [][]any {
	switch t.Kind() {
	case reflect.Map:
		return [][]any{{path, "map-overwrite"}}
	case reflect.Slice:
		return keyed(t, path, above)
	default:
		if clearsWithEmpty(t) {
			return [][]any{{path, "opaque-always"}}
		}
		return [][]any{{path, "opaque-nonzero"}}
	}
}

// Texts of which at least one can be read by each type that is merged as a whole.
var samples = []string{"10.0.0.0/8", "10.0.0.1", "10.0.0.1:80", "10GiB", "50%", "true"}

func clearsWithEmpty(t reflect.Type) bool {
	for _, sample := range samples {
		left := reflect.New(t)
		if left.Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(sample)) != nil {
			continue
		}
		if err := left.Interface().(merger).Merge(reflect.Zero(t).Interface()); err != nil {
			panic(fmt.Sprintf("merging an empty %s: %v", t, err))
		}
		return left.Elem().IsZero()
	}
	panic(fmt.Sprintf("no sample can be read as %s: add one to samples", t))
}

// keyed finds the fields by which the elements of a list are matched, and whether a match is merged or replaced.
func keyed(t reflect.Type, path string, above []reflect.Type) [][]any {
	element := t.Elem()
	if element.Kind() == reflect.Pointer {
		element = element.Elem()
	}
	keys, merged := []string{}, true
	for at := range element.NumField() {
		if !isKey(t, element, at) {
			continue
		}
		name, _ := tag(element.Field(at))
		keys = append(keys, name)
		merged = merged && keepsOther(t, element, at)
	}
	if len(keys) == 0 {
		panic(fmt.Sprintf("%s at %s has a Merge, and no field is its key", t, path))
	}
	if !merged {
		return [][]any{{path, "keyed-replace", keys}}
	}
	return append([][]any{{path, "keyed-merge", keys}}, rules(element, path+"[]", append(above, element))...)
}

// isKey says whether elements that differ in a field only stay apart, and those that are equal become one.
func isKey(list, element reflect.Type, at int) bool {
	one, other, ok := twoValues(element.Field(at).Type)
	if !ok {
		return false
	}
	apart := mergedLists(list, with(element, at, one), with(element, at, other))
	same := mergedLists(list, with(element, at, one), with(element, at, one))
	return apart.Len() == 2 && same.Len() == 1
}

// keepsOther says whether another field of the left element is still set after a merge with one that lacks it.
func keepsOther(list, element reflect.Type, at int) bool {
	key, _, _ := twoValues(element.Field(at).Type)
	for other := range element.NumField() {
		value, _, ok := twoValues(element.Field(other).Type)
		if other == at || !ok {
			continue
		}
		left := with(element, at, key)
		left.Elem().Field(other).Set(value)
		merged := mergedLists(list, left, with(element, at, key)).Index(0)
		return !reflect.Indirect(merged).Field(other).IsZero()
	}
	panic(fmt.Sprintf("%s has no other field than its key", element))
}

func with(element reflect.Type, at int, value reflect.Value) reflect.Value {
	made := reflect.New(element)
	made.Elem().Field(at).Set(value)
	return made
}

func mergedLists(list reflect.Type, left, right reflect.Value) reflect.Value {
	merged := reflect.New(list)
	merged.Elem().Set(listOf(list, left))
	if err := merged.Interface().(merger).Merge(listOf(list, right).Interface()); err != nil {
		panic(fmt.Sprintf("merging %s: %v", list, err))
	}
	return merged.Elem()
}

func listOf(list reflect.Type, element reflect.Value) reflect.Value {
	if list.Elem().Kind() != reflect.Pointer {
		element = element.Elem()
	}
	return reflect.Append(reflect.MakeSlice(list, 0, 1), element)
}

// twoValues makes two different values of a type that can be a key: texts, numbers, structs that begin with a text,
// or free YAML.
func twoValues(t reflect.Type) (one, other reflect.Value, ok bool) {
	one, other = reflect.New(t).Elem(), reflect.New(t).Elem()
	switch {
	case t.Kind() == reflect.String:
		one.SetString("a")
		other.SetString("b")
	case one.CanInt():
		one.SetInt(1)
		other.SetInt(2)
	case one.CanUint():
		one.SetUint(1)
		other.SetUint(2)
	case t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct && t.Elem().NumField() > 0 &&
		t.Elem().Field(0).Type.Kind() == reflect.String && t.Elem().Field(0).IsExported():
		one.Set(reflect.New(t.Elem()))
		other.Set(reflect.New(t.Elem()))
		one.Elem().Field(0).SetString("a")
		other.Elem().Field(0).SetString("b")
	case t.Kind() == reflect.Struct && t.NumField() == 1 && t.Field(0).Type.Kind() == reflect.Map:
		one.Field(0).Set(reflect.ValueOf(map[string]any{"a": "a"}))
		other.Field(0).Set(reflect.ValueOf(map[string]any{"b": "b"}))
	default:
		return one, other, false
	}
	return one, other, true
}
