package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// image makes a Mach-O image of a few pages: its identity, its symbols, its export trie with room to spare, its signature.
func image(t *testing.T, cpu uint32, names []string, signed bool) []byte {
	t.Helper()
	var entries []export
	for i, name := range names {
		info := binary.AppendUvarint([]byte{0}, uint64(0x4000+16*i))
		entries = append(entries, export{name, info})
	}
	trie := makeTrie(entries)
	name := "@rpath/libmimir.dylib\x00\x00\x00"
	const pages = 3 * 4096
	b := make([]byte, pages)
	le.PutUint32(b, machoMagic64)
	le.PutUint32(b[4:], cpu)
	le.PutUint32(b[12:], 6) // MH_DYLIB
	at, count := headerSize, uint32(0)
	command := func(kind uint32, size int) []byte {
		body := b[at : at+size]
		le.PutUint32(body, kind)
		le.PutUint32(body[4:], uint32(size))
		at, count = at+size, count+1
		return body
	}
	id := command(lcIDDylib, 24+len(name))
	le.PutUint32(id[8:], 24)
	copy(id[24:], name)
	version := command(lcBuildVersion, 24)
	le.PutUint32(version[8:], platformMacOS)
	le.PutUint32(version[12:], 12<<16)
	trieAt, symbolsAt, stringsAt := 4096, 2*4096, 2*4096+2048
	info := command(lcExportsTrie, 16)
	le.PutUint32(info[8:], uint32(trieAt))
	le.PutUint32(info[12:], uint32(len(trie)))
	copy(b[trieAt:], trie)
	symtab := command(lcSymtab, 24)
	le.PutUint32(symtab[8:], uint32(symbolsAt))
	le.PutUint32(symtab[12:], uint32(len(names)))
	le.PutUint32(symtab[16:], uint32(stringsAt))
	texts := 1
	for i, name := range names {
		entry := b[symbolsAt+i*nlistSize:]
		le.PutUint32(entry, uint32(texts))
		entry[4] = 0x0e | nExternal // N_SECT
		texts += copy(b[stringsAt+texts:], name) + 1
	}
	if signed {
		signature := command(lcCodeSignature, 16)
		le.PutUint32(signature[8:], pages)
		directory := make([]byte, 44+3*sha256.Size)
		be.PutUint32(directory, 0xfade0c02)
		be.PutUint32(directory[12:], adHoc)
		be.PutUint32(directory[16:], 44)
		be.PutUint32(directory[28:], 3)
		be.PutUint32(directory[32:], pages)
		directory[36], directory[37], directory[39] = sha256.Size, 2, 12
		blob := make([]byte, 20)
		be.PutUint32(blob, 0xfade0cc0)
		be.PutUint32(blob[8:], 1)
		be.PutUint32(blob[16:], 20)
		b = append(b, append(blob, directory...)...)
	}
	le.PutUint32(b[16:], count)
	m, err := parseMacho(b)
	if err == nil {
		err = m.sign()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func namesOf(t *testing.T, b []byte) (names []string) {
	t.Helper()
	m, err := parseMacho(b)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := m.exports()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.name)
	}
	slices.Sort(names)
	return names
}

var someModel = &Model{Functions: []*Function{{CName: "mimir_a"}, {CName: "mimir_ab"}, {CName: "mimir_b"}}}

func TestAnExportTrieIsReadAsItWasWritten(t *testing.T) {
	for _, names := range [][]string{{"_a"}, {"_mimir_a", "_mimir_ab", "_mimir_b"}, {"_", "_a", "_aa", "_aaa"}, {"x", "y"}} {
		if got := namesOf(t, image(t, cpuARM64, names, true)); !slices.Equal(got, names) {
			t.Errorf("got %q, want %q", got, names)
		}
	}
	var many []string
	for i := range 300 {
		many = append(many, fmt.Sprintf("_mimir_%03d_%s", i, strings.Repeat("x", i%40)))
	}
	var entries []export
	for _, name := range many {
		entries = append(entries, export{name, []byte{0, byte(len(name))}})
	}
	trie := makeTrie(entries)
	b := make([]byte, 128, 128+len(trie))
	le.PutUint32(b[100:], 128)
	le.PutUint32(b[104:], uint32(len(trie)))
	found, err := (&macho{b: append(b, trie...), exportsAt: 100, exportsSize: 104}).exports()
	if err != nil || len(found) != 300 {
		t.Fatal(len(found), err)
	}
	for _, e := range found {
		if !slices.Contains(many, e.name) || e.info[1] != byte(len(e.name)) {
			t.Errorf("%q leads to %v", e.name, e.info)
		}
	}
}

func TestWhatTheLinkerShowsOfItsOwnAccordIsTakenAndTheRestSignedAnew(t *testing.T) {
	b := image(t, cpuARM64, []string{"___dso_handle", "_mimir_a", "_mimir_ab", "_mimir_b"}, true)
	before, _ := parseMacho(b)
	entries, _ := before.exports()
	if err := trimExports(b, []string{"_mimir_a", "_mimir_ab", "_mimir_b"}); err != nil {
		t.Fatal(err)
	}
	m, err := parseMacho(b)
	if err != nil {
		t.Fatal(err)
	}
	after, err := m.exports()
	if err != nil || len(after) != 3 {
		t.Fatal(after, err)
	}
	for _, e := range after {
		if !slices.ContainsFunc(entries, func(old export) bool { return old.name == e.name && bytes.Equal(old.info, e.info) }) {
			t.Errorf("%s leads elsewhere now", e.name)
		}
	}
	if err := m.checkSignature(); err != nil {
		t.Error(err)
	}
	b[5000] ^= 1
	if err := m.checkSignature(); err == nil || !strings.Contains(err.Error(), "does not fit 1 of the pages") {
		t.Error("a changed page is not found:", err)
	}
}

func TestAnObjectsOwnSymbolsAreHiddenAndThoseOfOthersAreNot(t *testing.T) {
	b := image(t, cpuAMD64, []string{"_mimir_a", "_helper", "_elsewhere"}, false)
	m, _ := parseMacho(b)
	entry := b[m.symbolsAt+2*nlistSize:]
	entry[4] = nExternal // undefined: another object has it
	if err := hideSymbols(b, []string{"_mimir_a"}); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	_ = m.eachSymbol(func(entry []byte, name string) { got[name] = entry[4]&nPrivate != 0 })
	if got["_mimir_a"] || !got["_helper"] || got["_elsewhere"] {
		t.Error(got)
	}
}

func TestADylibThatLacksWhatMacOSDemandsIsRefused(t *testing.T) {
	all := []string{"_mimir_a", "_mimir_ab", "_mimir_b"}
	arm, intel := image(t, cpuARM64, all, true), image(t, cpuAMD64, all, false)
	both, err := universal(arm, intel)
	if err != nil {
		t.Fatal(err)
	}
	changed := slices.Clone(arm)
	changed[100] ^= 1 // within the load commands, and signed
	older := slices.Clone(intel)
	le.PutUint32(older[headerSize+48+12:], 13<<16)
	other := slices.Clone(both)
	be.PutUint32(other[8:], cpuAMD64)
	renamed := slices.Clone(intel)
	renamed[headerSize+24] = 'x'
	for name, test := range map[string]struct {
		b    []byte
		want string
	}{
		"arm64":                   {arm, ""},
		"Intel, unsigned":         {intel, ""},
		"universal":               {both, ""},
		"arm64, unsigned":         {image(t, cpuARM64, all, false), "there is no signature"},
		"arm64, changed":          {changed, "does not fit"},
		"one too few":             {image(t, cpuARM64, all[1:], true), "does not show mimir_a"},
		"one too many":            {image(t, cpuARM64, append([]string{"_crosscall2"}, all...), true), "does not have: crosscall2"},
		"another least version":   {older, "asks for macOS 13.0"},
		"another install name":    {renamed, `has the name "xrpath/libmimir.dylib"`},
		"another processor":       {other, "another processor"},
		"no library":              {[]byte("#!/bin/sh\n"), "no library"},
		"cut short":               {arm[:200], "cut short"},
		"universal, one unsigned": {mustUniversal(t, image(t, cpuARM64, all, false), intel), "there is no signature"},
	} {
		file := filepath.Join(t.TempDir(), "lib")
		if err := os.WriteFile(file, test.b, 0o644); err != nil {
			t.Fatal(err)
		}
		err := checkLibrary(file, someModel)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

func mustUniversal(t *testing.T, files ...[]byte) []byte {
	t.Helper()
	b, err := universal(files...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestADylibLinkedByZigShowsOnlyWhatItShouldAndIsSigned(t *testing.T) {
	root, err := findRoot()
	if err != nil {
		t.Fatal(err)
	}
	zig, err := findZig(root)
	if err != nil {
		t.Skip(err)
	}
	directory := t.TempDir()
	source := filepath.Join(directory, "a.c")
	text := `int helper(void) { return 2; }
int mimir_a(void) { return 0; } int mimir_ab(void) { return 1; } int mimir_b(void) { return helper(); }
__attribute__((constructor)) void mimir_load_last(void) {}
__attribute__((constructor)) static void other(void) {}
__attribute__((constructor)) void mimir_load_first(void) {}
`
	if err := os.WriteFile(source, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	keep := []string{"_mimir_a", "_mimir_ab", "_mimir_b"}
	for _, processor := range []string{"aarch64", "x86_64"} {
		object, library := filepath.Join(directory, processor+".o"), filepath.Join(directory, processor+".dylib")
		run := func(arguments ...string) {
			out, err := exec.Command(zig, append([]string{"cc", "-target", processor + "-macos." + oldestMacOS}, arguments...)...).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
		run("-c", "-o", object, source)
		if err := hideObjects(append([]string{firstConstructor, lastConstructor}, keep...), []string{object}); err != nil {
			t.Fatal(err)
		}
		run("-dynamiclib", "-o", library, "-Wl,-install_name,@rpath/libmimir.dylib", object)
		b, err := os.ReadFile(library)
		if err == nil {
			err = orderConstructors(b, firstConstructor, lastConstructor)
		}
		if err == nil {
			checkOrder(t, b)
			err = trimExports(b, keep)
		}
		if err == nil {
			err = os.WriteFile(library, b, 0o755)
		}
		if err == nil {
			err = checkLibrary(library, someModel)
		}
		if err != nil {
			t.Error(processor, err)
		}
	}
}

// checkOrder fails when the constructors are not in order.
func checkOrder(t *testing.T, b []byte) {
	t.Helper()
	m, err := parseMacho(b)
	if err != nil {
		t.Fatal(err)
	}
	table, err := m.constructors()
	if err != nil {
		t.Fatal(err)
	}
	entries, err := m.exports()
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range map[int]string{0: firstConstructor, 2: lastConstructor} {
		for _, e := range entries {
			if offset, _ := binary.Uvarint(e.info[1:]); e.name == name && le.Uint64(table[8*i:]) != offset {
				t.Errorf("%s is not number %d of %x", name, i, table)
			}
		}
	}
}
