package main

// #include "libmimir.h"
import "C"

import "libmimir/core"

// perSystemFile is about what reading one of the system's files leaves behind.
const perSystemFile = 72 << 10

// mimir_system_get stores the numbers of the system: platform, CPUs, page size, memory, boot time.
//
// Returns: MIMIR_OK; MIMIR_EINVAL when system is NULL or system->size is wrong; MIMIR_EOS when the operating system
// does not tell.
//
//mimir:forked refuse
//export mimirgo_system_get
func mimirgo_system_get(system *C.mimir_system) (status C.int32_t) {
	defer guard(&status)
	if st := check_mimir_system(system); st != ok {
		return st
	}
	spend(perSystemFile)
	facts, err := core.Native().SystemFacts()
	if err != nil {
		return fail(err)
	}
	store_mimir_system(system, &facts)
	return ok
}

// mimir_system_text writes one of the system's names; item is a MIMIR_SYSTEM_* constant.
//
// Returns: MIMIR_OK; MIMIR_ERANGE and needed as in mimir_version; MIMIR_EINVAL for an unknown item; MIMIR_EOS when the
// operating system does not tell.
//
//mimir:forked refuse
//export mimirgo_system_text
func mimirgo_system_text(item C.int32_t, buffer *C.char, length C.uint64_t, needed *C.uint64_t) (status C.int32_t) {
	defer guard(&status)
	spend(perSystemFile)
	text, err := core.Native().SystemText(core.SystemText(item))
	if err != nil {
		return fail(err)
	}
	return writeText(text, buffer, length, needed)
}

// mimir_system_measure stores what the system as a whole does now: CPU times, memory, swap space, and how many threads want to
// run. usage->fields receives which readings the platform gives, a sum of MIMIR_SYSTEM_USAGE_* bits: the others are 0.
// Windows: the first call opens performance counters, which can take some hundred milliseconds, and keeps them open.
//
// Returns: MIMIR_OK; MIMIR_EINVAL when usage is NULL or usage->size is wrong; MIMIR_ENOTSUP where the library has no adapter;
// MIMIR_EOS when the operating system does not tell.
//
//mimir:forked refuse
//export mimirgo_system_measure
func mimirgo_system_measure(usage *C.mimir_system_usage) (status C.int32_t) {
	defer guard(&status)
	if st := check_mimir_system_usage(usage); st != ok {
		return st
	}
	spend(2 * perSystemFile)
	u, err := core.Native().SystemUsage()
	if err != nil {
		return fail(err)
	}
	store_mimir_system_usage(usage, &u)
	return ok
}
