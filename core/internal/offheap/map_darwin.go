package offheap

import "golang.org/x/sys/unix"

func remap(old []byte, size int) ([]byte, error) {
	mapped, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, err
	}
	if old != nil {
		copy(mapped, old)
		unmap(old)
	}
	return mapped, nil
}

func unmap(b []byte) { _ = unix.Munmap(b) }
