package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestALibraryWithOtherSymbolsOrAnotherNameIsRefused(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the library is an ELF file on Linux alone")
	}
	compiler, err := exec.LookPath("cc")
	if err != nil {
		t.Fatal("these tests need a C compiler, as the library does")
	}
	directory := t.TempDir()
	shared := func(source, soname string) string {
		library := filepath.Join(directory, "lib.so")
		if err := os.WriteFile(filepath.Join(directory, "lib.c"), []byte(source), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(compiler, "-shared", "-fPIC", "-nostdlib", "-Wl,-soname,"+soname, "-o", library,
			filepath.Join(directory, "lib.c")).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return library
	}
	model := &Model{Functions: []*Function{{CName: "mimir_a"}, {CName: "mimir_b"}}}
	both := "int mimir_a(void) { return 0; } int mimir_b(void) { return 0; }"
	for name, test := range map[string]struct{ source, soname, want string }{
		"as it should be": {both, "libmimir.so.0", ""},
		"one missing":     {"int mimir_a(void) { return 0; }", "libmimir.so.0", "does not show mimir_b"},
		"one too many":    {both + "int helper(void) { return 0; }", "libmimir.so.0", "shows what the header does not have: helper"},
		"another name":    {both, "libmimir.so.1", `has the name "libmimir.so.1"`},
	} {
		t.Run(name, func(t *testing.T) {
			err := checkLibrary(shared(test.source, test.soname), model)
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
