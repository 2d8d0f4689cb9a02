package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// exportedFunctions take, between them, a pointer to every struct of the interface.
var exportedFunctions = []any{
	mimirgo_last_error, mimirgo_system_get, mimirgo_usage_get, mimirgo_usage_measure, mimirgo_job_run,
	mimirgo_system_measure, mimirgo_container_get, mimirgo_monitor_latest, mimirgo_monitor_summarize, mimirgo_monitor_next,
}

// TestGoSeesTheLayoutThatCSees compares what cgo sees with what a C compiler sees: with the program's output in the
// file MIMIR_LAYOUT, or with that of a program compiled here.
func TestGoSeesTheLayoutThatCSees(t *testing.T) {
	var got []string
	for _, function := range exportedFunctions {
		typ := reflect.TypeOf(function)
		for i := range typ.NumIn() {
			if param := typ.In(i); param.Kind() == reflect.Pointer && param.Elem().Kind() == reflect.Struct {
				got = append(got, layoutInGo(param.Elem())...)
			}
		}
	}
	want := layoutInC(t)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("Go:\n%s\nC:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// layoutInGo describes a struct as `cbuild layout` does. cgo names the type after the C struct, and its fields as in C.
func layoutInGo(typ reflect.Type) []string {
	name := strings.TrimPrefix(strings.TrimPrefix(typ.Name(), "_Ctype_"), "struct_")
	lines := []string{fmt.Sprintf("%s %d", name, typ.Size())}
	for i := range typ.NumField() {
		field := typ.Field(i)
		lines = append(lines, fmt.Sprintf("%s.%s %d %d", name, field.Name, field.Offset, field.Type.Size()))
	}
	return lines
}

func layoutInC(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(os.Getenv("MIMIR_LAYOUT"))
	if err == nil {
		return strings.Split(strings.TrimSpace(string(text)), "\n")
	}
	source, err := exec.Command("go", "run", "../cbuild", "layout").Output()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "layout")
	compile := exec.Command("cc", "-I../include", "-o", program, "-x", "c", "-")
	compile.Stdin = bytes.NewReader(source)
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command(program).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}
