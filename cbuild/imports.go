package main

import (
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// wrongImports checks the two rules that keep the rooms apart, and names each line that breaks one.
//
//   - Imports run one way: export -> core/{job,monitor,container} -> core -> core/internal; cbuild imports none of them;
//     import "C" stands in export alone, and in tests.
//   - Build constraints stand in core/adapter_*.go, core/internal and tests alone: above the adapter nothing knows the OS.
func wrongImports(root string) ([]string, error) {
	module, err := moduleName(root)
	if err != nil {
		return nil, err
	}
	var faults []string
	fset := token.NewFileSet()
	err = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			base := entry.Name()
			if name != root && (strings.HasPrefix(base, ".") || base == "build" || base == "testdata" || base == "__pycache__") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		relative, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		relative = filepath.ToSlash(relative)
		syntax, err := parser.ParseFile(fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		from := path.Dir(relative)
		outside := strings.HasSuffix(syntax.Name.Name, "_test") // a test that sees a package as its users do
		for _, spec := range syntax.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			line := fset.Position(spec.Pos()).Line
			if imported == "C" && from != "export" && !within(from, "tests") {
				faults = append(faults, fmt.Sprintf("%s:%d: import \"C\" belongs in export alone", relative, line))
			}
			to, ours := strings.CutPrefix(imported, module+"/")
			testing := strings.HasSuffix(relative, "_test.go") && within(to, "tests")
			if ours && !outside && !testing && !mayImport(from, to) {
				faults = append(faults, fmt.Sprintf("%s:%d: %s may not import %s", relative, line, from, to))
			}
		}
		if line := constraintLine(fset, syntax, relative); line != 0 && !mayKnowOS(relative) {
			faults = append(faults, fmt.Sprintf("%s:%d: a build constraint here: what depends on the OS belongs in "+
				"core/adapter_*.go or core/internal", relative, line))
		}
		return nil
	})
	return faults, err
}

// layers are the rooms from the top down. A package may import what is in a lower layer.
func layer(directory string) int {
	switch {
	case within(directory, "core/internal"):
		return 1
	case directory == "core":
		return 2
	case within(directory, "core"):
		return 3
	case within(directory, "export"):
		return 4
	}
	return 0
}

func mayImport(from, to string) bool {
	switch {
	case within(from, "cbuild"):
		return within(to, "cbuild")
	case within(from, "tests"):
		return true
	case within(from, "core/internal"):
		return within(to, "core/internal")
	}
	return layer(to) < layer(from) && layer(to) > 0
}

func within(directory, room string) bool {
	return directory == room || strings.HasPrefix(directory, room+"/")
}

func mayKnowOS(file string) bool {
	directory := path.Dir(file)
	return strings.HasSuffix(file, "_test.go") || within(directory, "tests") || within(directory, "core/internal") ||
		directory == "core" && strings.HasPrefix(path.Base(file), "adapter_")
}

var systems = strings.Fields("aix android darwin dragonfly freebsd illumos ios js linux netbsd openbsd plan9 solaris " +
	"wasip1 windows unix")

var architectures = strings.Fields("386 amd64 arm arm64 loong64 mips mips64 mips64le mipsle ppc64 ppc64le riscv64 s390x wasm")

// constraintLine is the line of a build constraint, 1 for one in the file's name, 0 without any.
func constraintLine(fset *token.FileSet, syntax *ast.File, file string) int {
	for _, group := range syntax.Comments {
		for _, comment := range group.List {
			if comment.Pos() < syntax.Package && constraint.IsGoBuild(comment.Text) {
				return fset.Position(comment.Pos()).Line
			}
		}
	}
	words := strings.Split(strings.TrimSuffix(strings.TrimSuffix(path.Base(file), ".go"), "_test"), "_")
	for _, word := range words[1:][max(0, len(words)-3):] {
		for _, known := range append(systems[:len(systems):len(systems)], architectures...) {
			if word == known && word != "unix" {
				return 1
			}
		}
	}
	return 0
}
