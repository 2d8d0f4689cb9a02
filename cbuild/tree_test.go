package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// smallTree is a source tree with one of everything.
var smallTree = map[string]string{
	"go.mod": "module libmimir\n",
	"core/version.go": `package core

const Version = "1.2.3"

// Most stands for "all of it".
//
//mimir:const MIMIR_MOST
const Most uint64 = math.MaxUint64
`,
	"core/usage.go": `package core

// Colour is what a thing looks like.
//
//mimir:enum mimir_colour MIMIR_COLOUR_ strip=Colour
type Colour int32

const (
	// ColourRed means that it is red.
	ColourRed Colour = 1
	// ColourDarkBlue is dark blue.
	ColourDarkBlue Colour = -2
)

// Thing is what a function measures.
//
//mimir:struct mimir_thing
type Thing struct {
	// Colour is one of the Colour constants, ColourRed at first.
	Colour Colour
	// SizeBytes is its size.
	SizeBytes uint64
	// OSName names it.
	OSName [16]byte
	// LaterNs came with version 2; SizeBytes did not.
	//
	//mimir:appended
	LaterNs uint64
}
`,
	"export/usage.go": `package main

import "C"

// mimir_thing_get stores a thing.
//
// Returns: MIMIR_OK.
//
//mimir:forked c
//export mimirgo_thing_get
func mimirgo_thing_get(pid C.int64_t, thing *C.mimir_thing) (status C.int32_t) {
	defer guard(&status)
	if st := check_mimir_thing(thing); st != ok {
		return st
	}
	store_mimir_thing(thing, nil)
	return ok
}

// mimir_thing_sum adds count numbers up.
//
// Returns: MIMIR_OK.
//
//mimir:forked refuse
//export mimirgo_thing_sum
func mimirgo_thing_sum(numbers *C.uint64_t, count C.uint64_t, sum *C.uint64_t) (status C.int32_t) {
	defer guard(&status)
	return ok
}

// mimir_thing_name writes the name "a\b" of a path.
//
// Returns: MIMIR_OK.
//
//mimir:forked refuse
//export mimirgo_thing_name
func mimirgo_thing_name(path *C.char, list **C.char, data unsafe.Pointer, buffer *C.char, length_ C.uint64_t) (status C.int32_t) {
	defer guard(&status)
	return ok
}
`,
}

// plant writes a tree, with the files of changes in place of or beside those of smallTree, and gives its root.
func plant(t *testing.T, changes map[string]string) string {
	t.Helper()
	files := maps.Clone(smallTree)
	maps.Copy(files, changes)
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// edited is a file of smallTree with one piece of its text replaced.
func edited(t *testing.T, file, old, new string) map[string]string {
	t.Helper()
	if strings.Count(smallTree[file], old) != 1 {
		t.Fatalf("%s has %q %d times", file, old, strings.Count(smallTree[file], old))
	}
	return map[string]string{file: strings.Replace(smallTree[file], old, new, 1)}
}

// generatedText gives the generated files of the small tree by path.
func generatedText(t *testing.T, changes map[string]string) map[string]string {
	t.Helper()
	files, err := parseAndGenerate(plant(t, changes))
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, file := range files {
		texts[file.path] = string(file.text)
	}
	return texts
}

func wantAll(t *testing.T, text string, pieces ...string) {
	t.Helper()
	for _, piece := range pieces {
		if !strings.Contains(text, piece) {
			t.Errorf("no %q in:\n%s", piece, text)
		}
	}
}
