package main

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// shown is what a built library shows to those who load it.
type shown struct {
	functions []string
	name      string // SONAME or install name
}

// checkLibrary fails when a built library shows other functions than the header, has another name, or lacks what its
// platform demands. What it is for is read from the file itself.
func checkLibrary(name string, m *Model) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var found []shown
	goos := ""
	switch {
	case bytes.HasPrefix(b, []byte(elf.ELFMAG)):
		goos = "linux"
		found, err = readELF(b)
	case len(b) > 4 && (le.Uint32(b) == machoMagic64 || be.Uint32(b) == fatMagic):
		goos = "darwin"
		found, err = readMacho(b)
	case bytes.HasPrefix(b, []byte("MZ")):
		goos = "windows"
		found, err = readPE(b)
	default:
		return fmt.Errorf("%s is no library that is known here", name)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	var wanted []string
	for _, f := range m.Functions {
		wanted = append(wanted, f.CName)
	}
	for _, s := range found {
		if missing := without(wanted, s.functions); len(missing) > 0 {
			return fmt.Errorf("%s does not show %s", name, strings.Join(missing, ", "))
		}
		if extra := without(s.functions, wanted); len(extra) > 0 {
			return fmt.Errorf("%s shows what the header does not have: %s", name, strings.Join(extra, ", "))
		}
		if soname := sonameOn(goos); s.name != soname {
			return fmt.Errorf("%s has the name %q, not %q", name, s.name, soname)
		}
	}
	return nil
}

// sonameOn is the name that the library has in it on a system.
func sonameOn(goos string) string {
	for _, t := range targets {
		if t.goos == goos {
			return t.soname
		}
	}
	return ""
}

func readELF(b []byte) ([]shown, error) {
	file, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	symbols, err := file.DynamicSymbols()
	if err != nil {
		return nil, err
	}
	var s shown
	for _, symbol := range symbols {
		if symbol.Section != elf.SHN_UNDEF {
			s.functions = append(s.functions, symbol.Name)
		}
	}
	names, err := file.DynString(elf.DT_SONAME)
	if err == nil && len(names) == 1 {
		s.name = names[0]
	}
	return []shown{s}, err
}

// needsGlibc is the newest version of glibc that a library asks for.
func needsGlibc(b []byte) (string, error) {
	file, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		return "", err
	}
	needed, err := file.ImportedSymbols()
	if err != nil {
		return "", err
	}
	newest := ""
	for _, symbol := range needed {
		if version, ok := strings.CutPrefix(symbol.Version, "GLIBC_"); ok && newer(version, newest) {
			newest = version
		}
	}
	return newest, nil
}

// newer compares versions such as "2.9" and "2.17".
func newer(a, b string) bool {
	numbers := func(version string) (n []int) {
		for part := range strings.SplitSeq(version, ".") {
			i, _ := strconv.Atoi(part)
			n = append(n, i)
		}
		return n
	}
	return slices.Compare(numbers(a), numbers(b)) > 0
}

func readMacho(b []byte) ([]shown, error) {
	found, err := images(b)
	if err != nil {
		return nil, err
	}
	var all []shown
	for _, m := range found {
		entries, err := m.exports()
		if err != nil {
			return nil, err
		}
		s := shown{name: m.installed}
		for _, e := range entries {
			s.functions = append(s.functions, strings.TrimPrefix(e.name, "_"))
		}
		if m.platform != platformMacOS {
			return nil, errors.New("it is not for macOS")
		}
		if m.minimum != oldestMacOS {
			return nil, fmt.Errorf("it asks for macOS %s, not %s", m.minimum, oldestMacOS)
		}
		if err := m.checkSignature(); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func without(list, remove []string) []string {
	var rest []string
	for _, name := range list {
		if !slices.Contains(remove, name) {
			rest = append(rest, name)
		}
	}
	return rest
}
