package main

// #include "internal.h"
import "C"

import (
	"runtime"
	"runtime/debug"

	"libmimir/core"
)

// The last of Go's initializations: package syscall has raised the limit of open files by now.
func init() {
	core.RestoreFileLimit(func() (soft, hard uint64) {
		var s, h C.uint64_t
		C.mimir_load_files(&s, &h)
		return uint64(s), uint64(h)
	})
	core.CountReserve(func() (addressSpace, data uint64) {
		var a, d C.uint64_t
		C.mimir_load_reserve(&a, &d)
		return uint64(a), uint64(d)
	})
	core.BeforeOwnLimit = beforeOwnLimit
	core.KeptForLife = func(descriptor int) { C.mimir_gate_close_on_fork(C.int(descriptor)) }
	warmUp()
	C.mimir_load_ready()
}

const (
	// processors is how much of Go can run at once, whatever the CPUs. Fewer would make threads that start commands wait for
	// each other, since one that starts a command keeps its processor until the command is executed, and each such wait
	// wakes two other threads; more could want more threads, and calls are short.
	processors = 6
	// keptProcessors are for calls that come while all others wait for their commands.
	keptProcessors = 2
	// spareThreads are for the scheduler's own work beside the goroutines that run.
	spareThreads = 2
	// ballastBytes is a part of the heap that lives for ever and is never touched, nor resident; garbagePercent of it, 9 MB,
	// is how much garbage comes together, beside what spend counts, before it is collected. The collector's scavenger stays
	// asleep as long as what is free is less than a tenth of what is in use. Awake it would use a timer, and so open two
	// descriptors in the host's process.
	ballastBytes   = 128 << 20
	garbagePercent = 7
	// spareBytes is mapped beyond that, and more than garbage and handles come to.
	spareBytes = 32 << 20
)

var ballast []byte

// warmUp makes the runtime take now what it would take later: threads and mapped memory. The host may come to a limit of
// either, also by limiting itself, and the runtime's answer to a refusal is to end the process.
func warmUp() {
	runtime.GOMAXPROCS(processors)
	core.SpareProcessors(processors - keptProcessors)
	reserveThreads(processors + spareThreads + fewestWatchers)
	watchers.spared = fewestWatchers
	debug.SetGCPercent(-1)
	ballast = make([]byte, ballastBytes)
	spare := make([]byte, spareBytes)
	runtime.KeepAlive(spare)
	// Before the collection: one without a goal has the runtime ask for huge pages for what it knows of the heap, and the host
	// would have 2 MB more some time later.
	debug.SetGCPercent(garbagePercent)
	debug.FreeOSMemory()
	go collect()
}
