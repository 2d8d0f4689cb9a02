package libsystem

import (
	"syscall"
	"unsafe"
)

//go:cgo_import_dynamic libc_proc_pidinfo proc_pidinfo "/usr/lib/libSystem.B.dylib"
//go:cgo_import_dynamic libc_proc_pid_rusage proc_pid_rusage "/usr/lib/libSystem.B.dylib"
//go:cgo_import_dynamic libc_proc_listpids proc_listpids "/usr/lib/libSystem.B.dylib"
//go:cgo_import_dynamic libc_host_statistics64 host_statistics64 "/usr/lib/libSystem.B.dylib"
//go:cgo_import_dynamic libc_mach_host_self mach_host_self "/usr/lib/libSystem.B.dylib"
//go:cgo_import_dynamic libc_sigaction sigaction "/usr/lib/libSystem.B.dylib"
//go:cgo_import_dynamic libc_pthread_sigmask pthread_sigmask "/usr/lib/libSystem.B.dylib"
//go:cgo_import_dynamic libc_setrlimit setrlimit "/usr/lib/libSystem.B.dylib"
//go:cgo_import_dynamic libc_setpriority setpriority "/usr/lib/libSystem.B.dylib"
//go:cgo_import_dynamic libc_umask umask "/usr/lib/libSystem.B.dylib"
//go:cgo_import_dynamic libc_fork fork "/usr/lib/libSystem.B.dylib"
//go:cgo_import_dynamic libc_setsid setsid "/usr/lib/libSystem.B.dylib"
//go:cgo_import_dynamic libc_setpgid setpgid "/usr/lib/libSystem.B.dylib"
//go:cgo_import_dynamic libc_setgroups setgroups "/usr/lib/libSystem.B.dylib"
//go:cgo_import_dynamic libc_setgid setgid "/usr/lib/libSystem.B.dylib"
//go:cgo_import_dynamic libc_setuid setuid "/usr/lib/libSystem.B.dylib"
//go:cgo_import_dynamic libc_write write "/usr/lib/libSystem.B.dylib"
//go:cgo_import_dynamic libc__exit _exit "/usr/lib/libSystem.B.dylib"
//go:cgo_import_dynamic libc_posix_spawn posix_spawn "/usr/lib/libSystem.B.dylib"
//go:cgo_import_dynamic libc_posix_spawnattr_init posix_spawnattr_init "/usr/lib/libSystem.B.dylib"
//go:cgo_import_dynamic libc_posix_spawnattr_destroy posix_spawnattr_destroy "/usr/lib/libSystem.B.dylib"
//go:cgo_import_dynamic libc_posix_spawnattr_setflags posix_spawnattr_setflags "/usr/lib/libSystem.B.dylib"
//go:cgo_import_dynamic libc_posix_spawnattr_setsigdefault posix_spawnattr_setsigdefault "/usr/lib/libSystem.B.dylib"
//go:cgo_import_dynamic libc_posix_spawnattr_setsigmask posix_spawnattr_setsigmask "/usr/lib/libSystem.B.dylib"
//go:cgo_import_dynamic libc_posix_spawnattr_setpgroup posix_spawnattr_setpgroup "/usr/lib/libSystem.B.dylib"
//go:cgo_import_dynamic libc_posix_spawn_file_actions_init posix_spawn_file_actions_init "/usr/lib/libSystem.B.dylib"
//go:cgo_import_dynamic libc_posix_spawn_file_actions_destroy posix_spawn_file_actions_destroy "/usr/lib/libSystem.B.dylib"
//go:cgo_import_dynamic libc_posix_spawn_file_actions_adddup2 posix_spawn_file_actions_adddup2 "/usr/lib/libSystem.B.dylib"
//go:cgo_import_dynamic libc_posix_spawn_file_actions_addinherit_np posix_spawn_file_actions_addinherit_np "/usr/lib/libSystem.B.dylib"
//go:cgo_import_dynamic libc_posix_spawn_file_actions_addchdir_np posix_spawn_file_actions_addchdir_np "/usr/lib/libSystem.B.dylib"

// The addresses of the functions, in libsystem_darwin.s.
var (
	addr_proc_pidinfo, addr_proc_pid_rusage, addr_proc_listpids, addr_host_statistics64, addr_mach_host_self,
	addr_sigaction, addr_pthread_sigmask, addr_setrlimit, addr_setpriority, addr_umask, addr_fork, addr_setsid, addr_setpgid,
	addr_setgroups, addr_setgid, addr_setuid, addr_write, addr__exit, addr_posix_spawn,
	addr_posix_spawnattr_init, addr_posix_spawnattr_destroy, addr_posix_spawnattr_setflags,
	addr_posix_spawnattr_setsigdefault, addr_posix_spawnattr_setsigmask, addr_posix_spawnattr_setpgroup,
	addr_posix_spawn_file_actions_init, addr_posix_spawn_file_actions_destroy,
	addr_posix_spawn_file_actions_adddup2, addr_posix_spawn_file_actions_addinherit_np,
	addr_posix_spawn_file_actions_addchdir_np uintptr
)

// Package syscall's calls into libSystem. The raw ones do not tell the scheduler, and neither grow the stack nor allocate: a
// forked child may use them.

//go:linkname syscall6 syscall.syscall6
func syscall6(fn, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err syscall.Errno)

//go:linkname syscall6X syscall.syscall6X
func syscall6X(fn, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err syscall.Errno)

//go:linkname rawSyscall6 syscall.rawSyscall6
func rawSyscall6(fn, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err syscall.Errno)

// PIDInfo fills b with what proc_pidinfo tells, and returns how much that is: 0 when it refuses. It keeps its reason.
func PIDInfo(pid, flavor int, b []byte) int {
	var at unsafe.Pointer
	if len(b) > 0 {
		at = unsafe.Pointer(&b[0])
	}
	n, _, _ := rawSyscall6(addr_proc_pidinfo, uintptr(pid), uintptr(flavor), 0, uintptr(at), uintptr(len(b)), 0)
	return max(int(int32(n)), 0)
}

// PIDRusage fills b, which must be as large as the flavor's structure, with the account of a process, also of one that has
// ended and has not been waited for.
func PIDRusage(pid, flavor int, b []byte) error {
	_, _, errno := rawSyscall6(addr_proc_pid_rusage, uintptr(pid), uintptr(flavor), uintptr(unsafe.Pointer(&b[0])), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// ListPIDs fills b with process ids, and returns how many bytes that is. An empty b asks how many there could be.
func ListPIDs(kind, of int, b []byte) int {
	var at unsafe.Pointer
	if len(b) > 0 {
		at = unsafe.Pointer(&b[0])
	}
	n, _, _ := rawSyscall6(addr_proc_listpids, uintptr(kind), uintptr(of), uintptr(at), uintptr(len(b)), 0, 0)
	return max(int(int32(n)), 0)
}

// HostStatistics fills words with a flavor of host_statistics64, and returns how many there are. A Mach error is returned as
// its number.
func HostStatistics(flavor int, words []uint32) (int, int) {
	host, _, _ := rawSyscall6(addr_mach_host_self, 0, 0, 0, 0, 0, 0)
	count := uint32(len(words))
	status, _, _ := rawSyscall6(addr_host_statistics64, host, uintptr(flavor), uintptr(unsafe.Pointer(&words[0])),
		uintptr(unsafe.Pointer(&count)), 0, 0)
	return int(count), int(int32(status))
}

// sigaction is struct sigaction of the C library.
type sigaction struct {
	handler uintptr
	mask    uint32
	flags   int32
}

// DefaultAction gives a signal its default disposition.
func DefaultAction(signal int) error {
	var action sigaction
	_, _, errno := rawSyscall6(addr_sigaction, uintptr(signal), uintptr(unsafe.Pointer(&action)), 0, 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// Ways to change a thread's signal mask.
const (
	SigBlock   = 1 // SIG_BLOCK
	SigUnblock = 2 // SIG_UNBLOCK
)

// SignalMask changes the mask of the calling thread, which the caller has locked itself to, and returns the former one.
func SignalMask(how int, set uint32) (old uint32, err error) {
	errno, _, _ := rawSyscall6(addr_pthread_sigmask, uintptr(how), uintptr(unsafe.Pointer(&set)), uintptr(unsafe.Pointer(&old)), 0, 0, 0)
	if errno != 0 {
		return 0, syscall.Errno(errno)
	}
	return old, nil
}
