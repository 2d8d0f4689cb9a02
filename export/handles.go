package main

import "sync"

// handleTable gives out numbers for jobs. A number is never given out twice, so that a stale one is known.
type handleTable struct {
	mu   sync.Mutex
	last uint64
	jobs map[uint64]*jobHandle
}

var handles = handleTable{jobs: map[uint64]*jobHandle{}}

func (t *handleTable) put(j *jobHandle) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last++
	t.jobs[t.last] = j
	return t.last
}

func (t *handleTable) get(handle uint64) (*jobHandle, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	j, found := t.jobs[handle]
	return j, found
}

func (t *handleTable) take(handle uint64) (*jobHandle, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	j, found := t.jobs[handle]
	delete(t.jobs, handle)
	return j, found
}
