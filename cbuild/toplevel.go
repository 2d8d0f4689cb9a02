package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// topLevel is what the top directory may hold, beside names that begin with a dot and what is built.
var topLevel = []string{
	"CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "build", "cbuild", "core", "export", "go.mod", "go.sum",
	"include", "python", "tests",
}

// strayEntries names what does not belong at the top, such as what a test has left in its working directory.
func strayEntries(root string) ([]string, error) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, err
	}
	var faults []string
	for _, entry := range entries {
		if name := entry.Name(); !strings.HasPrefix(name, ".") && !slices.Contains(topLevel, name) {
			faults = append(faults, fmt.Sprintf("%s: does not belong in the top directory", name))
		}
	}
	return faults, nil
}
