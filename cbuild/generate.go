package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// generatedFile is a file that is made from the Go source and kept beside it.
type generatedFile struct {
	path string // relative to the root
	text []byte
}

func generated(m *Model) ([]generatedFile, error) {
	goStructs, err := structs(m)
	if err != nil {
		return nil, err
	}
	return []generatedFile{
		{"include/libmimir.h", header(m)},
		{"export/entry_gen.c", entry(m)},
		{"export/forked_gen.h", forked(m)},
		{"export/structs_gen.go", goStructs},
		{"python/libmimir/_bindings.py", python(m)},
	}, nil
}

// generate writes the generated files below root, those that differ only, so that nothing is rebuilt without need.
func generate(root string) error {
	files, err := parseAndGenerate(root)
	if err != nil {
		return err
	}
	for _, file := range files {
		name := filepath.Join(root, file.path)
		if old, err := os.ReadFile(name); err == nil && bytes.Equal(old, file.text) {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, file.text, 0o644); err != nil {
			return err
		}
		fmt.Println("wrote", file.path)
	}
	return nil
}

// stale names the generated files that are not what the source says.
func stale(root string) ([]string, error) {
	files, err := parseAndGenerate(root)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(root, file.path))
		switch {
		case os.IsNotExist(err):
			names = append(names, file.path+" (missing)")
		case err != nil:
			return nil, err
		case !bytes.Equal(text, file.text):
			names = append(names, file.path+" ("+firstDifference(text, file.text)+")")
		}
	}
	return names, nil
}

func firstDifference(old, new []byte) string {
	oldLines, newLines := strings.Split(string(old), "\n"), strings.Split(string(new), "\n")
	for i := range min(len(oldLines), len(newLines)) {
		if oldLines[i] != newLines[i] {
			return fmt.Sprintf("from line %d", i+1)
		}
	}
	return fmt.Sprintf("from line %d", min(len(oldLines), len(newLines))+1)
}

func parseAndGenerate(root string) ([]generatedFile, error) {
	model, err := Parse(root)
	if err != nil {
		return nil, err
	}
	return generated(model)
}
