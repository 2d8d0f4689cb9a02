package main

// #include "internal.h"
import "C"

import (
	"runtime"
	"sync"

	"libmimir/core"
)

// watchers counts the jobs that live, each of which may come to need a thread to watch it, with one for all monitors, and the
// threads set aside for them. The runtime, when it wants a thread and is refused one, ends the process; so threads are set aside while refusal is
// still an answer.
var watchers struct {
	mu             sync.Mutex
	living, spared int
}

// fewestWatchers is for how many jobs threads are set aside as the library is loaded.
const fewestWatchers = 4

// beforeOwnLimit takes what would be taken later of what the host is about to limit for itself.
func beforeOwnLimit(limit core.Limit) {
	if limit == core.LimitOpenFiles {
		C.mimir_forked_prepare()
	}
}

func init() {
	core.ReserveThread = reserveWatcher
	core.ReleaseThread = releaseWatcher
	core.Spend = spend
	core.HostEnvironment = hostEnvironment
}

func reserveWatcher() error {
	watchers.mu.Lock()
	defer watchers.mu.Unlock()
	if watchers.living == watchers.spared {
		if err := spareWatchers(); err != nil {
			return err
		}
	}
	watchers.living++
	return nil
}

// spareWatchers sets threads aside for as many jobs again. The caller holds watchers.mu.
func spareWatchers() error {
	before := C.mimir_load_memory()
	more := max(fewestWatchers, watchers.spared)
	if C.mimir_threads_possible(C.int(more+spareThreads)) == 0 {
		return core.Errorf(core.StatusENOMEM, "start thread", "the system has no thread left to watch the job with")
	}
	watchers.spared += more
	reserveThreads(watchers.spared + spareThreads)
	C.mimir_signals_quiet()
	C.mimir_load_took_since(before)
	return nil
}

func releaseWatcher() {
	watchers.mu.Lock()
	defer watchers.mu.Unlock()
	watchers.living--
}

// reserveThreads makes the runtime have n idle threads, which stay. A goroutine that is locked to its thread and waits
// makes the runtime start another thread for the next.
func reserveThreads(n int) {
	var started sync.WaitGroup
	release := make(chan struct{})
	started.Add(n)
	for range n {
		go func() {
			runtime.LockOSThread()
			C.mimir_signals_block()
			started.Done()
			<-release
			runtime.UnlockOSThread()
		}()
	}
	started.Wait()
	close(release)
}
