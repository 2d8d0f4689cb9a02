package core

import (
	"math"
	"unsafe"

	"libmimir/core/internal/offheap"
)

// Records is a fixed number of values outside of Go's heap, which hold no pointers into it. The system gives memory for those
// alone that have been written to. Its zero value has none.
type Records[T any] struct{ space offheap.Buffer }

// NewRecords makes n records of zero; StatusENOMEM when the system has no memory for them.
func NewRecords[T any](n int) (*Records[T], error) {
	var one T
	size := int(unsafe.Sizeof(one))
	if n < 0 || n > math.MaxInt/size {
		return nil, Errorf(StatusENOMEM, "reserve memory", "%d records are more than memory", n)
	}
	r := &Records[T]{}
	if err := r.space.Reserve(n * size); err != nil {
		return nil, OSError(err, "mmap", "%d bytes", n*size)
	}
	return r, nil
}

// All are the records. They are not there any more after Free.
func (r *Records[T]) All() []T {
	b := r.space.Bytes()
	var one T
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/int(unsafe.Sizeof(one)))
}

// Free gives the memory back.
func (r *Records[T]) Free() { r.space.Free() }
