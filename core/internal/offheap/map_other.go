//go:build !linux && !darwin && !windows

package offheap

func allocate(size int) ([]byte, error) { return make([]byte, size), nil }

func unmap([]byte) {}
