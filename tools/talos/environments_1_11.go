//go:build talos1.11

package main

import (
	"github.com/google/cel-go/cel"

	"github.com/siderolabs/talos/pkg/machinery/cel/celenv"
)

func environments() map[string]*cel.Env {
	return map[string]*cel.Env{"disk": celenv.DiskLocator(), "volume": celenv.VolumeLocator()}
}
