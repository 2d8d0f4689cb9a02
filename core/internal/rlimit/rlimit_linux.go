package rlimit

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Resource numbers of Linux.
const (
	CPU          = unix.RLIMIT_CPU
	FileSize     = unix.RLIMIT_FSIZE
	Data         = unix.RLIMIT_DATA
	Resident     = unix.RLIMIT_RSS
	Processes    = unix.RLIMIT_NPROC
	Files        = unix.RLIMIT_NOFILE
	AddressSpace = unix.RLIMIT_AS
)

// Get reads a limit of a process; pid 0 is the caller.
func Get(pid, resource int) (soft, hard uint64, err error) {
	var limit unix.Rlimit
	if errno := prlimit(pid, resource, nil, &limit); errno != 0 {
		return 0, 0, errno
	}
	return limit.Cur, limit.Max, nil
}

// Set sets a limit of a process; pid 0 is the caller.
func Set(pid, resource int, soft, hard uint64) error {
	limit := unix.Rlimit{Cur: soft, Max: hard}
	if errno := prlimit(pid, resource, &limit, nil); errno != 0 {
		return errno
	}
	return nil
}

func prlimit(pid, resource int, set, get *unix.Rlimit) syscall.Errno {
	_, _, errno := syscall.RawSyscall6(unix.SYS_PRLIMIT64, uintptr(pid), uintptr(resource),
		uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(get)), 0, 0)
	return errno
}

// Exempt reports whether a process may exceed RLIMIT_NPROC: whether it has CAP_SYS_RESOURCE or CAP_SYS_ADMIN. pid 0 is the
// caller.
func Exempt(pid int) bool {
	const (
		version3    = 0x20080522
		sysAdmin    = 1 << unix.CAP_SYS_ADMIN
		sysResource = 1 << unix.CAP_SYS_RESOURCE
	)
	header := unix.CapUserHeader{Version: version3, Pid: int32(pid)}
	var data [2]unix.CapUserData
	_, _, errno := syscall.RawSyscall(unix.SYS_CAPGET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data)), 0)
	return errno == 0 && data[0].Effective&(sysAdmin|sysResource) != 0
}
