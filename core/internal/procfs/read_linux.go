package procfs

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const atFDCWD = ^uintptr(99) // AT_FDCWD, -100

// readFile reads a small file of /proc into b by raw system calls: package os would keep an epoll descriptor open for good, in the
// host's process.
func readFile(path *[pathSize]byte, b []byte) (int, error) {
	fd, _, errno := syscall.RawSyscall6(unix.SYS_OPENAT, atFDCWD, uintptr(unsafe.Pointer(path)),
		unix.O_RDONLY|unix.O_CLOEXEC, 0, 0, 0)
	if errno != 0 {
		return 0, errnoError(errno)
	}
	// One reading gives the whole of a /proc file that fits.
	n, _, errno := syscall.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	syscall.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
	if errno != 0 {
		return 0, errnoError(errno)
	}
	return int(n), nil
}

// errnoError is ErrGone for a process that has ended.
func errnoError(errno syscall.Errno) error {
	if errno == unix.ENOENT || errno == unix.ESRCH {
		return ErrGone
	}
	return errno
}

// eachEntry calls visit with the name of each entry of a directory until it returns false.
func eachEntry(path *[pathSize]byte, visit func(name []byte) bool) error {
	fd, _, errno := syscall.RawSyscall6(unix.SYS_OPENAT, atFDCWD, uintptr(unsafe.Pointer(path)),
		unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0, 0, 0)
	if errno != 0 {
		return errnoError(errno)
	}
	defer syscall.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
	var buffer [2048]byte
	for {
		n, _, errno := syscall.RawSyscall(unix.SYS_GETDENTS64, fd, uintptr(unsafe.Pointer(&buffer)), unsafe.Sizeof(buffer))
		if errno != 0 {
			return errnoError(errno)
		}
		if n == 0 {
			return nil
		}
		// struct linux_dirent64: the record's length at 16, its name from 19, zero-terminated.
		for at := 0; at < int(n); {
			length := int(buffer[at+16]) | int(buffer[at+17])<<8
			name := buffer[at+19 : at+length]
			for i, c := range name {
				if c == 0 {
					name = name[:i]
					break
				}
			}
			if !visit(name) {
				return nil
			}
			at += length
		}
	}
}
