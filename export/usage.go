package main

// #include "libmimir.h"
// #include "internal.h"
import "C"

import (
	"os"
	"runtime"
	"unsafe"

	"libmimir/core"
)

// mimir_usage_get stores what a process uses. pid 0 is the caller; fields is a sum of MIMIR_USAGE_* bits, and usage->fields
// receives those that were read: fields that the platform or the permissions do not give are left out and are 0.
//
// Returns: MIMIR_OK; MIMIR_EINVAL for no or unknown bits, a negative pid, when usage is NULL or usage->size is wrong;
// MIMIR_ESRCH when the process is gone; MIMIR_EPERM when nothing of it may be read.
//
//mimir:forked c
//export mimirgo_usage_get
func mimirgo_usage_get(pid C.int64_t, fields C.uint32_t, usage *C.mimir_usage) (status C.int32_t) {
	defer guard(&status)
	if runtime.GOOS == "linux" && (pid == 0 || int64(pid) == int64(os.Getpid())) {
		return C.mimir_own_usage(fields, usage) // one reading of the own memory, and one descriptor kept for it
	}
	if st := check_mimir_usage(usage); st != ok {
		return st
	}
	var u core.Usage
	if err := core.ReadUsage(core.Native(), int64(pid), core.UsageField(fields), &u); err != nil {
		return fail(err)
	}
	store_mimir_usage(usage, &u)
	return ok
}

// mimir_usage_measure stores the caller's own memory and CPU time held against a memory limit in bytes and a CPU limit in
// seconds, each 0 for none. It changes no limit. It is the cheapest reading: two system calls on Linux, and a descriptor
// of /proc/self/statm that stays open from the first call on.
//
// Returns: MIMIR_OK; MIMIR_EINVAL when measure is NULL or measure->size is wrong; MIMIR_EOS when the operating system does
// not tell.
//
//mimir:forked always
//export mimirgo_usage_measure
func mimirgo_usage_measure(memory_limit_bytes, cpu_limit_seconds C.uint64_t, measure *C.mimir_measure) (status C.int32_t) {
	defer guard(&status)
	if st := check_mimir_measure(measure); st != ok {
		return st
	}
	m, err := core.MeasureSelf(uint64(memory_limit_bytes), uint64(cpu_limit_seconds))
	if err != nil {
		return fail(err)
	}
	store_mimir_measure(measure, &m)
	return ok
}

// mimir_usage_page stores the address of a mimir_measure that belongs to the library and stays where it is: the page, which
// mimir_usage_refresh fills. Its fields are 0 before that. It is there to be read only.
//
// Returns: MIMIR_OK; MIMIR_EINVAL when address is NULL.
//
//mimir:forked always
//export mimirgo_usage_page
func mimirgo_usage_page(address *C.uint64_t) (status C.int32_t) {
	defer guard(&status)
	if address == nil {
		return null("address")
	}
	*address = C.uint64_t(uintptr(unsafe.Pointer(&C.mimir_page)))
	return ok
}

// mimir_usage_refresh is mimir_usage_measure without limits, into the page of mimir_usage_page: for a caller to whom passing
// arguments costs a good part of the reading, such as the binding of another language. Threads share the page: each of its
// numbers is whole, and is that of the last refresh, whoever made it. On failure the page stays as it was.
//
// Returns: MIMIR_OK; MIMIR_EOS when the operating system does not tell.
//
//mimir:forked always
//export mimirgo_usage_refresh
func mimirgo_usage_refresh() (status C.int32_t) {
	defer guard(&status)
	m, err := core.MeasureSelf(0, 0)
	if err != nil {
		return fail(err)
	}
	store_mimir_measure(&C.mimir_page, &m)
	return ok
}
