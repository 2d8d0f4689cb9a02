package main

// #include "libmimir.h"
import "C"

import "libmimir/core"

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

// mimir_signal_reset gives a signal its default disposition and unblocks it in the calling thread, as a child does before
// it runs a command; signal 0 does so for every signal that can be reset.
//
// Returns: MIMIR_OK; MIMIR_EINVAL for a number that is no signal, or one that cannot be reset (SIGKILL, SIGSTOP);
// MIMIR_ENOTSUP where there are no signals.
//
//mimir:forked c
//export mimirgo_signal_reset
func mimirgo_signal_reset(signal C.int32_t) (status C.int32_t) {
	defer guard(&status)
	if err := core.Native().ResetSignal(int32(signal)); err != nil {
		return fail(err)
	}
	return ok
}
