package main

// #include "libmimir.h"
import "C"

import (
	"unsafe"

	"libmimir/core"
)

// mimir_group_create makes the caller the leader of a new process group, which its later children belong to; group, which
// may be NULL, receives the group's id. A process that leads its group already keeps it.
//
// Returns: MIMIR_OK; MIMIR_EPERM for a session leader of another group; MIMIR_ENOTSUP where there are no process groups.
//
//mimir:forked c
//export mimirgo_group_create
func mimirgo_group_create(group *C.int64_t) (status C.int32_t) {
	defer guard(&status)
	id, err := core.Native().CreateGroup()
	if err != nil {
		return fail(err)
	}
	if group != nil {
		*group = C.int64_t(id)
	}
	return ok
}

// mimir_group_kill sends a signal to every process of a process group. signal 0 sends nothing and tells whether the group
// has members.
//
// Returns: MIMIR_OK; MIMIR_EINVAL for a group below 1 or a number that is no signal; MIMIR_ESRCH when the group has no
// members; MIMIR_EPERM when none of them may be signalled; MIMIR_ENOTSUP where there are no process groups.
//
//mimir:forked c
//export mimirgo_group_kill
func mimirgo_group_kill(group C.int64_t, signal C.int32_t) (status C.int32_t) {
	defer guard(&status)
	if err := core.Native().KillGroup(int64(group), int32(signal)); err != nil {
		return fail(err)
	}
	return ok
}

// mimir_process_identify stores when a process started, in a unit of the system's own (Linux: field 22 of /proc/<pid>/stat): no
// other process that has had or will have its id has started then. pid 0 is the caller. A process that has ended is gone, also
// when its parent has not waited for it.
//
// Returns: MIMIR_OK; MIMIR_EINVAL for a pid that is none or NULL; MIMIR_ESRCH when the process is gone; MIMIR_EPERM when it may
// not be asked (Windows).
//
//mimir:forked refuse
//export mimirgo_process_identify
func mimirgo_process_identify(pid C.int64_t, start *C.uint64_t) (status C.int32_t) {
	defer guard(&status)
	if start == nil {
		return null("start")
	}
	started, err := core.Identify(core.Native(), int64(pid))
	if err != nil {
		return fail(err)
	}
	*start = C.uint64_t(started)
	return ok
}

// mimir_process_children stores the ids of the children of a process, or with descendants of all those below it, as they are now:
// up to capacity in pids, and in count how many there are.
//
// Returns: MIMIR_OK; MIMIR_ERANGE when there are more than capacity (count holds how many); MIMIR_EINVAL for a pid that
// is none, NULL, or descendants other than 0 and 1; MIMIR_ESRCH when the process is gone; MIMIR_ENOTSUP where processes
// cannot be listed.
//
//mimir:forked refuse
//export mimirgo_process_children
func mimirgo_process_children(pid C.int64_t, descendants C.int32_t, pids *C.int64_t, capacity C.uint64_t, count *C.uint64_t) (status C.int32_t) {
	defer guard(&status)
	if count == nil {
		return null("count")
	}
	if pids == nil && capacity > 0 {
		return null("pids")
	}
	if descendants != 0 && descendants != 1 {
		return fail(core.Errorf(core.StatusEINVAL, "check arguments", "descendants is 0 or 1, not %d", int32(descendants)))
	}
	found, err := core.ListDescendants(core.Native(), int64(pid), descendants == 1)
	if err != nil {
		return fail(err)
	}
	*count = C.uint64_t(len(found))
	if uint64(len(found)) > uint64(capacity) {
		return fail(core.Errorf(core.StatusERANGE, "copy process ids", "there are %d, the buffer has room for %d", len(found), uint64(capacity)))
	}
	for i, p := range found {
		unsafe.Slice(pids, len(found))[i] = C.int64_t(p)
	}
	return ok
}

// mimir_process_kill_tree ends a process and all its descendants, and returns when they are gone. They are stopped first, so
// that none can start another meanwhile; descendants that had lost their parent before are not known to be any (a job's are:
// use mimir_job_kill). It cannot be used on the caller itself.
//
// Returns: MIMIR_OK; MIMIR_EINVAL for a pid that is none, 0, 1 or the caller; MIMIR_ESRCH when the process is gone;
// MIMIR_EPERM when it belongs to another user; MIMIR_ENOTSUP where processes cannot be listed.
//
//mimir:forked refuse
//export mimirgo_process_kill_tree
func mimirgo_process_kill_tree(pid C.int64_t) (status C.int32_t) {
	defer guard(&status)
	if err := core.Native().KillTree(int64(pid)); err != nil {
		return fail(err)
	}
	return ok
}

// mimir_signal_reset gives a signal its default disposition and unblocks it in the calling thread, as a child does before
// it runs a command; signal 0 does so for every signal that can be reset.
//
// Returns: MIMIR_OK; MIMIR_EINVAL for a number that is no signal, or one that cannot be reset (SIGKILL, SIGSTOP);
// MIMIR_ENOTSUP where there are no signals.
//
//mimir:forked always
//export mimirgo_signal_reset
func mimirgo_signal_reset(signal C.int32_t) (status C.int32_t) {
	defer guard(&status)
	if err := core.Native().ResetSignal(int32(signal)); err != nil {
		return fail(err)
	}
	return ok
}
