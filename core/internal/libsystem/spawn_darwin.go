package libsystem

import (
	"syscall"
	"unsafe"
)

// Flags of posix_spawn.
const (
	SpawnSetGroup       = 0x0002 // POSIX_SPAWN_SETPGROUP
	SpawnSetSigDefault  = 0x0004 // POSIX_SPAWN_SETSIGDEF
	SpawnSetSigMask     = 0x0008 // POSIX_SPAWN_SETSIGMASK
	SpawnSetExec        = 0x0040 // POSIX_SPAWN_SETEXEC
	SpawnSetSession     = 0x0400 // POSIX_SPAWN_SETSID
	SpawnCloexecDefault = 0x4000 // POSIX_SPAWN_CLOEXEC_DEFAULT
)

// The functions of spawn.h return an errno.
func spawnCall(fn, a1, a2, a3 uintptr) error {
	r, _, _ := rawSyscall6(fn, a1, a2, a3, 0, 0, 0)
	if errno := syscall.Errno(uint32(r)); errno != 0 {
		return errno
	}
	return nil
}

// SpawnAttributes is a posix_spawnattr_t: flags, signals and process group.
type SpawnAttributes struct{ opaque unsafe.Pointer }

// Init makes attributes. Signals are sets of bits, that of a signal being 1 << (signal - 1).
func (a *SpawnAttributes) Init(flags int, defaults, mask uint32) error {
	self := uintptr(unsafe.Pointer(a))
	if err := spawnCall(addr_posix_spawnattr_init, self, 0, 0); err != nil {
		return err
	}
	err := spawnCall(addr_posix_spawnattr_setflags, self, uintptr(flags), 0)
	if err == nil {
		err = spawnCall(addr_posix_spawnattr_setsigdefault, self, uintptr(unsafe.Pointer(&defaults)), 0)
	}
	if err == nil {
		err = spawnCall(addr_posix_spawnattr_setsigmask, self, uintptr(unsafe.Pointer(&mask)), 0)
	}
	if err == nil {
		err = spawnCall(addr_posix_spawnattr_setpgroup, self, 0, 0)
	}
	if err != nil {
		a.Destroy()
	}
	return err
}

// Destroy gives back what they hold.
func (a *SpawnAttributes) Destroy() {
	_ = spawnCall(addr_posix_spawnattr_destroy, uintptr(unsafe.Pointer(a)), 0, 0)
}

// SpawnActions is a posix_spawn_file_actions_t: what becomes of descriptors and the directory.
type SpawnActions struct{ opaque unsafe.Pointer }

// Init makes an empty list.
func (a *SpawnActions) Init() error {
	return spawnCall(addr_posix_spawn_file_actions_init, uintptr(unsafe.Pointer(a)), 0, 0)
}

// Destroy gives back what it holds.
func (a *SpawnActions) Destroy() {
	_ = spawnCall(addr_posix_spawn_file_actions_destroy, uintptr(unsafe.Pointer(a)), 0, 0)
}

// Duplicate makes a descriptor of the caller another number of the child's.
func (a *SpawnActions) Duplicate(from, to int) error {
	return spawnCall(addr_posix_spawn_file_actions_adddup2, uintptr(unsafe.Pointer(a)), uintptr(from), uintptr(to))
}

// Inherit gives the child a descriptor under its own number.
func (a *SpawnActions) Inherit(fd int) error {
	return spawnCall(addr_posix_spawn_file_actions_addinherit_np, uintptr(unsafe.Pointer(a)), uintptr(fd), 0)
}

// ChangeDirectory makes the child start in a directory.
func (a *SpawnActions) ChangeDirectory(path *byte) error {
	return spawnCall(addr_posix_spawn_file_actions_addchdir_np, uintptr(unsafe.Pointer(a)), uintptr(unsafe.Pointer(path)), 0)
}

// Program is what a child becomes.
type Program struct {
	Path       *byte
	Argv, Envp **byte
	Actions    *SpawnActions
	Attributes *SpawnAttributes
}

// Spawn starts a program and returns its process id.
func Spawn(p *Program) (int, syscall.Errno) {
	var pid int32
	r, _, _ := syscall6X(addr_posix_spawn, uintptr(unsafe.Pointer(&pid)), uintptr(unsafe.Pointer(p.Path)),
		uintptr(unsafe.Pointer(p.Actions)), uintptr(unsafe.Pointer(p.Attributes)), uintptr(unsafe.Pointer(p.Argv)),
		uintptr(unsafe.Pointer(p.Envp)))
	return int(pid), syscall.Errno(uint32(r))
}

// What follows is for a forked child: system calls alone, which neither allocate nor grow the stack.

//go:linkname BeforeFork syscall.runtime_BeforeFork

// BeforeFork blocks signals and forbids the stack to grow.
func BeforeFork()

//go:linkname AfterFork syscall.runtime_AfterFork

// AfterFork undoes it, in the parent.
func AfterFork()

// Fork forks. It returns 0 in the child.
//
//go:nosplit
//go:norace
func Fork() (int, syscall.Errno) {
	pid, _, errno := rawSyscall6(addr_fork, 0, 0, 0, 0, 0, 0)
	return int(int32(pid)), errno
}

// Become turns the calling process into a program whose attributes say SpawnSetExec. It returns when that fails.
//
//go:nosplit
//go:norace
func Become(p *Program) syscall.Errno {
	r, _, _ := rawSyscall6(addr_posix_spawn, 0, uintptr(unsafe.Pointer(p.Path)), uintptr(unsafe.Pointer(p.Actions)),
		uintptr(unsafe.Pointer(p.Attributes)), uintptr(unsafe.Pointer(p.Argv)), uintptr(unsafe.Pointer(p.Envp)))
	return syscall.Errno(uint32(r))
}

// SetLimit is setrlimit; limit holds the soft and the hard one.
//
//go:nosplit
//go:norace
func SetLimit(resource int, limit *[2]uint64) syscall.Errno {
	_, _, errno := rawSyscall6(addr_setrlimit, uintptr(resource), uintptr(unsafe.Pointer(limit)), 0, 0, 0, 0)
	return errno
}

// SetUmask is umask.
//
//go:nosplit
//go:norace
func SetUmask(mask int) { rawSyscall6(addr_umask, uintptr(mask), 0, 0, 0, 0, 0) }

// SetPriority is setpriority of the caller.
//
//go:nosplit
//go:norace
func SetPriority(nice int32) syscall.Errno {
	_, _, errno := rawSyscall6(addr_setpriority, 0, 0, uintptr(nice), 0, 0, 0)
	return errno
}

// LeadSession is setsid, LeadGroup setpgid(0, 0).
//
//go:nosplit
//go:norace
func LeadSession() syscall.Errno {
	_, _, errno := rawSyscall6(addr_setsid, 0, 0, 0, 0, 0, 0)
	return errno
}

// LeadGroup makes the caller the leader of a process group.
//
//go:nosplit
//go:norace
func LeadGroup() syscall.Errno {
	_, _, errno := rawSyscall6(addr_setpgid, 0, 0, 0, 0, 0, 0)
	return errno
}

// TakeUser becomes another user. groups may be nil when there are none.
//
//go:nosplit
//go:norace
func TakeUser(uid, gid uint32, groups *uint32, count int) syscall.Errno {
	if _, _, errno := rawSyscall6(addr_setgroups, uintptr(count), uintptr(unsafe.Pointer(groups)), 0, 0, 0, 0); errno != 0 {
		return errno
	}
	if _, _, errno := rawSyscall6(addr_setgid, uintptr(gid), 0, 0, 0, 0, 0); errno != 0 {
		return errno
	}
	_, _, errno := rawSyscall6(addr_setuid, uintptr(uid), 0, 0, 0, 0, 0)
	return errno
}

// Report writes bytes to a descriptor and ends the calling process.
//
//go:nosplit
//go:norace
func Report(fd int, b unsafe.Pointer, n uintptr) {
	rawSyscall6(addr_write, uintptr(fd), uintptr(b), n, 0, 0, 0)
	for {
		rawSyscall6(addr__exit, 127, 0, 0, 0, 0, 0)
	}
}
