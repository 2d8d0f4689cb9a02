package main

// #include <stdint.h>
import "C"

import "sync"

// handleTable gives out numbers for jobs and monitors. A number is never given out twice, so that a stale one is known, and one
// of the other kind.
type handleTable struct {
	mu      sync.Mutex
	last    uint64
	objects map[uint64]any
}

var handles = handleTable{objects: map[uint64]any{}}

func (t *handleTable) put(object any) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last++
	t.objects[t.last] = object
	return t.last
}

// open is the object of a handle, if it is of the kind T.
func open[T any](handle uint64) (object T, found bool) {
	handles.mu.Lock()
	defer handles.mu.Unlock()
	object, found = handles.objects[handle].(T)
	return object, found
}

// take is open, and the handle is not good any more.
func take[T any](handle uint64) (object T, found bool) {
	handles.mu.Lock()
	defer handles.mu.Unlock()
	if object, found = handles.objects[handle].(T); found {
		delete(handles.objects, handle)
	}
	return object, found
}

// with acts with the object of a handle.
func with[T any](handle C.uint64_t, act func(T) error) C.int32_t {
	object, found := open[T](uint64(handle))
	if !found {
		return staleHandle(uint64(handle))
	}
	if err := act(object); err != nil {
		return fail(err)
	}
	return ok
}
