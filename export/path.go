package main

// #include <stdlib.h>
// #include "libmimir.h"
import "C"

import (
	"unicode/utf8"
	"unsafe"

	"libmimir/core"
)

// mimir_path_normalize writes a path without redundant separators, "." and ".." parts, by the rules of a flavour
// (MIMIR_PATH_NATIVE, MIMIR_PATH_POSIX, MIMIR_PATH_WINDOWS). It looks at no file. The result is that of Python's
// posixpath.normpath or ntpath.normpath. The bytes of a path are not required to be UTF-8, since those of files are not.
//
// Returns: MIMIR_OK; MIMIR_ERANGE and needed as in mimir_version; MIMIR_EINVAL for an unknown flavour or NULL.
//
//mimir:forked refuse
//export mimirgo_path_normalize
func mimirgo_path_normalize(flavour C.int32_t, path *C.char, buffer *C.char, length C.uint64_t, needed *C.uint64_t) (status C.int32_t) {
	defer guard(&status)
	rules, st := pathRules(flavour)
	if st != ok {
		return st
	}
	p, st := text("path", path)
	if st != ok {
		return st
	}
	return writeText(rules.Normalize(p), buffer, length, needed)
}

// mimir_path_join writes count parts joined by the rules of a flavour: a later part that is absolute starts anew, as in
// Python's posixpath.join and ntpath.join.
//
// Returns: MIMIR_OK; MIMIR_ERANGE and needed as in mimir_version; MIMIR_EINVAL for an unknown flavour, NULL, or a count
// of 0 or above 65,536.
//
//mimir:forked refuse
//export mimirgo_path_join
func mimirgo_path_join(flavour C.int32_t, parts **C.char, count C.uint64_t, buffer *C.char, length C.uint64_t, needed *C.uint64_t) (status C.int32_t) {
	defer guard(&status)
	rules, st := pathRules(flavour)
	if st != ok {
		return st
	}
	list, st := textList("parts", parts, count)
	if st != ok {
		return st
	}
	if len(list) == 0 {
		return fail(core.Errorf(core.StatusEINVAL, "check parts", "there is nothing to join"))
	}
	return writeText(rules.Join(list...), buffer, length, needed)
}

// mimir_path_executable writes the file name of a program: base on POSIX, base with ".exe" on Windows.
//
// Returns: MIMIR_OK; MIMIR_ERANGE and needed as in mimir_version; MIMIR_EINVAL for an unknown flavour or NULL.
//
//mimir:forked refuse
//export mimirgo_path_executable
func mimirgo_path_executable(flavour C.int32_t, base *C.char, buffer *C.char, length C.uint64_t, needed *C.uint64_t) (status C.int32_t) {
	defer guard(&status)
	rules, st := pathRules(flavour)
	if st != ok {
		return st
	}
	name, st := text("base", base)
	if st != ok {
		return st
	}
	return writeText(rules.Executable(name), buffer, length, needed)
}

// mimir_path_separator writes the separator of a flavour: "/" or "\".
//
// Returns: MIMIR_OK; MIMIR_ERANGE and needed as in mimir_version; MIMIR_EINVAL for an unknown flavour.
//
//mimir:forked refuse
//export mimirgo_path_separator
func mimirgo_path_separator(flavour C.int32_t, buffer *C.char, length C.uint64_t, needed *C.uint64_t) (status C.int32_t) {
	defer guard(&status)
	rules, st := pathRules(flavour)
	if st != ok {
		return st
	}
	return writeText(rules.Separator(), buffer, length, needed)
}

// mimir_path_directory writes one of the user's directories (a MIMIR_DIRECTORY_* constant), from the environment where it
// says (HOME, USERPROFILE, TMPDIR, XDG_CONFIG_HOME, APPDATA), else from the platform's custom. application is the name of
// the folder that MIMIR_DIRECTORY_CONFIG ends in, and is not used for the others. Nothing is created.
//
// Returns: MIMIR_OK; MIMIR_ERANGE and needed as in mimir_version; MIMIR_EINVAL for an unknown directory or an application
// that is NULL, empty or holds a separator; MIMIR_ENOENT when the user has no home.
//
//mimir:forked refuse
//export mimirgo_path_directory
func mimirgo_path_directory(directory C.int32_t, application *C.char, buffer *C.char, length C.uint64_t, needed *C.uint64_t) (status C.int32_t) {
	defer guard(&status)
	name := ""
	if application != nil {
		var st C.int32_t
		if name, st = text("application", application); st != ok {
			return st
		}
		if !utf8.ValidString(name) {
			return fail(core.Errorf(core.StatusEINVAL, "check application", "%q is not UTF-8", name))
		}
	}
	// The environment is asked of C: Go's copy of it is as old as the runtime and misses what the host has set since.
	path, err := core.UserDirectory(core.Directory(directory), name, func(key string) string {
		var name [64]byte
		copyText(name[:], key)
		return C.GoString(C.getenv((*C.char)(unsafe.Pointer(&name))))
	})
	if err != nil {
		return fail(err)
	}
	return writeText(path, buffer, length, needed)
}

func pathRules(flavour C.int32_t) (core.PathRules, C.int32_t) {
	rules, err := core.Paths(core.PathFlavour(flavour))
	if err != nil {
		return nil, fail(err)
	}
	return rules, ok
}
