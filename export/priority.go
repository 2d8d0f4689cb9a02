package main

// #include "libmimir.h"
import "C"

import "libmimir/core"

// perThreadList is about what looking at the threads of a process leaves behind.
const perThreadList = 4 << 10

// mimir_priority_get stores the priority of a process, a nice value from -20 to 19; pid 0 is the caller. Windows: the
// MIMIR_PRIORITY_* constant of its class.
//
// Returns: MIMIR_OK; MIMIR_EINVAL for a pid that is none or NULL; MIMIR_ESRCH when the process is gone; MIMIR_EPERM when it
// may not be asked.
//
//mimir:forked c
//export mimirgo_priority_get
func mimirgo_priority_get(pid C.int64_t, priority *C.int32_t) (status C.int32_t) {
	defer guard(&status)
	if priority == nil {
		return null("priority")
	}
	found, err := core.ReadPriority(core.Native(), int64(pid))
	if err != nil {
		return fail(err)
	}
	*priority = C.int32_t(found)
	return ok
}

// mimir_priority_set sets the priority of all threads of a process, and so that of what it starts from then on: a nice value from
// -20 to 19, or one of the MIMIR_PRIORITY_* constants. pid 0 is the caller. What is lowered on Unix cannot be raised again
// without a privilege. Linux counts it among the processes of one session where the scheduler groups them so (autogroup).
//
// Returns: MIMIR_OK; MIMIR_EINVAL for a pid or a priority that is none; MIMIR_ESRCH when the process is gone; MIMIR_EPERM when
// it is another user's, or the privilege is missing. On failure nothing has changed.
//
//mimir:forked c
//export mimirgo_priority_set
func mimirgo_priority_set(pid C.int64_t, priority C.int32_t) (status C.int32_t) {
	defer guard(&status)
	spend(perThreadList)
	if err := core.SetPriority(core.Native(), int64(pid), core.Priority(priority)); err != nil {
		return fail(err)
	}
	return ok
}
