package core

import "libmimir/core/internal/offheap"

// Bytes is a growing sequence of bytes outside of Go's heap: output that is captured and input that is fed may be large, and
// memory that is refused must be an error. Its zero value is empty.
type Bytes struct{ offheap.Buffer }

// Append adds bytes; StatusENOMEM when the system has no memory for them.
func (b *Bytes) Append(data []byte) error {
	if err := b.Buffer.Append(data); err != nil {
		return OSError(err, "mmap", "%d bytes", len(data))
	}
	return nil
}
