package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

const usage = `usage: go run ./cbuild COMMAND

  generate                  write the C header, the C entry points and the Python bindings
  check [--library FILE]    fail when one of them is stale, an import runs the wrong way, something lies in
                            the top directory that does not belong there, or FILE shows other symbols than the header
  build [--out DIR] [--race]  build the shared library (in build/)
  cross [--out DIR] [TARGET...]  build it for every platform, or those named (in build/cross/)
  wheel [--from DIR] [--out DIR] [TARGET...]  make Python wheels of what cross has built (in build/wheels/)
  layout                    print a C program that prints the layout of every struct`

func run(arguments []string) error {
	if len(arguments) == 0 {
		return errors.New(usage)
	}
	if arguments[0] == "link-macho" { // Go's linker calls it, from a directory of its own
		return runLinkMacho(arguments[1:])
	}
	root, err := findRoot()
	if err != nil {
		return err
	}
	flags := flag.NewFlagSet(arguments[0], flag.ContinueOnError)
	switch arguments[0] {
	case "generate":
		if err := noMore(flags, arguments); err != nil {
			return err
		}
		return generate(root)
	case "check":
		library := flags.String("library", "", "also check the symbols of this library")
		if err := noMore(flags, arguments); err != nil {
			return err
		}
		return check(root, *library)
	case "build":
		out := flags.String("out", filepath.Join(root, "build"), "directory that receives the library")
		race := flags.Bool("race", false, "with Go's race detector")
		if err := noMore(flags, arguments); err != nil {
			return err
		}
		return build(root, buildOptions{*out, *race})
	case "cross":
		out := flags.String("out", filepath.Join(root, "build/cross"), "directory that receives the libraries")
		if err := flags.Parse(arguments[1:]); err != nil {
			return err
		}
		return cross(root, *out, flags.Args())
	case "wheel":
		from := flags.String("from", filepath.Join(root, "build/cross"), "directory that holds the libraries")
		out := flags.String("out", filepath.Join(root, "build/wheels"), "directory that receives the wheels")
		if err := flags.Parse(arguments[1:]); err != nil {
			return err
		}
		return wheels(root, *from, *out, flags.Args())
	case "layout":
		if err := noMore(flags, arguments); err != nil {
			return err
		}
		model, err := Parse(root)
		if err != nil {
			return err
		}
		_, err = os.Stdout.Write(layout(model))
		return err
	}
	return fmt.Errorf("unknown command %q\n%s", arguments[0], usage)
}

func noMore(flags *flag.FlagSet, arguments []string) error {
	if err := flags.Parse(arguments[1:]); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%s: unexpected argument %q", arguments[0], flags.Arg(0))
	}
	return nil
}

// check fails with everything that is wrong, not only the first.
func check(root, library string) error {
	var faults []string
	names, err := stale(root)
	if err != nil {
		return err
	}
	for _, name := range names {
		faults = append(faults, "stale: "+name+": run `make generate`")
	}
	wrong, err := wrongImports(root)
	if err != nil {
		return err
	}
	faults = append(faults, wrong...)
	stray, err := strayEntries(root)
	if err != nil {
		return err
	}
	faults = append(faults, stray...)
	if library != "" {
		model, err := Parse(root)
		if err != nil {
			return err
		}
		if err := checkLibrary(library, model); err != nil {
			faults = append(faults, err.Error())
		}
	}
	if len(faults) > 0 {
		return errors.New(strings.Join(faults, "\n"))
	}
	return nil
}

// findRoot is the directory of go.mod, from the working directory upwards.
func findRoot() (string, error) {
	directory, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(directory, "go.mod")); err == nil {
			return directory, nil
		}
		parent := filepath.Dir(directory)
		if parent == directory {
			return "", errors.New("no go.mod here or above")
		}
		directory = parent
	}
}
