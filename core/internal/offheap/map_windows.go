package offheap

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

func remap(old []byte, size int) ([]byte, error) {
	address, err := windows.VirtualAlloc(0, uintptr(size), windows.MEM_RESERVE|windows.MEM_COMMIT, windows.PAGE_READWRITE)
	if err != nil {
		return nil, err
	}
	mapped := unsafe.Slice(*(**byte)(unsafe.Pointer(&address)), size) // no memory of Go's, which would have to be a pointer
	if old != nil {
		copy(mapped, old)
		unmap(old)
	}
	return mapped, nil
}

func unmap(b []byte) {
	_ = windows.VirtualFree(uintptr(unsafe.Pointer(unsafe.SliceData(b))), 0, windows.MEM_RELEASE)
}
