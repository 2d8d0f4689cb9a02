package main

import (
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// darwinFiles are stubs of the two libraries that Go's runtime asks for and zig does not bring.
//
//go:embed darwin
var darwinFiles embed.FS

// universalName is the directory of the library for both of Apple's processors.
const universalName = "macos-universal"

// name is the target's directory below build/cross: the names that Python's wheels use.
func (t target) name() string {
	system := t.goos
	if system == "darwin" {
		system = "macos"
	}
	architecture := t.goarch
	if architecture == "amd64" {
		architecture = "x86_64"
	}
	return system + "-" + architecture
}

// toolchain is the C compiler for a target, and what the Go command is told of it.
type toolchain struct {
	cc    string
	extld string   // the linker, if it is not cc
	extra []string // for the linker
}

// cross builds the library for the named targets, or for all, each into a directory of its own.
func cross(root, out string, names []string) error {
	model, err := Parse(root)
	if err != nil {
		return err
	}
	if out, err = filepath.Abs(out); err != nil {
		return err
	}
	known := []string{}
	for _, t := range targets {
		known = append(known, t.name())
	}
	if err := checkNames(names, known); err != nil {
		return err
	}
	var thin [][]byte
	for _, t := range targets {
		if len(names) > 0 && !slices.Contains(names, t.name()) {
			continue
		}
		library, err := crossOne(root, out, t)
		if err != nil {
			return fmt.Errorf("%s: %w", t.name(), err)
		}
		fmt.Println(library)
		if t.goos == "darwin" {
			b, err := os.ReadFile(library)
			if err != nil {
				return err
			}
			thin = append(thin, b)
		}
	}
	if len(thin) < 2 {
		return nil
	}
	b, err := universal(thin...)
	if err != nil {
		return err
	}
	library := filepath.Join(out, universalName, "libmimir.dylib")
	if err := os.MkdirAll(filepath.Dir(library), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(library+".new", b, 0o755); err != nil {
		return err
	}
	if err := checkLibrary(library+".new", model); err != nil {
		return err
	}
	if err := os.Rename(library+".new", library); err != nil {
		return err
	}
	fmt.Println(library)
	return nil
}

func checkNames(names, known []string) error {
	for _, name := range names {
		if !slices.Contains(known, name) {
			return fmt.Errorf("%q is not a target: %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}

func crossOne(root, out string, t target) (string, error) {
	directory := filepath.Join(out, t.name())
	work, err := os.MkdirTemp("", "libmimir-cross-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	tools, err := crossTools(root, work, t)
	if err != nil {
		return "", err
	}
	if err := buildTarget(root, t, buildOptions{out: directory}, tools); err != nil {
		return "", err
	}
	library := filepath.Join(directory, t.library)
	if t.goos != "linux" {
		return library, nil
	}
	b, err := os.ReadFile(library)
	if err != nil {
		return "", err
	}
	newest, err := needsGlibc(b)
	if err == nil && newer(newest, oldestGlibc) {
		err = fmt.Errorf("it asks for glibc %s: %s is the most", newest, oldestGlibc)
	}
	return library, err
}

// crossTools finds the compiler for a target.
func crossTools(root, work string, t target) (toolchain, error) {
	if t.zig == "" {
		if _, err := exec.LookPath(t.compiler); err != nil {
			return toolchain{}, err
		}
		return toolchain{cc: t.compiler}, nil
	}
	zig, err := findZig(root)
	if err != nil {
		return toolchain{}, err
	}
	tools := toolchain{cc: zig + " cc -target " + t.zig}
	if t.goos == "darwin" {
		for name, to := range map[string]string{
			"CoreFoundation.tbd": "CoreFoundation.framework/CoreFoundation.tbd",
			"libresolv.tbd":      "libresolv.tbd",
		} {
			if err := unpack(name, filepath.Join(work, to)); err != nil {
				return toolchain{}, err
			}
		}
		tools.extra = []string{"-F" + work, "-L" + work}
	}
	return tools, nil
}

func unpack(name, to string) error {
	b, err := darwinFiles.ReadFile("darwin/" + name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o644)
}

// findZig looks for the compiler of PyPI's ziglang: $ZIG, where `make cross` installs it, and the search path.
func findZig(root string) (string, error) {
	if zig := os.Getenv("ZIG"); zig != "" {
		return zig, nil
	}
	zig := filepath.Join(root, "build/zig/ziglang/zig")
	if st, err := os.Stat(zig); err == nil && st.Mode().IsRegular() {
		return zig, nil
	}
	if zig, err := exec.LookPath("zig"); err == nil {
		return zig, nil
	}
	return "", errors.New("zig is not there: `make cross` installs it, or set ZIG")
}

// The constructors of export/load_darwin.c.
const (
	firstConstructor = "_mimir_load_first"
	lastConstructor  = "_mimir_load_last"
)

// makeDylib lets Go's linker call the C compiler through hideObjects, in this program, and finishes what is linked.
func makeDylib(root string, t target, options buildOptions, model *Model, work string, tools toolchain) error {
	var keep []string
	for _, f := range model.Functions {
		keep = append(keep, "_"+f.CName)
	}
	list := filepath.Join(work, "exported")
	names := strings.Join(append(slices.Clone(keep), firstConstructor, lastConstructor), "\n")
	if err := os.WriteFile(list, []byte(names+"\n"), 0o644); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	tools.extld = strings.Join([]string{self, "link-macho", list, tools.cc}, " ")
	if err := makeShared(root, t, options, model, work, tools); err != nil {
		return err
	}
	library := filepath.Join(work, t.library)
	b, err := os.ReadFile(library)
	if err != nil {
		return err
	}
	if err := orderConstructors(b, firstConstructor, lastConstructor); err != nil {
		return err
	}
	if err := trimExports(b, keep); err != nil {
		return err
	}
	return os.WriteFile(library, b, 0o755)
}

// runLinkMacho is what Go's linker calls: a list of symbols, then the compiler's command, whose object files show nothing else
// from then on.
func runLinkMacho(arguments []string) error {
	if len(arguments) < 2 {
		return errors.New("link-macho wants a list of symbols and a command")
	}
	list, err := os.ReadFile(arguments[0])
	if err != nil {
		return err
	}
	line := arguments[1:]
	if err := hideObjects(strings.Fields(string(list)), line); err != nil {
		return err
	}
	command := exec.Command(line[0], line[1:]...)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	return command.Run()
}
