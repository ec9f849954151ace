package main

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/siderolabs/talos/pkg/machinery/config/types/v1alpha1"
)

// described is a type as schema.json has it. A field is its name in YAML, its type, and its flags:
// o is left out when empty, i is inline, r replaces what it is merged into, u is private to Go.
type described struct {
	Kind   string            `json:"kind"`
	Elem   string            `json:"elem,omitempty"`
	Key    string            `json:"key,omitempty"`
	Enum   map[string]string `json:"enum,omitempty"`
	Traits []string          `json:"traits,omitempty"`
	Fields *[][3]string      `json:"fields,omitempty"`
}

// schema is schema.json: the type of each kind of document, and every type that is reached from them.
type schema struct {
	roots map[string]string
	types map[string]described
}

func readSchema() schema {
	found := schema{map[string]string{}, map[string]described{}}
	root := reflect.TypeFor[v1alpha1.Config]()
	found.roots["/"+legacy] = root.String()
	found.add(root)
	for _, document := range documents() {
		type_ := reflect.TypeOf(document.empty).Elem()
		found.roots[document.key] = type_.String()
		found.add(type_)
	}
	return found
}

// add describes a type and what is below it. What is below a type with a text form of its own is never seen in YAML.
func (s schema) add(t reflect.Type) {
	switch {
	case t.PkgPath() == "" && (t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map):
		s.add(t.Elem())
	case t.PkgPath() == "" || foreign(t):
		return
	default:
		if _, known := s.types[t.String()]; known {
			return
		}
		made := described{Kind: t.Kind().String(), Traits: traits(t)}
		s.types[t.String()] = made
		switch t.Kind() {
		case reflect.Struct:
			made.Fields = s.fields(t)
		case reflect.Slice:
			made.Elem = t.Elem().String()
			s.addBelow(t, t.Elem())
		case reflect.Map:
			made.Elem, made.Key = t.Elem().String(), t.Key().String()
			s.addBelow(t, t.Elem())
		case reflect.String:
		default:
			made.Enum = enum(t)
		}
		s.types[t.String()] = made
	}
}

func (s schema) addBelow(owner, t reflect.Type) {
	if !scalar(owner) {
		s.add(t)
	}
}

func (s schema) fields(t reflect.Type) *[][3]string {
	found := [][3]string{}
	for _, field := range reflect.VisibleFields(t) {
		if len(field.Index) > 1 {
			continue
		}
		name, flags := tag(field)
		if name == "-" {
			continue
		}
		found = append(found, [3]string{name, goName(field.Type), flags})
		if !strings.Contains(flags, "u") {
			s.addBelow(t, field.Type)
		}
	}
	return &found
}

// goName is the name of a type as people write it.
func goName(t reflect.Type) string {
	return strings.ReplaceAll(t.String(), "interface {}", "any")
}

// tag reads the name of a field in YAML and its flags.
func tag(field reflect.StructField) (name, flags string) {
	name, rest, _ := strings.Cut(field.Tag.Get("yaml"), ",")
	options := strings.Split(rest, ",")
	if slices.Contains(options, "inline") {
		return "", "i"
	}
	if name == "" {
		name = strings.ToLower(field.Name)
	}
	if slices.Contains(options, "omitempty") {
		flags += "o"
	}
	if slices.Contains(strings.Split(field.Tag.Get("merge"), ","), "replace") {
		flags += "r"
	}
	if !field.IsExported() {
		flags += "u"
	}
	return name, flags
}

// foreign says whether a type is of another library and written as text.
func foreign(t reflect.Type) bool {
	return !strings.Contains(t.PkgPath(), "siderolabs/") && t.PkgPath() != "time"
}

// The methods that give a type a form or a merge of its own, in the order of the tables.
var methods = []string{"Merge", "MarshalYAML", "UnmarshalYAML", "MarshalText", "UnmarshalText", "String", "IsZero"}

// traits names those methods: with v if values have it, with p if only pointers have it.
func traits(t reflect.Type) []string {
	var found []string
	for _, name := range methods {
		method, has := reflect.PointerTo(t).MethodByName(name)
		if !has {
			continue
		}
		if name == "UnmarshalYAML" {
			name = map[bool]string{true: "UnmarshalYAML(func)", false: "UnmarshalYAML(node)"}[method.Type.In(1).Kind() == reflect.Func]
		}
		_, ofValue := t.MethodByName(method.Name)
		found = append(found, name+":"+map[bool]string{true: "v", false: "p"}[ofValue])
	}
	return found
}

// scalar says whether a type reads its own YAML, so that the tables have a form for it and not its fields. A list with a
// reader for the whole list is still a list.
func scalar(t reflect.Type) bool {
	_, text := reflect.PointerTo(t).MethodByName("UnmarshalText")
	yaml, own := reflect.PointerTo(t).MethodByName("UnmarshalYAML")
	return text || own && yaml.Type.In(1).Kind() == reflect.Func
}

// enum finds the numbers of a type that have a text, by trying all of 16 bits. Bare numbers are no texts.
func enum(t reflect.Type) map[string]string {
	if !reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return nil
	}
	found := map[string]string{}
	for number := range 1 << 16 {
		text, ok := textOf(t, number)
		if ok {
			found[strconv.Itoa(number)] = text
		}
	}
	return found
}

func textOf(t reflect.Type, number int) (string, bool) {
	value := reflect.New(t)
	if overflows(value.Elem(), number) {
		return "", false
	}
	text := fmt.Sprint(value.Elem().Interface())
	if _, err := strconv.Atoi(text); err == nil {
		return "", false
	}
	back := reflect.New(t)
	if err := back.Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)); err != nil {
		return "", false
	}
	return text, back.Elem().Equal(value.Elem())
}

// overflows sets a number, or says that the type cannot hold it.
func overflows(value reflect.Value, number int) bool {
	if value.CanInt() {
		value.SetInt(int64(number))
		return value.Int() != int64(number)
	}
	value.SetUint(uint64(number))
	return value.Uint() != uint64(number)
}
