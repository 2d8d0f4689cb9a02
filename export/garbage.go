package main

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// collectAfter is how many bytes become garbage between two collections, each of which takes a millisecond.
const collectAfter = 1 << 20

var (
	copied     atomic.Int64
	collecting sync.Mutex
)

// spend counts bytes that are about to become garbage, and collects before there is too much of it. The collector, left to
// itself, works beside the threads that go on allocating, and the heap grows meanwhile: past what was mapped at
// load, where a host at its limit of memory would be ended for it.
func spend(bytes int) {
	if copied.Add(int64(bytes)) < collectAfter {
		return
	}
	collecting.Lock()
	defer collecting.Unlock()
	if copied.Load() >= collectAfter { // another thread may have collected while this one waited
		runtime.GC()
		copied.Store(0)
	}
}
