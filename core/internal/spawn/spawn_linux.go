//go:build amd64 || arm64

package spawn

import (
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	cloneClearSighand = 0x100000000
	closeRangeCloexec = 1 << 2
	sigsetBytes       = 8
	allSignals        = 64
	firstFree         = 3
)

// cloneArgs is struct clone_args of clone3(2), up to the field cgroup.
type cloneArgs struct {
	flags, pidfd, childTID, parentTID, exitSignal, stack, stackSize, tls, setTID, setTIDSize, cgroup uint64
}

// sigaction is the kernel's, not the C library's.
type sigaction struct {
	handler, flags, restorer uintptr
	mask                     uint64
}

// plan is all that the child needs, in a form that it can use without allocating, and where it leaves its failure.
type plan struct {
	path, dir  *byte
	argv, envp **byte
	files      [3]int
	limits     []Rlimit
	spec       *Spec
	mask       uint64
	idMaps     [3]idMap
	cleared    bool // whether the kernel has reset the handlers

	failedStep  Step
	failedIndex int
	failedErrno syscall.Errno
}

// Error is a step that failed, in the caller (StepClone) or in the child.
type Error struct {
	Step Step
	// Index tells which of Rlimits or Files it was.
	Index int
	Errno syscall.Errno
}

func (e *Error) Error() string { return e.Step.String() + ": " + e.Errno.Error() }

// Unwrap is the errno.
func (e *Error) Unwrap() error { return e.Errno }

//go:noescape
func vfork(trap, a1, a2, a3, a4, a5 uintptr) (r uintptr)

// idMap is a file that says who the user is in a user namespace, and its text.
type idMap struct {
	path   [24]byte
	text   [48]byte
	length int
}

// ownIDMaps let the user be itself in a namespace of its own. A group map without privilege needs setgroups denied.
func ownIDMaps() (maps [3]idMap) {
	for i, m := range [3][2]string{
		{"/proc/self/setgroups", "deny"},
		{"/proc/self/gid_map", strconv.Itoa(unix.Getegid()) + " " + strconv.Itoa(unix.Getegid()) + " 1"},
		{"/proc/self/uid_map", strconv.Itoa(unix.Geteuid()) + " " + strconv.Itoa(unix.Geteuid()) + " 1"},
	} {
		copy(maps[i].path[:], m[0])
		maps[i].length = copy(maps[i].text[:], m[1])
	}
	return maps
}

// noClone3 remembers that the kernel, or a filter in front of it, has no clone3.
var noClone3 atomic.Bool

// Start starts a process as the leader of a new process group.
func Start(s *Spec) (Process, error) {
	p := plan{files: s.Files, limits: s.Rlimits, spec: s}
	if s.NewNetwork {
		p.idMaps = ownIDMaps()
	}
	var err error
	if p.path, err = syscall.BytePtrFromString(s.Path); err != nil {
		return Process{}, err
	}
	if s.Dir != "" {
		if p.dir, err = syscall.BytePtrFromString(s.Dir); err != nil {
			return Process{}, err
		}
	}
	argv, err := syscall.SlicePtrFromStrings(s.Args)
	if err != nil {
		return Process{}, err
	}
	envp, err := environment(s)
	if err != nil {
		return Process{}, err
	}
	p.argv, p.envp = &argv[0], &envp[0]

	// Signals are blocked until the child has reset their handlers, which would run in the caller's memory.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	blocked := ^uint64(0)
	if _, _, errno := syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&blocked)),
		uintptr(unsafe.Pointer(&p.mask)), sigsetBytes, 0, 0); errno != 0 {
		return Process{}, &Error{Step: StepClone, Errno: errno}
	}
	process, errno := clone(&p)
	syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&p.mask)), 0, sigsetBytes, 0, 0)
	runtime.KeepAlive(argv)
	runtime.KeepAlive(envp)
	if errno != 0 {
		return Process{}, &Error{Step: StepClone, Errno: errno}
	}
	if p.failedErrno != 0 {
		var status unix.WaitStatus
		for {
			if _, err := unix.Wait4(process.PID, &status, 0, nil); err != unix.EINTR {
				break
			}
		}
		if process.PIDFD >= 0 {
			_ = unix.Close(process.PIDFD)
		}
		return Process{}, &Error{Step: p.failedStep, Index: p.failedIndex, Errno: p.failedErrno}
	}
	return process, nil
}

// variables is an environment, and the same as execve wants it.
type variables struct {
	env      []string
	pointers []*byte
}

// keptVariables is the environment that was last said to be kept.
var keptVariables atomic.Pointer[variables]

// environment is the environment as execve wants it. Made anew it would be most of the garbage of a start.
func environment(s *Spec) ([]*byte, error) {
	if !s.EnvKept {
		return syscall.SlicePtrFromStrings(s.Env)
	}
	k := keptVariables.Load()
	if k != nil && unsafe.SliceData(k.env) == unsafe.SliceData(s.Env) && len(k.env) == len(s.Env) {
		return k.pointers, nil
	}
	pointers, err := syscall.SlicePtrFromStrings(s.Env)
	if err == nil {
		keptVariables.Store(&variables{s.Env, pointers})
	}
	return pointers, err
}

func clone(p *plan) (Process, syscall.Errno) {
	const flags = unix.CLONE_VM | unix.CLONE_VFORK | unix.CLONE_PIDFD
	pidfd := int32(-1)
	into := p.spec.Cgroup != Absent
	if into || !noClone3.Load() {
		p.cleared = true
		args := cloneArgs{
			flags: flags | cloneClearSighand, pidfd: uint64(uintptr(unsafe.Pointer(&pidfd))), exitSignal: uint64(unix.SIGCHLD),
		}
		if into {
			args.flags |= unix.CLONE_INTO_CGROUP
			args.cgroup = uint64(p.spec.Cgroup)
		}
		r := cloneAndExec(p, unix.SYS_CLONE3, uintptr(unsafe.Pointer(&args)), unsafe.Sizeof(args), 0)
		runtime.KeepAlive(&args)
		if int(r) > 0 {
			return Process{PID: int(r), PIDFD: int(pidfd)}, 0
		}
		errno := syscall.Errno(-int(r))
		if into || errno != unix.ENOSYS && errno != unix.EINVAL && errno != unix.EPERM {
			return Process{}, errno
		}
		noClone3.Store(errno == unix.ENOSYS)
	}
	p.cleared = false
	for _, f := range []uintptr{flags, unix.CLONE_VM | unix.CLONE_VFORK} {
		pidfd = -1
		r := cloneAndExec(p, unix.SYS_CLONE, f|uintptr(unix.SIGCHLD), 0, uintptr(unsafe.Pointer(&pidfd)))
		if int(r) > 0 {
			return Process{PID: int(r), PIDFD: int(pidfd)}, 0
		}
		if errno := syscall.Errno(-int(r)); errno != unix.EINVAL {
			return Process{}, errno
		}
	}
	return Process{}, unix.EINVAL
}

// cloneAndExec clones, and in the child becomes the program. Everything that the child calls must not grow the stack, which
// it shares with the caller: raw system calls and nosplit functions only.
//
//go:noinline
//go:norace
//go:nocheckptr
func cloneAndExec(p *plan, trap, a1, a2, a3 uintptr) uintptr {
	r := vfork(trap, a1, a2, a3, 0, 0)
	if r != 0 {
		return r
	}
	var errno syscall.Errno
	var action sigaction
	if !p.cleared {
		for sig := uintptr(1); sig <= allSignals; sig++ {
			_, _, errno = syscall.RawSyscall6(unix.SYS_RT_SIGACTION, sig, 0, uintptr(unsafe.Pointer(&action)), sigsetBytes, 0, 0)
			if errno == 0 && action.handler > 1 { // neither SIG_DFL nor SIG_IGN
				action = sigaction{}
				syscall.RawSyscall6(unix.SYS_RT_SIGACTION, sig, uintptr(unsafe.Pointer(&action)), 0, sigsetBytes, 0, 0)
			}
		}
		action = sigaction{}
	}
	// Python ignores these two for itself; a command expects them to end it.
	syscall.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGPIPE), uintptr(unsafe.Pointer(&action)), 0, sigsetBytes, 0, 0)
	syscall.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGXFSZ), uintptr(unsafe.Pointer(&action)), 0, sigsetBytes, 0, 0)

	if p.spec.NewSession {
		_, _, errno = syscall.RawSyscall(unix.SYS_SETSID, 0, 0, 0)
	} else {
		_, _, errno = syscall.RawSyscall(unix.SYS_SETPGID, 0, 0, 0)
	}
	if errno != 0 {
		die(p, StepGroup, 0, errno)
	}
	zero := [1]byte{'0'}
	for i := range p.spec.Enter {
		if _, _, errno = syscall.RawSyscall(unix.SYS_WRITE, uintptr(p.spec.Enter[i]), uintptr(unsafe.Pointer(&zero)), 1); errno != 0 {
			die(p, StepCgroup, i, errno)
		}
	}
	if p.spec.NewNetwork {
		leaveNetwork(p)
	}
	if p.dir != nil {
		if _, _, errno = syscall.RawSyscall(unix.SYS_CHDIR, uintptr(unsafe.Pointer(p.dir)), 0, 0); errno != 0 {
			die(p, StepDirectory, 0, errno)
		}
	}
	connect(p)
	// Descriptors above 2 are the caller's: they end with the exec.
	if _, _, errno = syscall.RawSyscall(unix.SYS_CLOSE_RANGE, firstFree, uintptr(^uint32(0)), closeRangeCloexec); errno != 0 {
		markDescriptors(p)
	}
	for i := range p.spec.Keep {
		if _, _, errno = syscall.RawSyscall(unix.SYS_FCNTL, uintptr(p.spec.Keep[i]), unix.F_SETFD, 0); errno != 0 {
			die(p, StepDescriptors, i, errno)
		}
	}
	if p.spec.Umask >= 0 {
		syscall.RawSyscall(unix.SYS_UMASK, uintptr(p.spec.Umask), 0, 0)
	}
	if p.spec.Nice != nil {
		_, _, errno = syscall.RawSyscall(unix.SYS_SETPRIORITY, unix.PRIO_PROCESS, 0, uintptr(*p.spec.Nice))
		if errno != 0 {
			die(p, StepPriority, 0, errno)
		}
	}
	become(p)
	for i := range p.limits {
		limit := [2]uint64{p.limits[i].Soft, p.limits[i].Hard}
		_, _, errno = syscall.RawSyscall6(unix.SYS_PRLIMIT64, 0, uintptr(p.limits[i].Resource),
			uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
		if errno != 0 {
			die(p, StepLimits, i, errno)
		}
	}
	syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&p.mask)), 0, sigsetBytes, 0, 0)
	_, _, errno = syscall.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(p.path)), uintptr(unsafe.Pointer(p.argv)),
		uintptr(unsafe.Pointer(p.envp)))
	die(p, StepExec, 0, errno)
	return 0
}

// leaveNetwork takes a network of its own; without privilege, in a user namespace of its own, in which the user is still
// itself.
//
//go:nosplit
//go:norace
func leaveNetwork(p *plan) {
	if _, _, errno := syscall.RawSyscall(unix.SYS_UNSHARE, unix.CLONE_NEWNET, 0, 0); errno == 0 {
		return
	}
	if _, _, errno := syscall.RawSyscall(unix.SYS_UNSHARE, unix.CLONE_NEWUSER|unix.CLONE_NEWNET, 0, 0); errno != 0 {
		die(p, StepNetwork, 0, errno)
	}
	for i := range p.idMaps {
		m := &p.idMaps[i]
		fd, _, errno := syscall.RawSyscall6(unix.SYS_OPENAT, ^uintptr(99), uintptr(unsafe.Pointer(&m.path)),
			unix.O_WRONLY|unix.O_CLOEXEC, 0, 0, 0)
		if errno != 0 {
			die(p, StepNetwork, i, errno)
		}
		if _, _, errno = syscall.RawSyscall(unix.SYS_WRITE, fd, uintptr(unsafe.Pointer(&m.text)), uintptr(m.length)); errno != 0 {
			die(p, StepNetwork, i, errno)
		}
		syscall.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
	}
}

// become takes the user, and gives up what the program must not have.
//
//go:nosplit
//go:norace
func become(p *plan) {
	if c := p.spec.Credential; c != nil {
		var groups uintptr
		if len(c.Groups) > 0 {
			groups = uintptr(unsafe.Pointer(&c.Groups[0]))
		}
		if _, _, errno := syscall.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(c.Groups)), groups, 0); errno != 0 {
			die(p, StepCredential, 0, errno)
		}
		if _, _, errno := syscall.RawSyscall(unix.SYS_SETRESGID, uintptr(c.GID), uintptr(c.GID), uintptr(c.GID)); errno != 0 {
			die(p, StepCredential, 1, errno)
		}
		if _, _, errno := syscall.RawSyscall(unix.SYS_SETRESUID, uintptr(c.UID), uintptr(c.UID), uintptr(c.UID)); errno != 0 {
			die(p, StepCredential, 2, errno)
		}
	}
	if p.spec.NoNewPrivileges || p.spec.Ruleset >= 0 {
		if _, _, errno := syscall.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); errno != 0 {
			die(p, StepPrivileges, 0, errno)
		}
	}
	if p.spec.Ruleset >= 0 {
		if _, _, errno := syscall.RawSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(p.spec.Ruleset), 0, 0); errno != 0 {
			die(p, StepLandlock, 0, errno)
		}
	}
}

// connect puts p.files at descriptors 0, 1 and 2.
//
//go:nosplit
//go:norace
func connect(p *plan) {
	// A source that is itself 0, 1 or 2 is moved out of the way of the others first.
	for i := range p.files {
		if p.files[i] < firstFree && p.files[i] != i {
			fd, _, errno := syscall.RawSyscall(unix.SYS_FCNTL, uintptr(p.files[i]), unix.F_DUPFD_CLOEXEC, firstFree)
			if errno != 0 {
				die(p, StepStreams, i, errno)
			}
			p.files[i] = int(fd)
		}
	}
	for i := range p.files {
		var errno syscall.Errno
		if p.files[i] == i {
			_, _, errno = syscall.RawSyscall(unix.SYS_FCNTL, uintptr(i), unix.F_SETFD, 0)
		} else {
			_, _, errno = syscall.RawSyscall(unix.SYS_DUP3, uintptr(p.files[i]), uintptr(i), 0)
		}
		if errno != 0 {
			die(p, StepStreams, i, errno)
		}
	}
}

// markDescriptors marks each open descriptor above 2 as ending with the exec, where close_range cannot (before 5.11).
//
//go:nosplit
//go:norace
func markDescriptors(p *plan) {
	const proc = "/proc/self/fd\x00"
	dir, _, errno := syscall.RawSyscall6(unix.SYS_OPENAT, ^uintptr(99), uintptr(unsafe.Pointer(unsafe.StringData(proc))),
		unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0, 0, 0)
	if errno != 0 {
		die(p, StepDescriptors, 0, errno)
	}
	var buffer [256]byte
	for {
		n, _, errno := syscall.RawSyscall(unix.SYS_GETDENTS64, dir, uintptr(unsafe.Pointer(&buffer)), unsafe.Sizeof(buffer))
		if errno != 0 {
			die(p, StepDescriptors, 0, errno)
		}
		if n == 0 {
			return
		}
		// struct linux_dirent64: the record's length at 16, its name from 19.
		for at := uintptr(0); at < n; {
			length := uintptr(buffer[at+16]) | uintptr(buffer[at+17])<<8
			fd := uintptr(0)
			for i := at + 19; buffer[i] >= '0' && buffer[i] <= '9'; i++ {
				fd = fd*10 + uintptr(buffer[i]-'0')
			}
			if fd >= firstFree {
				syscall.RawSyscall(unix.SYS_FCNTL, fd, unix.F_SETFD, unix.FD_CLOEXEC)
			}
			at += length
		}
	}
}

// die leaves the failure where the caller finds it and ends the child.
//
//go:nosplit
//go:norace
func die(p *plan, step Step, index int, errno syscall.Errno) {
	p.failedStep, p.failedIndex, p.failedErrno = step, index, errno
	for {
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, 127, 0, 0)
	}
}
