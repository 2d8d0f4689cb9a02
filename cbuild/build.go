package main

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// target is a platform that the shared library can be built for. One more platform is one more row.
type target struct {
	goos, goarch string
	library      string   // file name
	soname       string   // the name that a program linked with the library asks for, and the first part of its ABI
	link         []string // for the C linker: %[1]s is the soname, %[2]s the file with the visible symbols
	environment  []string // for the Go command
	// zig is the target as zig names it, with the least version of the C library or system; compiler is the C compiler of
	// a target that is not built by zig.
	zig, compiler string
	// make builds the library in the work directory where Go's linker does not do it alone; beside are files that come with it.
	make   func(root string, t target, options buildOptions, model *Model, work string, tools toolchain) error
	beside []string
}

var elfLink = []string{
	"-Wl,-soname,%[1]s",
	"-Wl,--version-script=%[2]s",
	"-Wl,-z,nodelete", // a Go runtime cannot be unloaded
	"-Wl,-z,now",      // no symbol is looked up in a forked child
	"-Wl,-z,defs",     // a missing symbol is found here, not in the host
	"-Wl,-Bsymbolic",  // a second copy in one process calls its own functions
}

var machoLink = []string{"-Wl,-install_name,%[1]s"}

const (
	oldestGlibc = "2.17"
	oldestMacOS = "12.0"
)

// survivesLimits chooses the collector of Go that, once warmed up, maps no memory: the newer one does, and a host that has
// reached its limit of memory would be ended by its next collection.
var survivesLimits = []string{"GOEXPERIMENT=nogreenteagc"}

// glibc 2.17 is that of manylinux2014; macOS 12 is the oldest that Go's runtime runs on.
var targets = []target{
	{goos: "linux", goarch: "amd64", library: "libmimir.so", soname: "libmimir.so.0", link: elfLink, environment: survivesLimits,
		zig: "x86_64-linux-gnu." + oldestGlibc},
	{goos: "linux", goarch: "arm64", library: "libmimir.so", soname: "libmimir.so.0", link: elfLink, environment: survivesLimits,
		zig: "aarch64-linux-gnu." + oldestGlibc},
	{goos: "darwin", goarch: "arm64", library: "libmimir.dylib", soname: "@rpath/libmimir.dylib", link: machoLink, make: makeDylib,
		zig: "aarch64-macos." + oldestMacOS},
	{goos: "darwin", goarch: "amd64", library: "libmimir.dylib", soname: "@rpath/libmimir.dylib", link: machoLink, make: makeDylib,
		zig: "x86_64-macos." + oldestMacOS},
	{goos: "windows", goarch: "amd64", library: "libmimir.dll", soname: "libmimir.dll", compiler: "x86_64-w64-mingw32-gcc",
		make: linkDLL, beside: besideDLL},
}

// The Go runtime is a guest in another program's process: it sends itself no SIGURG to preempt goroutines, which a host's
// handler would see, and keeps no descriptors on cgroup files to adapt to CPU limits.
const runtimeSettings = "asyncpreemptoff=1,containermaxprocs=0,updatemaxprocs=0"

//go:embed libmimir.pc.in
var pkgConfigTemplate string

//go:embed libmimirConfig.cmake.in
var cmakeTemplate string

//go:embed libmimirConfigVersion.cmake.in
var cmakeVersionTemplate string

type buildOptions struct {
	out  string
	race bool
}

func hostTarget() (target, error) {
	for _, t := range targets {
		if t.goos == runtime.GOOS && t.goarch == runtime.GOARCH {
			return t, nil
		}
	}
	return target{}, fmt.Errorf("no row for %s/%s in the table of targets", runtime.GOOS, runtime.GOARCH)
}

// build makes the shared library and what a C program finds it by. Each file is put in place by a rename: a process that
// uses the former library keeps it whole.
func build(root string, options buildOptions) error {
	t, err := hostTarget()
	if err != nil {
		return err
	}
	return buildTarget(root, t, options, toolchain{cc: hostCompiler()})
}

func buildTarget(root string, t target, options buildOptions, tools toolchain) error {
	model, err := Parse(root)
	if err != nil {
		return err
	}
	out, err := filepath.Abs(options.out)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp(out, ".build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)

	if err := link(root, work, t, model, options, tools); err != nil {
		return err
	}
	for _, file := range append([]string{t.library}, t.beside...) {
		if err := os.Rename(filepath.Join(work, file), filepath.Join(out, file)); err != nil {
			return err
		}
	}
	if t.goos == "linux" {
		if err := replaceLink(t.library, filepath.Join(out, t.soname)); err != nil {
			return err
		}
	}
	headerText, err := os.ReadFile(filepath.Join(root, "include/libmimir.h"))
	if err != nil {
		return err
	}
	fill := strings.NewReplacer("@VERSION@", model.Version, "@LIBRARY@", t.library, "@SONAME@", t.soname).Replace
	for _, file := range []generatedFile{
		{"include/libmimir.h", headerText},
		{"pkgconfig/libmimir.pc", []byte(fill(pkgConfigTemplate))},
		{"cmake/libmimir/libmimirConfig.cmake", []byte(fill(cmakeTemplate))},
		{"cmake/libmimir/libmimirConfigVersion.cmake", []byte(fill(cmakeVersionTemplate))},
	} {
		name := filepath.Join(out, file.path)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, file.text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// link builds the library in the work directory and checks it. The header that cgo writes beside it stays there:
// include/libmimir.h is the interface.
func link(root, work string, t target, model *Model, options buildOptions, tools toolchain) error {
	make := t.make
	if make == nil {
		make = makeShared
	}
	if err := make(root, t, options, model, work, tools); err != nil {
		return err
	}
	library := filepath.Join(work, t.library)
	if err := os.Chmod(library, 0o755); err != nil {
		return err
	}
	return checkLibrary(library, model)
}

// makeShared lets Go's linker make the library.
func makeShared(root string, t target, options buildOptions, model *Model, work string, tools toolchain) error {
	symbols := filepath.Join(work, "libmimir.map")
	if err := os.WriteFile(symbols, versionScript(model), 0o644); err != nil {
		return err
	}
	return goBuild(root, t, options, symbols, filepath.Join(work, t.library), tools)
}

func goBuild(root string, t target, options buildOptions, symbols, library string, tools toolchain) error {
	extldflags := fmt.Sprintf(strings.Join(t.link, " ")+"%[3]s", t.soname, symbols, strings.Join(append([]string{""}, tools.extra...), " "))
	ldflags := "-s -w -X runtime.godebugDefault=" + runtimeSettings + " -extldflags '" + extldflags + "'"
	if tools.extld != "" {
		ldflags += " -extld '" + tools.extld + "'"
	}
	arguments := []string{"build", "-buildmode=c-shared", "-trimpath", "-ldflags", ldflags, "-o", library}
	if options.race {
		arguments = append(arguments, "-race")
	}
	command := exec.Command("go", append(arguments, "./export")...)
	command.Dir = root
	command.Env = append(os.Environ(), "CGO_ENABLED=1", "GOOS="+t.goos, "GOARCH="+t.goarch)
	if tools.cc != hostCompiler() {
		command.Env = append(command.Env, "CC="+tools.cc)
	}
	command.Env = append(command.Env, t.environment...)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	return command.Run()
}

// hostCompiler is the C compiler that the Go command uses for this machine.
func hostCompiler() string {
	if cc := os.Getenv("CC"); cc != "" {
		return cc
	}
	return "cc"
}

// versionScript lists the functions of the header for the linker: nothing else is visible.
func versionScript(m *Model) []byte {
	var b strings.Builder
	b.WriteString("{\n  global:\n")
	for _, f := range m.Functions {
		b.WriteString("    " + f.CName + ";\n")
	}
	b.WriteString("  local: *;\n};\n")
	return []byte(b.String())
}

func replaceLink(to, name string) error {
	if now, err := os.Readlink(name); err == nil && now == to {
		return nil
	}
	if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
		return err
	}
	return os.Symlink(to, name)
}
