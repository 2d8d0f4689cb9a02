package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestTheHeaderShowsEverythingUnderItsCName(t *testing.T) {
	text := generatedText(t, nil)["include/libmimir.h"]
	wantAll(t, text,
		"#define MIMIR_MOST UINT64_MAX\n",
		"/* What a thing looks like. */\nenum mimir_colour {\n    /* It is red. */\n    MIMIR_COLOUR_RED = 1,\n",
		"    MIMIR_COLOUR_DARK_BLUE = -2\n};",
		"typedef struct mimir_thing {",
		"    /* One of the MIMIR_COLOUR_* constants, MIMIR_COLOUR_RED at first. */\n    int32_t colour;\n",
		"    /* Names it. */\n    char os_name[16];\n",
		"    /* later_ns came with version 2; size_bytes did not. */\n    uint64_t later_ns;\n} mimir_thing;",
		" * After fork: works. */\nMIMIR_API int32_t mimir_thing_get(int64_t pid, mimir_thing *thing);",
		" * After fork: MIMIR_EFORKED. */\nMIMIR_API int32_t mimir_thing_name(const char *path, const char *const *list, const void *data,\n",
		"char *buffer, uint64_t length);",
		"MIMIR_API int32_t mimir_thing_sum(const uint64_t *numbers, uint64_t count, uint64_t *sum);",
	)
	if strings.Contains(text, "//mimir:") {
		t.Error("a directive is published")
	}
	for i, line := range strings.Split(text, "\n") {
		if len(line) > headerWidth || strings.TrimRight(line, " ") != line {
			t.Errorf("line %d is too long or ends in spaces: %q", i+1, line)
		}
	}
}

func TestEveryEntryPointAsksTheGateFirst(t *testing.T) {
	texts := generatedText(t, nil)
	wantAll(t, texts["export/entry_gen.c"],
		`int32_t mimir_thing_get(int64_t pid, mimir_thing *thing) {
#ifndef _WIN32
    if (FORKED) return mimir_forked_thing_get(pid, thing);
#endif
    mimir_enter();
    return mimirgo_thing_get(pid, thing);
}
`,
		`    if (FORKED) return mimir_gate_refuse("mimir_thing_name");
#endif
    mimir_enter();
    return mimirgo_thing_name((char *)path, (char **)list, (void *)data, buffer, length);
`,
		"    return mimirgo_thing_sum((uint64_t *)numbers, count, sum);\n")
	wantAll(t, texts["export/forked_gen.h"], "int32_t mimir_forked_thing_get(int64_t pid, mimir_thing *thing);\n")
	if strings.Contains(texts["export/forked_gen.h"], "thing_name") {
		t.Error("a function that is refused after a fork has a twin")
	}
}

func TestAFunctionCanBeAnsweredInPlainCAlways(t *testing.T) {
	texts := generatedText(t, edited(t, "export/usage.go", "//mimir:forked c\n", "//mimir:forked always\n"))
	wantAll(t, texts["export/entry_gen.c"], `int32_t mimir_thing_get(int64_t pid, mimir_thing *thing) {
#ifndef _WIN32
    return mimir_forked_thing_get(pid, thing);
#else
    return mimirgo_thing_get(pid, thing);
#endif
}
`)
	wantAll(t, texts["include/libmimir.h"], " * After fork: works. */\nMIMIR_API int32_t mimir_thing_get(")
}

func TestOnlyTheStructHelpersInUseAreGenerated(t *testing.T) {
	text := generatedText(t, nil)["export/structs_gen.go"]
	wantAll(t, text, "func check_mimir_thing(p *C.mimir_thing) C.int32_t", `checkSize("mimir_thing", uint32(p.size), 32, `,
		"func store_mimir_thing(p *C.mimir_thing, v *core.Thing)")
	text = generatedText(t, edited(t, "export/usage.go", "\tstore_mimir_thing(thing, nil)\n", ""))["export/structs_gen.go"]
	if strings.Contains(text, "func store_mimir_thing") {
		t.Error("store_mimir_thing is generated and not called")
	}
}

func TestThePythonBindingsShowEverythingUnderItsCName(t *testing.T) {
	wantAll(t, generatedText(t, nil)["python/libmimir/_bindings.py"],
		`VERSION: Final = "1.2.3"`, "MIMIR_MOST: Final = 18446744073709551615\n", "MIMIR_COLOUR_DARK_BLUE: Final = -2\n",
		"class mimir_thing(ctypes.Structure):", `("os_name", ctypes.c_char * 16),`, `    "mimir_thing": 40,`,
		`    "mimir_thing_get": (ctypes.c_int64, ctypes.POINTER(mimir_thing)),`,
		"    mimir_thing_get: Callable[..., int]\n", `the name "a\\b" of a path.`)
}

func TestGenerationIsTheSameEveryTime(t *testing.T) {
	root := plant(t, nil)
	if err := generate(root); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if names, err := stale(root); err != nil || len(names) > 0 {
			t.Fatal(names, err)
		}
	}
}

func TestStaleAndMissingFilesAreNamed(t *testing.T) {
	root := plant(t, nil)
	if err := generate(root); err != nil {
		t.Fatal(err)
	}
	header := filepath.Join(root, "include/libmimir.h")
	text, err := os.ReadFile(header)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), "\n", "\n\n", 1)
	if err := os.WriteFile(header, []byte(changed), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(root, "export/entry_gen.c")); err != nil {
		t.Fatal(err)
	}
	names, err := stale(root)
	want := []string{"include/libmimir.h (from line 2)", "export/entry_gen.c (missing)"}
	if err != nil || !slices.Equal(names, want) {
		t.Errorf("got %q, %v, want %q", names, err, want)
	}
}

func TestAnUnlistedNounGetsItsOwnSection(t *testing.T) {
	text := generatedText(t, map[string]string{"export/weather.go": `package main

// mimir_weather_get asks.
//
// Returns: MIMIR_OK.
//
//mimir:forked refuse
//export mimirgo_weather_get
func mimirgo_weather_get(day C.int32_t) (status C.int32_t) {
	defer guard(&status)
	return ok
}
`})["include/libmimir.h"]
	wantAll(t, text, " * Weather */\n")
}

func TestTextIsWrappedAndItsCodeKept(t *testing.T) {
	got := wrap("one two three four\nfive\n\n\tcode  stays\n\nlast", 9)
	want := []string{"one two", "three", "four five", "", "    code  stays", "", "last"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
