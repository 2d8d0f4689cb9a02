package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

func TestTheNewestGlibcThatALibraryAsksForIsFound(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs a C compiler for Linux")
	}
	directory := t.TempDir()
	for name, test := range map[string]struct {
		source string
		newer  bool
	}{
		"old": {"int puts(const char *); int f(void) { return puts(\"\"); }", false},
		"new": {"int memfd_create(const char *, unsigned); int f(void) { return memfd_create(\"\", 0); }", true},
	} {
		source, library := filepath.Join(directory, name+".c"), filepath.Join(directory, name+".so")
		if err := os.WriteFile(source, []byte(test.source), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("cc", "-shared", "-fPIC", "-o", library, source).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		b, err := os.ReadFile(library)
		if err != nil {
			t.Fatal(err)
		}
		version, err := needsGlibc(b)
		if err != nil || newer(version, oldestGlibc) != test.newer {
			t.Errorf("%s: %q, %v", name, version, err)
		}
	}
}

func TestVersionsAreComparedByTheirNumbers(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"2.27", "2.17", true}, {"2.17", "2.17", false}, {"2.9", "2.17", false}, {"2.17.1", "2.17", true}, {"2.2.5", "", true},
	} {
		if newer(test.a, test.b) != test.want {
			t.Errorf("newer(%q, %q) is not %v", test.a, test.b, test.want)
		}
	}
}
