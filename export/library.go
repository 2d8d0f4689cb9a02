package main

// #include "libmimir.h"
// #include "internal.h"
import "C"

import "libmimir/core"

// mimir_version writes the version of the library, such as "0.1.0".
//
// Returns: MIMIR_OK; MIMIR_ERANGE when length is too short (needed, which may be NULL, then holds the bytes that the text
// takes with its final zero; so it does on success); MIMIR_EINVAL when buffer is NULL and length is not 0.
//
//mimir:forked c
//export mimirgo_version
func mimirgo_version(buffer *C.char, length C.uint64_t, needed *C.uint64_t) (status C.int32_t) {
	defer guard(&status)
	return writeText(core.Version, buffer, length, needed)
}

// mimir_abi stores the number of the binary interface. It is raised only by a change that breaks programs built before;
// compare it with MIMIR_ABI of the header that the program was built with.
//
// Returns: MIMIR_OK; MIMIR_EINVAL when abi is NULL.
//
//mimir:forked c
//export mimirgo_abi
func mimirgo_abi(abi *C.uint32_t) (status C.int32_t) {
	defer guard(&status)
	if abi == nil {
		return null("abi")
	}
	*abi = C.MIMIR_ABI
	return ok
}

// mimir_last_error copies what is known of the last failing call of this thread: its status, the operating system's error
// code, the step that failed and a sentence for a person. It is not changed by calls that succeed.
//
// Returns: MIMIR_OK; MIMIR_EINVAL when error is NULL or error->size is wrong.
//
//mimir:forked c
//export mimirgo_last_error
func mimirgo_last_error(error *C.mimir_error) (status C.int32_t) {
	return C.mimir_error_copy(error)
}

// mimir_status_text writes a short English description of a status, such as "no such process" for MIMIR_ESRCH.
//
// Returns: MIMIR_OK; MIMIR_ERANGE and needed as in mimir_version; MIMIR_EINVAL for a number that is not a status.
//
//mimir:forked refuse
//export mimirgo_status_text
func mimirgo_status_text(code C.int32_t, buffer *C.char, length C.uint64_t, needed *C.uint64_t) (status C.int32_t) {
	defer guard(&status)
	if !core.Status(code).Known() {
		return fail(core.Errorf(core.StatusEINVAL, "check status", "%d is not a status", int32(code)))
	}
	return writeText(core.Status(code).String(), buffer, length, needed)
}

// mimir_library_reload gives a forked child that lives on, such as a worker of a server, the whole library again: it loads a
// fresh copy, with a runtime of its own, and stores what dlopen returned for it, to be cast to void * and used with
// dlsym (MIMIR_EFORKED is the old copy's answer for ever). It takes some milliseconds, and 1.7 GB of address space that are
// never touched. Do not call it between fork and exec. Linux only.
//
// Returns: MIMIR_OK; MIMIR_EFORKED, within a second, when a copy cannot be loaded safely: a limit of address space, memory,
// processes, descriptors or file size leaves no room, or another thread of the parent was in the loader at the fork;
// MIMIR_ESTATE in a process that was not forked; MIMIR_EINVAL when handle is NULL; MIMIR_ENOTSUP on other systems.
//
//mimir:forked c
//export mimirgo_library_reload
func mimirgo_library_reload(handle *C.uint64_t) (status C.int32_t) {
	defer guard(&status)
	if handle == nil {
		return null("handle")
	}
	return fail(core.Errorf(core.StatusESTATE, "check process", "this process was not forked from one that had loaded the library"))
}
