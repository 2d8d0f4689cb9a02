package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// linkDLL builds an archive by the Go command and links it: the linker's own run by the Go command would show cgo's functions
// beside those of the header.
func linkDLL(root string, t target, _ buildOptions, m *Model, work string, tools toolchain) error {
	library := filepath.Join(work, t.library)
	archive := filepath.Join(work, "archive.a")
	definition := filepath.Join(work, "libmimir.def")
	if err := os.WriteFile(definition, moduleDefinition(t.library, m), 0o644); err != nil {
		return err
	}
	command := exec.Command("go", "build", "-buildmode=c-archive", "-trimpath", "-ldflags",
		"-s -w -X runtime.godebugDefault="+runtimeSettings, "-o", archive, "./export")
	command.Dir = root
	command.Env = append(os.Environ(), "CGO_ENABLED=1", "GOOS="+t.goos, "GOARCH="+t.goarch, "CC="+tools.cc)
	command.Env = append(command.Env, t.environment...)
	if err := runLoud(command); err != nil {
		return err
	}
	return runLoud(exec.Command(tools.cc, "-shared", "-static-libgcc", "-s", "-o", library, definition,
		"-Wl,--whole-archive", archive, "-Wl,--no-whole-archive", "-Wl,--exclude-all-symbols",
		"-Wl,--out-implib,"+filepath.Join(work, t.library+".a"),
		"-Wl,--dynamicbase", "-Wl,--high-entropy-va", "-Wl,--nxcompat",
		"-Wl,--no-insert-timestamp")) // the same source makes the same file
}

// besideDLL are the files that programs are linked with the DLL by, which linkDLL leaves in the work directory.
var besideDLL = []string{"libmimir.def", "libmimir.dll.a"}

func runLoud(command *exec.Cmd) error {
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	return command.Run()
}

// moduleDefinition lists the functions of the header for Windows' linkers: others can make an import library of it.
func moduleDefinition(library string, m *Model) []byte {
	var b strings.Builder
	b.WriteString("LIBRARY " + library + "\nEXPORTS\n")
	for _, f := range m.Functions {
		b.WriteString("    " + f.CName + "\n")
	}
	return []byte(b.String())
}
