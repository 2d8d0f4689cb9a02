package rlimit

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Resource numbers of macOS.
const (
	CPU          = unix.RLIMIT_CPU
	FileSize     = unix.RLIMIT_FSIZE
	Data         = unix.RLIMIT_DATA
	Resident     = unix.RLIMIT_RSS
	Processes    = unix.RLIMIT_NPROC
	Files        = unix.RLIMIT_NOFILE
	AddressSpace = unix.RLIMIT_AS
)

// infinity is RLIM_INFINITY of macOS, the largest signed number.
const infinity = 1<<63 - 1

// Get reads a limit of the caller: macOS tells of no other process, ENOTSUP.
func Get(pid, resource int) (soft, hard uint64, err error) {
	if pid != 0 {
		return 0, 0, unix.ENOTSUP
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(resource, &limit); err != nil {
		return 0, 0, err
	}
	return fromKernel(limit.Cur), fromKernel(limit.Max), nil
}

// Set sets a limit of the caller: macOS lets nobody limit another process, ENOTSUP.
func Set(pid, resource int, soft, hard uint64) error {
	if pid != 0 {
		return unix.ENOTSUP
	}
	return syscall.Setrlimit(resource, &syscall.Rlimit{Cur: toKernel(soft), Max: toKernel(hard)})
}

func fromKernel(n uint64) uint64 {
	if n >= infinity {
		return Infinity
	}
	return n
}

func toKernel(n uint64) uint64 { return min(n, infinity) }

// Exempt reports whether a process may exceed RLIMIT_NPROC: macOS exempts root from the limit of a user, not from that
// of the system.
func Exempt(int) bool { return unix.Geteuid() == 0 }
