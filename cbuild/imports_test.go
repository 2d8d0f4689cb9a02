package main

import (
	"slices"
	"testing"
)

func TestImportsRunOneWay(t *testing.T) {
	root := plant(t, map[string]string{
		"core/job/job.go":               "package job\n\nimport _ \"libmimir/core\"\n",
		"core/internal/procfs/a.go":     "package procfs\n\nimport _ \"libmimir/core\"\n",
		"core/internal/rlimit/a.go":     "package rlimit\n\nimport _ \"libmimir/core/internal/procfs\"\n",
		"core/up.go":                    "package core\n\nimport _ \"libmimir/core/job\"\n",
		"core/c.go":                     "package core\n\nimport \"C\"\n",
		"core/outside_test.go":          "package core_test\n\nimport _ \"libmimir/core/job\"\n",
		"core/monitor/sideways.go":      "package monitor\n\nimport _ \"libmimir/core/job\"\n",
		"cbuild/main.go":                "package main\n\nimport _ \"libmimir/core\"\n",
		"build/ignored.go":              "package x\n\nimport _ \"libmimir/core\"\n",
		"core/internal/testdata/bad.go": "not Go",
	})
	got, err := wrongImports(root)
	want := []string{
		"cbuild/main.go:3: cbuild may not import core",
		`core/c.go:3: import "C" belongs in export alone`,
		"core/internal/procfs/a.go:3: core/internal/procfs may not import core",
		"core/monitor/sideways.go:3: core/monitor may not import core/job",
		"core/up.go:3: core may not import core/job",
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestBuildConstraintsStandInAdaptersAlone(t *testing.T) {
	root := plant(t, map[string]string{
		"core/adapter_linux.go":        "package core\n",
		"core/adapter_unix.go":         "//go:build unix\n\npackage core\n",
		"core/internal/a/a_windows.go": "package a\n",
		"core/limit_linux.go":          "package core\n",
		"core/limit_unix.go":           "package core\n",
		"core/job/tagged.go":           "// A comment.\n\n//go:build !windows\n\npackage job\n",
		"core/job/start_linux_test.go": "package job\n",
		"export/gate_arm64.go":         "package main\n",
		"tests/fork/f_linux.go":        "package fork\n",
	})
	got, err := wrongImports(root)
	tail := ": a build constraint here: what depends on the OS belongs in core/adapter_*.go or core/internal"
	want := []string{"core/job/tagged.go:3" + tail, "core/limit_linux.go:1" + tail, "export/gate_arm64.go:1" + tail}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}
