//go:build !linux

package offheap

// remap moves: there is no system call that makes a mapping larger.
func remap(old []byte, size int) ([]byte, error) {
	mapped, err := allocate(size)
	if err != nil {
		return nil, err
	}
	if old != nil {
		copy(mapped, old)
		unmap(old)
	}
	return mapped, nil
}
