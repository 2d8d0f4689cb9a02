package main

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestEveryPlatformHasOneWheel(t *testing.T) {
	var tags []string
	for _, p := range wheelTargets() {
		tags = append(tags, p.name+" "+p.library+" "+p.tag)
	}
	want := []string{
		"linux-x86_64 libmimir.so manylinux_2_17_x86_64",
		"linux-arm64 libmimir.so manylinux_2_17_aarch64",
		"macos-universal libmimir.dylib macosx_12_0_universal2",
		"windows-x86_64 libmimir.dll win_amd64",
	}
	if !slices.Equal(tags, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(tags, "\n"), strings.Join(want, "\n"))
	}
}

func TestAWheelThatIsNotWhatItSaysIsRefused(t *testing.T) {
	p := packaged{"linux-x86_64", "libmimir.so", "manylinux_2_17_x86_64"}
	library := []byte("\x7fELF")
	whole := map[string]string{
		"libmimir/py.typed": "", "libmimir/_bindings.py": "", "libmimir/cli/__init__.py": "", "libmimir/libmimir.so": string(library),
	}
	const name = "libmimir-1.0-py3-none-manylinux_2_17_x86_64.whl"
	if err := checkWheel(name, zipped(t, whole), p, library); err != nil {
		t.Error(err)
	}
	for fault, c := range map[string]struct {
		name    string
		without string
		with    string
	}{
		"for any platform":       {name: "libmimir-1.0-py3-none-any.whl"},
		"for another":            {name: "libmimir-1.0-py3-none-win_amd64.whl"},
		"without the library":    {name: name, without: "libmimir/libmimir.so"},
		"without types":          {name: name, without: "libmimir/py.typed"},
		"without the command":    {name: name, without: "libmimir/cli/__init__.py"},
		"with another's library": {name: name, with: "libmimir/libmimir.dll"},
	} {
		files := map[string]string{}
		for file, text := range whole {
			if file != c.without {
				files[file] = text
			}
		}
		if c.with != "" {
			files[c.with] = "MZ"
		}
		if checkWheel(c.name, zipped(t, files), p, library) == nil {
			t.Errorf("a wheel %s is taken", fault)
		}
	}
	if checkWheel(name, zipped(t, whole), p, []byte("another build")) == nil {
		t.Error("a wheel with another build of the library is taken")
	}
	if checkWheel(name, []byte("no zip"), p, library) == nil {
		t.Error("what is no wheel is taken")
	}
}

func zipped(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, text := range files {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAWheelIsMadeOfThePackageAndNothingBeside(t *testing.T) {
	stage := t.TempDir()
	if err := stagePackage("..", stage); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"LICENSE", "pyproject.toml", "libmimir/__init__.py", "libmimir/py.typed", "libmimir/cli/_main.py"} {
		if _, err := os.Stat(filepath.Join(stage, file)); err != nil {
			t.Error(err)
		}
	}
	if err := filepath.WalkDir(stage, func(path string, entry os.DirEntry, err error) error {
		if name := entry.Name(); err == nil && (strings.HasPrefix(name, "libmimir.") || name == "__pycache__" || strings.HasSuffix(name, ".pyc")) {
			t.Errorf("%s is copied", path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := wheels("..", t.TempDir(), t.TempDir(), []string{"beos"}); err == nil || !strings.Contains(err.Error(), "linux-x86_64") {
		t.Errorf("an unknown platform is answered with %v", err)
	}
	if err := wheels("..", t.TempDir(), t.TempDir(), []string{"linux-x86_64"}); err == nil {
		t.Error("a library that is not there is packed")
	}
}
