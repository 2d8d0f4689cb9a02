package posixspawn

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"libmimir/core/internal/libsystem"
)

const firstFree = 3

// plan is all that the child needs, in a form that it can use without allocating.
type plan struct {
	program libsystem.Program
	limits  [][2]uint64
	spec    *Spec
	groups  *uint32
	report  int
	failed  report
}

// report is what a child that has failed writes to its parent.
type report struct {
	step, index, errno int32
}

// Start starts a process as the leader of a new process group, or session, and returns its id.
func Start(s *Spec) (int, error) {
	p := plan{spec: s}
	// A relative path is one of the new directory, for which the kernel is not relied on.
	path := s.Path
	if !filepath.IsAbs(path) {
		directory := s.Dir
		if !filepath.IsAbs(directory) {
			working, err := os.Getwd()
			if err != nil {
				return 0, err
			}
			directory = filepath.Join(working, directory)
		}
		path = filepath.Join(directory, path)
	}
	var err error
	if p.program.Path, err = syscall.BytePtrFromString(path); err != nil {
		return 0, err
	}
	argv, err := syscall.SlicePtrFromStrings(s.Args)
	if err != nil {
		return 0, err
	}
	envp, err := syscall.SlicePtrFromStrings(s.Env)
	if err != nil {
		return 0, err
	}
	p.program.Argv, p.program.Envp = &argv[0], &envp[0]

	actions := new(libsystem.SpawnActions)
	if err := actions.Init(); err != nil {
		return 0, prepareError(err)
	}
	defer actions.Destroy()
	moved, err := arrange(s, actions)
	defer func() {
		for _, fd := range moved {
			_ = unix.Close(fd)
		}
	}()
	if err != nil {
		return 0, err
	}
	p.program.Actions = actions

	runtime.LockOSThread()
	mask, err := libsystem.SignalMask(libsystem.SigBlock, 0)
	runtime.UnlockOSThread()
	if err != nil {
		return 0, prepareError(err)
	}
	flags := libsystem.SpawnSetSigDefault | libsystem.SpawnSetSigMask | libsystem.SpawnCloexecDefault
	switch {
	case s.NeedsFork():
		flags |= libsystem.SpawnSetExec
	case s.NewSession:
		flags |= libsystem.SpawnSetSession
	default:
		flags |= libsystem.SpawnSetGroup
	}
	// Python ignores these two for itself; a command expects them to end it.
	const ignoredByPython = 1<<(unix.SIGPIPE-1) | 1<<(unix.SIGXFSZ-1)
	attributes := new(libsystem.SpawnAttributes)
	if err := attributes.Init(flags, ignoredByPython, mask); err != nil {
		return 0, prepareError(err)
	}
	defer attributes.Destroy()
	p.program.Attributes = attributes

	var pid int
	if s.NeedsFork() {
		pid, err = p.forkAndWait()
	} else {
		var errno syscall.Errno
		if pid, errno = libsystem.Spawn(&p.program); errno != 0 {
			err = &Error{Step: StepSpawn, Errno: errno}
		}
	}
	runtime.KeepAlive(argv)
	runtime.KeepAlive(envp)
	return pid, err
}

func prepareError(err error) error {
	if errno, ok := err.(syscall.Errno); ok {
		return &Error{Step: StepPrepare, Errno: errno}
	}
	return err
}

// arrange lists what becomes of descriptors and the directory. A source that is itself 0, 1 or 2 is moved out of the way of
// the others first; the caller closes what was moved.
func arrange(s *Spec, actions *libsystem.SpawnActions) (moved []int, err error) {
	for to, from := range s.Files {
		if from == to {
			err = actions.Inherit(to)
		} else {
			if from < firstFree {
				if from, err = unix.FcntlInt(uintptr(from), unix.F_DUPFD_CLOEXEC, firstFree); err != nil {
					return moved, prepareError(err)
				}
				moved = append(moved, from)
			}
			err = actions.Duplicate(from, to)
		}
		if err != nil {
			return moved, prepareError(err)
		}
	}
	for _, fd := range s.Keep {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
			return moved, prepareError(err)
		}
		if err := actions.Inherit(fd); err != nil {
			return moved, prepareError(err)
		}
	}
	if s.Dir != "" {
		dir, err := syscall.BytePtrFromString(s.Dir)
		if err != nil {
			return moved, err
		}
		if err := actions.ChangeDirectory(dir); err != nil {
			return moved, prepareError(err)
		}
	}
	return moved, nil
}

// forkAndWait starts the child by a fork, and returns when it has become the program: its end of a pipe is closed by that.
func (p *plan) forkAndWait() (int, error) {
	for _, limit := range p.spec.Rlimits {
		p.limits = append(p.limits, [2]uint64{limit.Soft, limit.Hard})
	}
	if c := p.spec.Credential; c != nil && len(c.Groups) > 0 {
		p.groups = &c.Groups[0]
	}
	var ends [2]int
	syscall.ForkLock.Lock()
	if err := unix.Pipe(ends[:]); err != nil {
		syscall.ForkLock.Unlock()
		return 0, prepareError(err)
	}
	unix.CloseOnExec(ends[0])
	unix.CloseOnExec(ends[1])
	p.report = ends[1]
	pid, errno := forkAndBecome(p)
	syscall.ForkLock.Unlock()
	_ = unix.Close(ends[1])
	defer unix.Close(ends[0])
	if errno != 0 {
		return 0, &Error{Step: StepFork, Errno: errno}
	}
	var failed report
	for {
		n, err := unix.Read(ends[0], (*[unsafe.Sizeof(failed)]byte)(unsafe.Pointer(&failed))[:])
		if err == unix.EINTR {
			continue
		}
		if n == 0 {
			return pid, nil
		}
		break
	}
	for {
		if _, err := unix.Wait4(pid, nil, 0, nil); err != unix.EINTR {
			break
		}
	}
	return 0, &Error{Step: Step(failed.step), Index: int(failed.index), Errno: syscall.Errno(failed.errno)}
}

// forkAndBecome forks, and in the child becomes the program. The child has the one thread that called: it may neither
// allocate nor grow the stack, and calls system calls alone.
//
//go:noinline
//go:norace
//go:nocheckptr
func forkAndBecome(p *plan) (int, syscall.Errno) {
	libsystem.BeforeFork()
	pid, errno := libsystem.Fork()
	if errno != 0 || pid != 0 {
		libsystem.AfterFork()
		return pid, errno
	}
	if p.spec.NewSession {
		errno = libsystem.LeadSession()
	} else {
		errno = libsystem.LeadGroup()
	}
	if errno != 0 {
		die(p, StepSession, 0, errno)
	}
	if p.spec.Umask >= 0 {
		libsystem.SetUmask(p.spec.Umask)
	}
	if p.spec.Nice != nil {
		if errno = libsystem.SetPriority(*p.spec.Nice); errno != 0 {
			die(p, StepPriority, 0, errno)
		}
	}
	if c := p.spec.Credential; c != nil {
		if errno = libsystem.TakeUser(c.UID, c.GID, p.groups, len(c.Groups)); errno != 0 {
			die(p, StepCredential, 0, errno)
		}
	}
	for i := range p.limits {
		if errno = libsystem.SetLimit(p.spec.Rlimits[i].Resource, &p.limits[i]); errno != 0 {
			die(p, StepLimits, i, errno)
		}
	}
	errno = libsystem.Become(&p.program)
	die(p, StepSpawn, 0, errno)
	return 0, errno
}

// die tells the parent what failed and ends the child.
//
//go:nosplit
//go:norace
func die(p *plan, step Step, index int, errno syscall.Errno) {
	p.failed = report{int32(step), int32(index), int32(errno)}
	libsystem.Report(p.report, unsafe.Pointer(&p.failed), unsafe.Sizeof(p.failed))
}
