package main

import (
	"encoding/json"
	"io"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/siderolabs/talos/pkg/machinery/cel/celenv"
)

// A signature is [whether it is a method, the types of its arguments, the type of its result].
type signature [3]any

type environment struct {
	Files          []string               `json:"files"`
	Functions      map[string][]signature `json:"functions"`
	Macros         []string               `json:"macros"`
	Names          map[string]string      `json:"names"`
	OptionalSyntax bool                   `json:"optional_syntax"`
}

type release struct {
	Constants      map[string]map[string][]string          `json:"constants"`
	DotSkipsLocals bool                                    `json:"dot_skips_locals"`
	Environments   map[string]environment                  `json:"environments"`
	EscapedNames   bool                                    `json:"escaped_names"`
	Functions      map[string][]signature                  `json:"functions"`
	Macros         []string                                `json:"macros"`
	Messages       map[string]map[string]map[string]string `json:"messages"`
	Types          map[string]string                       `json:"types"`
}

// The names that no message has; the others are found by asking for every message that is linked in.
var scalars = []string{
	"bool", "bytes", "double", "dyn", "int", "list", "map", "null_type", "optional_type", "string", "type", "uint",
}

// expressions writes what the CEL expressions of this Talos release can name: variables, functions, macros, messages,
// constants, as in src/bootgrant/machines/talos/cel/releases. Nothing is listed by hand: the environments are those of
// pkg/machinery/cel/celenv, and each of them is asked what it knows.
func expressions(out io.Writer) error {
	empty := celenv.Empty()
	tables := release{
		Constants:      map[string]map[string][]string{},
		DotSkipsLocals: !compiles(empty, "[1].all(x, .x == 1)"),
		Environments:   map[string]environment{},
		EscapedNames:   parses(empty, "a.`b`"),
		Functions:      functions(empty),
		Macros:         macros(empty),
		Messages:       map[string]map[string]map[string]string{},
		Types:          typeNames(empty),
	}

	for name, env := range environments() {
		own := environment{
			Functions:      less(functions(env), tables.Functions),
			Macros:         []string{},
			Names:          typeNames(env),
			OptionalSyntax: parses(env, "a.?b"),
		}
		for _, macro := range macros(env) {
			if !slices.Contains(tables.Macros, macro) {
				own.Macros = append(own.Macros, macro)
			}
		}
		for _, variable := range env.Variables() {
			own.Names[variable.Name()] = variable.Type().String()
		}
		for known := range tables.Types {
			delete(own.Names, known)
		}
		own.Files = tables.addFiles(env)
		tables.Environments[name] = own
	}

	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(tables)
}

func parses(env *cel.Env, expression string) bool {
	_, issues := env.Parse(expression)
	return issues.Err() == nil
}

func compiles(env *cel.Env, expression string) bool {
	_, issues := env.Compile(expression)
	return issues.Err() == nil
}

func functions(env *cel.Env) map[string][]signature {
	found := map[string][]signature{}
	for name, function := range env.Functions() {
		if function.IsDeclarationDisabled() {
			continue
		}
		for _, overload := range function.OverloadDecls() {
			arguments := []string{}
			for _, argument := range overload.ArgTypes() {
				arguments = append(arguments, argument.String())
			}
			found[name] = append(found[name], signature{overload.IsMemberFunction(), arguments, overload.ResultType().String()})
		}
	}
	return found
}

// less returns the signatures that an environment adds; cel-go appends them to those of the standard library.
func less(all, standard map[string][]signature) map[string][]signature {
	added := map[string][]signature{}
	for name, signatures := range all {
		if rest := signatures[len(standard[name]):]; len(rest) > 0 {
			added[name] = rest
		}
	}
	return added
}

func macros(env *cel.Env) []string {
	keys := []string{}
	for _, macro := range env.Macros() {
		keys = append(keys, macro.MacroKey())
	}
	slices.Sort(keys)
	return keys
}

// typeNames returns the types of the names of types, without those of messages that are plain messages.
func typeNames(env *cel.Env) map[string]string {
	provider := env.CELTypeProvider()
	found := map[string]string{}
	add := func(name string) {
		text := ""
		if ident, ok := provider.FindIdent(name); ok {
			if named, ok := ident.(*types.Type); ok {
				text = types.NewTypeTypeWithParam(named).String()
			}
		} else if named, ok := provider.FindStructType(name); ok {
			text = named.String()
		}
		if _, isMessage := provider.FindStructFieldNames(name); text != "" && !(isMessage && text == "type("+name+")") {
			found[name] = text
		}
	}
	for _, name := range scalars {
		add(name)
	}
	eachMessage(func(message protoreflect.MessageDescriptor) { add(string(message.FullName())) })
	return found
}

// addFiles adds the messages and constants that an environment knows, and returns the files that they are in.
func (tables *release) addFiles(env *cel.Env) []string {
	provider := env.CELTypeProvider()
	files := map[string]bool{}
	eachMessage(func(message protoreflect.MessageDescriptor) {
		name := string(message.FullName())
		fields, known := provider.FindStructFieldNames(name)
		if !known {
			return
		}
		file := message.ParentFile().Path()
		files[file] = true
		if tables.Messages[file] == nil {
			tables.Messages[file] = map[string]map[string]string{}
		}
		tables.Messages[file][name] = map[string]string{}
		for _, field := range fields {
			if found, ok := provider.FindStructFieldType(name, field); ok {
				tables.Messages[file][name][field] = found.Type.String()
			}
		}
	})
	eachEnum(func(enum protoreflect.EnumDescriptor) {
		values := []string{}
		for i := range enum.Values().Len() {
			value := string(enum.Values().Get(i).Name())
			if provider.EnumValue(string(enum.FullName())+"."+value).Type() == types.IntType {
				values = append(values, value)
			}
		}
		if len(values) == 0 {
			return
		}
		file := enum.ParentFile().Path()
		files[file] = true
		if tables.Constants[file] == nil {
			tables.Constants[file] = map[string][]string{}
		}
		tables.Constants[file][string(enum.FullName())] = values
	})

	sorted := []string{}
	for file := range files {
		sorted = append(sorted, file)
	}
	slices.SortFunc(sorted, strings.Compare)
	return sorted
}

type container interface {
	Messages() protoreflect.MessageDescriptors
	Enums() protoreflect.EnumDescriptors
}

func eachContainer(parent container, visit func(container)) {
	visit(parent)
	for i := range parent.Messages().Len() {
		eachContainer(parent.Messages().Get(i), visit)
	}
}

func eachMessage(visit func(protoreflect.MessageDescriptor)) {
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		eachContainer(file, func(found container) {
			if message, ok := found.(protoreflect.MessageDescriptor); ok {
				visit(message)
			}
		})
		return true
	})
}

func eachEnum(visit func(protoreflect.EnumDescriptor)) {
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		eachContainer(file, func(found container) {
			for i := range found.Enums().Len() {
				visit(found.Enums().Get(i))
			}
		})
		return true
	})
}
