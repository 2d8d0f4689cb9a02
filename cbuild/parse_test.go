package main

import (
	"strings"
	"testing"
)

func TestEachFaultIsNamedWithItsFileAndLine(t *testing.T) {
	usage, export := "core/usage.go", "export/usage.go"
	for name, test := range map[string]struct {
		file, old, new string
		want           string
	}{
		"padding before a field": {
			usage, "Colour Colour\n\t// SizeBytes", "Colour Colour\n\t// More is more.\n\tMore uint32\n\t// SizeBytes",
			"core/usage.go:24:2: mimir_thing: a C compiler would put 4 bytes of padding before size_bytes",
		},
		"a struct that does not fill its last word": {
			usage, "LaterNs uint64", "LaterNs uint32",
			"core/usage.go:28:2: mimir_thing: a C compiler would put 4 bytes of padding at the end",
		},
		"an undocumented constant":     {usage, "\t// ColourRed means that it is red.\n", "", "core/usage.go:9:2: ColourRed has no doc comment"},
		"an undocumented field":        {usage, "\t// SizeBytes is its size.\n", "", "core/usage.go:21:2: Thing.SizeBytes has no doc comment"},
		"a constant counted by iota":   {usage, "ColourRed Colour = 1", "ColourRed Colour = iota", "core/usage.go:10:2: ColourRed is not a written number"},
		"two constants of one number":  {usage, "Colour = -2", "Colour = 1", "ColourRed and ColourDarkBlue have the same number"},
		"a constant of another prefix": {usage, "ColourDarkBlue Colour", "ShadeDarkBlue Colour", "ShadeDarkBlue does not begin with Colour"},
		"an enum of the wrong width":   {usage, "type Colour int32", "type Colour int64", "Colour must be a int32"},
		"a field without a fixed width": {
			usage, "SizeBytes uint64", "SizeBytes uint", "core/usage.go:22:2: Thing: a field of this type cannot be part of the C interface",
		},
		"an undocumented function": {
			export, "// mimir_thing_get stores a thing.\n//\n// Returns: MIMIR_OK.\n//\n", "",
			"export/usage.go:7:1: mimirgo_thing_get has no doc comment",
		},
		"a doc comment that names another function": {
			export, "mimir_thing_get stores", "mimir_thing_put stores", `the doc comment of mimirgo_thing_get does not begin with "mimir_thing_get"`,
		},
		"a doc comment that does not tell what is returned": {
			export, "a thing.\n//\n// Returns: MIMIR_OK.\n", "a thing.\n", `the doc comment of mimirgo_thing_get has no paragraph "Returns: "`,
		},
		"a function that does not say what it does after a fork": {
			export, "//mimir:forked c\n", "", "mimirgo_thing_get does not say //mimir:forked c, always or refuse",
		},
		"a function that lets panics through": {
			export, "defer guard(&status)\n\tif", "defer guard(nil)\n\tif", "mimirgo_thing_get does not begin with `defer guard(&status)`",
		},
		"a parameter of a Go type": {
			export, "pid C.int64_t", "pid int64", "mimirgo_thing_get: the parameter pid has a type that cannot be part of the C interface",
		},
		"a result that is not a status": {
			export, "buffer *C.char, length_ C.uint64_t) (status C.int32_t)", "buffer *C.char, length_ C.uint64_t) (status C.int64_t)",
			"mimirgo_thing_name does not return (status C.int32_t)",
		},
		"a comment that ends the C comment": {usage, "its size.", "its size */.", "would end or begin a comment"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(plant(t, edited(t, test.file, test.old, test.new)))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestTheLastErrorNeedsNoGuard(t *testing.T) {
	root := plant(t, map[string]string{"export/library.go": `package main

// mimir_last_error tells.
//
// Returns: MIMIR_OK.
//
//mimir:forked c
//export mimirgo_last_error
func mimirgo_last_error(thing *C.mimir_thing) (status C.int32_t) {
	return C.mimir_error_copy(thing)
}
`})
	if _, err := Parse(root); err != nil {
		t.Error(err)
	}
}

func TestAnAppendedFieldLeavesTheSizeOfTheFirstVersionAccepted(t *testing.T) {
	model, err := Parse(plant(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	s := model.Structs[0]
	if s.Size != 40 || s.MinSize != 32 {
		t.Errorf("size %d, smallest %d, want 40 and 32", s.Size, s.MinSize)
	}
}

func TestGeneratedAndTestFilesAreNotRead(t *testing.T) {
	_, err := Parse(plant(t, map[string]string{
		"export/structs_gen.go":  "not Go",
		"core/broken_test.go":    "not Go",
		"core/other/untested.go": "not Go",
	}))
	if err != nil {
		t.Error(err)
	}
}
