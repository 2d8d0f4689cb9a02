package main

import (
	"debug/elf"
	"fmt"
	"slices"
	"strings"
)

// checkLibrary fails when a built library shows other functions than the header, or has another SONAME.
func checkLibrary(name string, m *Model, soname string) error {
	file, err := elf.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	symbols, err := file.DynamicSymbols()
	if err != nil {
		return err
	}
	var shown []string
	for _, symbol := range symbols {
		if symbol.Section != elf.SHN_UNDEF {
			shown = append(shown, symbol.Name)
		}
	}
	var wanted []string
	for _, f := range m.Functions {
		wanted = append(wanted, f.CName)
	}
	if missing := without(wanted, shown); len(missing) > 0 {
		return fmt.Errorf("%s does not show %s", name, strings.Join(missing, ", "))
	}
	if extra := without(shown, wanted); len(extra) > 0 {
		return fmt.Errorf("%s shows what the header does not have: %s", name, strings.Join(extra, ", "))
	}
	names, err := file.DynString(elf.DT_SONAME)
	if err != nil {
		return err
	}
	if !slices.Equal(names, []string{soname}) {
		return fmt.Errorf("%s has the SONAME %q, not %q", name, names, soname)
	}
	return nil
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
