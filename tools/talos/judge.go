package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/hashicorp/go-multierror"
	"github.com/siderolabs/talos/pkg/machinery/config"
	"github.com/siderolabs/talos/pkg/machinery/config/configloader"
	"github.com/siderolabs/talos/pkg/machinery/config/configpatcher"
	"github.com/siderolabs/talos/pkg/machinery/config/validation"
)

// question is a line of the input. Op is "patch" (config, patches) or "validate" (config).
type question struct {
	Op      string   `json:"op"`
	Config  string   `json:"config"`
	Patches []string `json:"patches"`
}

// patched answers "patch". A panic of the reference is an error that starts with "panic: ".
type patched struct {
	Output *string `json:"output,omitempty"`
	Error  *string `json:"error,omitempty"`
}

// validated answers "validate". LoadError is set when the configuration cannot be read at all.
// Errors are sorted. BootErrors and StrictErrors are those that a booting machine and strict mode add; Incomplete says that it has no
// v1alpha1 document, so a machine stays in maintenance mode.
type validated struct {
	LoadError    *string  `json:"load_error"`
	Errors       []string `json:"errors"`
	Warnings     []string `json:"warnings"`
	BootErrors   []string `json:"boot_errors,omitempty"`
	StrictErrors []string `json:"strict_errors,omitempty"`
	Incomplete   bool     `json:"incomplete,omitempty"`
}

// metal is the mode of `talosctl validate --mode metal`: a machine that is installed on a disk.
type metal struct{}

func (metal) String() string        { return "metal" }
func (metal) RequiresInstall() bool { return true }
func (metal) InContainer() bool     { return false }

// judge answers each line of the input with one line of the output, until the input ends.
func judge(in io.Reader, out io.Writer) error {
	reader, writer := bufio.NewReader(in), bufio.NewWriter(out)
	answers := json.NewEncoder(writer)
	answers.SetEscapeHTML(false)
	for {
		line, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		} else if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		answer, err := answer(line)
		if err != nil {
			return err
		}
		if err := answers.Encode(answer); err != nil {
			return err
		}
		if err := writer.Flush(); err != nil {
			return err
		}
	}
}

func answer(line []byte) (any, error) {
	var asked question
	if err := json.Unmarshal(line, &asked); err != nil {
		return nil, err
	}
	switch asked.Op {
	case "patch":
		return patch([]byte(asked.Config), asked.Patches), nil
	case "validate":
		return validate([]byte(asked.Config)), nil
	default:
		return nil, fmt.Errorf("there is no operation %q: write patch or validate", asked.Op)
	}
}

// guarded calls f, and turns a panic into an error.
func guarded(f func() error) (err error) {
	defer func() {
		if recovered := recover(); recovered != nil {
			err = fmt.Errorf("panic: %v", recovered)
		}
	}()
	return f()
}

// patch reads every patch before it applies the first one, as talosctl does, each patch on its own.
func patch(source []byte, texts []string) patched {
	var output string
	err := guarded(func() error {
		patches := make([]configpatcher.Patch, 0, len(texts))
		for _, text := range texts {
			read, err := configpatcher.LoadPatch([]byte(text))
			if err != nil {
				return err
			}
			patches = append(patches, read)
		}
		result, err := configpatcher.Apply(configpatcher.WithBytes(source), patches)
		if err != nil {
			return err
		}
		written, err := result.Bytes()
		output = string(written)
		return err
	})
	if err != nil {
		message := err.Error()
		return patched{Error: &message}
	}
	return patched{Output: &output}
}

func validate(source []byte) validated {
	found := validated{Errors: []string{}, Warnings: []string{}}
	var provider config.Provider
	err := guarded(func() error {
		var err error
		provider, err = configloader.NewFromBytes(source)
		return err
	})
	if err != nil {
		message := err.Error()
		found.LoadError = &message
		return found
	}
	found.Warnings, found.Errors = verdict(provider, validation.WithLocal())
	_, boot := verdict(provider)
	_, strict := verdict(provider, validation.WithLocal(), validation.WithStrict())
	found.BootErrors = added(boot, found.Errors)
	found.StrictErrors = added(strict, found.Errors)
	found.Incomplete = !provider.CompleteForBoot()
	return found
}

func verdict(provider config.Provider, options ...validation.Option) (warnings, messages []string) {
	warnings, messages = []string{}, []string{}
	err := guarded(func() error {
		found, err := provider.Validate(metal{}, options...)
		warnings = append(warnings, found...)
		return err
	})
	for _, one := range flat(err) {
		messages = append(messages, one.Error())
	}
	slices.Sort(messages)
	return warnings, messages
}

// flat returns the errors of a list of errors, however deep, each with what the errors around it say in front.
func flat(err error) []error {
	var many *multierror.Error
	if err == nil {
		return nil
	}
	if !errors.As(err, &many) {
		return []error{err}
	}
	around, wrapped := strings.CutSuffix(err.Error(), many.Error())
	if !wrapped {
		return []error{err}
	}
	var found []error
	for _, inner := range many.Errors {
		for _, one := range flat(inner) {
			found = append(found, fmt.Errorf("%s%w", around, one))
		}
	}
	return found
}

func added(all, known []string) []string {
	return slices.DeleteFunc(all, func(one string) bool { return slices.Contains(known, one) })
}
