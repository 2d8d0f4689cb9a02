package main

// #include "libmimir.h"
// #include "internal.h"
import "C"

import "libmimir/core"

// mimir_limit_set sets a limit on a running process. pid 0 is the caller; limit is a MIMIR_LIMIT_* constant, in the unit
// that its description names; soft is in force at once, hard is as far as soft can be raised later, and
// MIMIR_UNLIMITED means none. enforcement, which may be NULL, receives how strongly the limit is kept: a
// MIMIR_ENFORCEMENT_* constant.
//
// A limit of memory or address space that the caller sets on itself is for its own use: what the library took when it was
// loaded (mostly address space and thread stacks that are never touched) is added to the kernel's limit, and
// mimir_limit_get answers what was asked for. In a forked child nothing is added, since a program is about to be executed.
//
// MIMIR_LIMIT_MEMORY on Linux sets RLIMIT_DATA, which the kernel enforces, and RLIMIT_RSS, which it ignores, for programs
// that read it back.
//
// Returns: MIMIR_OK; MIMIR_EINVAL for an unknown limit or soft above hard; MIMIR_ELIMIT when hard is above the present
// hard limit and the caller may not raise it (the text says what was asked and what is allowed); MIMIR_ENOTSUP for a limit
// that a running process cannot have here; MIMIR_ESRCH when the process is gone; MIMIR_EPERM when it belongs to another
// user. On failure nothing is changed.
//
//mimir:forked c
//export mimirgo_limit_set
func mimirgo_limit_set(pid C.int64_t, limit C.int32_t, soft, hard C.uint64_t, enforcement *C.int32_t) (status C.int32_t) {
	defer guard(&status)
	kept, err := core.Native().SetLimit(int64(pid), core.Limit(limit), uint64(soft), uint64(hard))
	if err != nil {
		return fail(err)
	}
	if pid == 0 {
		C.mimir_forked_note(limit, soft, hard)
	}
	if enforcement != nil {
		*enforcement = C.int32_t(kept)
	}
	return ok
}

// mimir_limit_get stores the limit that a process has, each of soft, hard and enforcement where the pointer is not NULL.
// Arguments and units are those of mimir_limit_set.
//
// Returns: MIMIR_OK; MIMIR_EINVAL for an unknown limit; MIMIR_ENOTSUP for a limit that a running process cannot have
// here; MIMIR_ESRCH when the process is gone; MIMIR_EPERM when it belongs to another user.
//
//mimir:forked c
//export mimirgo_limit_get
func mimirgo_limit_get(pid C.int64_t, limit C.int32_t, soft, hard *C.uint64_t, enforcement *C.int32_t) (status C.int32_t) {
	defer guard(&status)
	value, err := core.Native().Limit(int64(pid), core.Limit(limit))
	if err != nil {
		return fail(err)
	}
	if soft != nil {
		*soft = C.uint64_t(value.Soft)
	}
	if hard != nil {
		*hard = C.uint64_t(value.Hard)
	}
	if enforcement != nil {
		*enforcement = C.int32_t(value.Enforcement)
	}
	return ok
}

// mimir_limit_support stores how strongly this platform keeps a limit on a scope (a MIMIR_SCOPE_* constant):
// MIMIR_ENFORCEMENT_NONE where it cannot.
//
// Returns: MIMIR_OK; MIMIR_EINVAL for an unknown limit or scope, or when enforcement is NULL.
//
//mimir:forked refuse
//export mimirgo_limit_support
func mimirgo_limit_support(limit, scope C.int32_t, enforcement *C.int32_t) (status C.int32_t) {
	defer guard(&status)
	if enforcement == nil {
		return null("enforcement")
	}
	kept, err := core.Supports(core.Native(), core.Limit(limit), core.Scope(scope))
	if err != nil {
		return fail(err)
	}
	*enforcement = C.int32_t(kept)
	return ok
}
