package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestADLLWithOtherSymbolsOrAnotherNameIsRefused(t *testing.T) {
	const compiler = "x86_64-w64-mingw32-gcc"
	if _, err := exec.LookPath(compiler); err != nil {
		t.Skip(compiler + " is missing: install gcc-mingw-w64-x86-64")
	}
	directory := t.TempDir()
	link := func(library, exports string) string {
		source := filepath.Join(directory, "a.c")
		definition := filepath.Join(directory, "a.def")
		name := filepath.Join(directory, "a.dll")
		for file, text := range map[string]string{
			source:     "int mimir_a(void) { return 0; } int mimir_b(void) { return 0; } int helper(void) { return 0; }",
			definition: "LIBRARY " + library + "\nEXPORTS\n" + exports,
		} {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if out, err := exec.Command(compiler, "-shared", "-o", name, source, definition).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return name
	}
	model := &Model{Functions: []*Function{{CName: "mimir_a"}, {CName: "mimir_b"}}}
	for name, test := range map[string]struct{ library, exports, want string }{
		"as it should be": {"libmimir.dll", "mimir_a\nmimir_b\n", ""},
		"one missing":     {"libmimir.dll", "mimir_a\n", "does not show mimir_b"},
		"one too many":    {"libmimir.dll", "mimir_a\nmimir_b\nhelper\n", "shows what the header does not have: helper"},
		"another name":    {"other.dll", "mimir_a\nmimir_b\n", `has the name "other.dll"`},
	} {
		t.Run(name, func(t *testing.T) {
			err := checkLibrary(link(test.library, test.exports), model)
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestAFileThatIsNoDLLIsRefused(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.dll")
	if err := os.WriteFile(name, []byte("MZ and not much"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := checkLibrary(name, &Model{}); err == nil {
		t.Error("a text was taken for a DLL")
	}
}
