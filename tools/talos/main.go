// Command talos answers, for one version of Talos, what its types are and what it makes of patches and configurations.
// It is built once per version against the public module github.com/siderolabs/talos/pkg/machinery (the files *.mod).
//
//	talos judge             reads JSON lines, and answers each with a JSON line (see judge.go)
//	talos expressions       writes what expressions in CEL can name to standard output (see expressions.go)
//	talos tables DIR FROM   writes DIR/schema.json and DIR/rules.json; FROM says what they were taken from
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "talos:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "judge":
		return judge(os.Stdin, os.Stdout)
	case len(args) == 1 && args[0] == "expressions":
		return expressions(os.Stdout)
	case len(args) == 3 && args[0] == "tables":
		return tables(args[1], args[2])
	default:
		return fmt.Errorf("usage: talos judge | talos expressions | talos tables DIR FROM")
	}
}
