package main

import (
	"runtime"
	"sync/atomic"
)

// collectAfter is how many bytes become garbage between two collections. Each takes a millisecond, and several where all
// CPUs are busy: two threads of the runtime spin until the last one that sweeps, which may not run meanwhile, is done.
const collectAfter = 4 << 20

var copied atomic.Int64

// collections asks for a collection, and is answered when there has been one.
var collections = make(chan chan struct{})

// collect collects garbage whenever it is asked to. The threads of the host do not do it themselves: a thread that has called Go
// from C is the only one that can run what it called, and runtime.GC gives way to others once for each piece of memory that
// it sweeps, which takes such a thread two changes of thread each time.
func collect() {
	for asker := range collections {
		if copied.Load() >= collectAfter { // else another has asked for the same
			runtime.GC()
			copied.Store(0)
		}
		close(asker)
	}
}

// spend counts bytes that are about to become garbage, and collects before there is too much of it. The collector, left to
// itself, works beside the threads that go on allocating, and the heap grows meanwhile: past what was mapped at
// load, where a host at its limit of memory would be ended for it.
func spend(bytes int) {
	if copied.Add(int64(bytes)) < collectAfter {
		return
	}
	done := make(chan struct{})
	collections <- done
	<-done
}
