package main

import (
	"maps"
	"reflect"
	"strings"

	"github.com/siderolabs/talos/pkg/machinery/config/encoder"
)

// always finds the fields below a struct that Talos writes even if they are empty, with the YAML that it writes.
// Certificates count as scalars, and the kind of a document is left out.
func always(t reflect.Type, path string) map[string]string {
	found := map[string]string{}
	var empty map[string]string
	for _, field := range reflect.VisibleFields(t) {
		name, flags := tag(field)
		if len(field.Index) > 1 || name == "-" || strings.Contains(flags, "u") {
			continue
		}
		if flags == "i" {
			if field.Type.Kind() == reflect.Struct {
				maps.Copy(found, always(field.Type, path))
			}
			continue
		}
		at := below(path, name)
		if !strings.Contains(flags, "o") && at != "kind" {
			if empty == nil {
				empty = emptyFields(t)
			}
			found[at] = empty[name]
		}
		maps.Copy(found, alwaysBelow(field.Type, at))
	}
	return found
}

func alwaysBelow(t reflect.Type, path string) map[string]string {
	switch {
	case t.Kind() == reflect.Pointer:
		return alwaysBelow(t.Elem(), path)
	case scalar(t) || foreign(t) && t.PkgPath() != "":
		return nil
	case t.Kind() == reflect.Slice:
		return alwaysBelow(t.Elem(), path+"[]")
	case t.Kind() == reflect.Map:
		return alwaysBelow(t.Elem(), path+"{}")
	case t.Kind() == reflect.Struct:
		return always(t, path)
	default:
		return nil
	}
}

// emptyFields returns what Talos writes for each field of an empty struct.
func emptyFields(t reflect.Type) map[string]string {
	text, err := encoder.NewEncoder(reflect.New(t).Interface(), encoder.WithComments(encoder.CommentsDisabled)).Encode()
	if err != nil {
		panic(err)
	}
	found, name := map[string]string{}, ""
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, " ") {
			name, line, _ = strings.Cut(line, ":")
		}
		found[name] += strings.TrimPrefix(strings.TrimPrefix(line, " "), "   ")
	}
	for name := range found {
		found[name] = strings.Trim(found[name], "\n")
	}
	return found
}
