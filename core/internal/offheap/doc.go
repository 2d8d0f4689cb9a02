// Package offheap keeps bytes outside of Go's heap. The heap's growth, refused by the system, ends the process, which is the
// host's; here it is an error, where the library has an adapter.
package offheap

// Buffer is a growing sequence of bytes, of which the first are taken out again. Its zero value is empty.
type Buffer struct {
	small  []byte // as long as it is: Go's own memory
	mapped []byte
	length int
	taken  int
}

// smallest is what is mapped at least; below it Go's memory is used.
const smallest = 64 << 10

// Append adds bytes.
func (b *Buffer) Append(data []byte) error {
	if b.mapped == nil && len(b.small)+len(data) <= smallest {
		b.small = append(b.small, data...)
		b.length = len(b.small)
		return nil
	}
	if need := b.length + len(data); need > len(b.mapped) {
		if err := b.grow(max(need, 2*len(b.mapped), 4*smallest)); err != nil {
			return err
		}
	}
	copy(b.mapped[b.length:], data)
	b.length += len(data)
	return nil
}

func (b *Buffer) grow(size int) error {
	mapped, err := remap(b.mapped, size)
	if err != nil {
		return err
	}
	if b.mapped == nil {
		copy(mapped, b.small)
		b.small = nil
	}
	b.mapped = mapped
	return nil
}

// Reserve makes an empty buffer hold size zeros, at an address that suits every type.
func (b *Buffer) Reserve(size int) error {
	if size == 0 {
		return nil
	}
	if err := b.grow(size); err != nil {
		return err
	}
	b.length = size
	return nil
}

// Bytes are the bytes that have not been taken. They are good until the next call.
func (b *Buffer) Bytes() []byte {
	if b.mapped == nil {
		return b.small[b.taken:]
	}
	return b.mapped[b.taken:b.length]
}

// Take says that the first n bytes are done with.
func (b *Buffer) Take(n int) {
	if b.taken += n; b.taken == b.length {
		b.Free()
	}
}

// Free gives the memory back. The buffer is empty then.
func (b *Buffer) Free() {
	if b.mapped != nil {
		unmap(b.mapped)
	}
	*b = Buffer{}
}
