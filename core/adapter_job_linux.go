package core

import (
	"errors"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"libmimir/core/internal/cgroup"
	"libmimir/core/internal/latch"
	"libmimir/core/internal/rlimit"
	"libmimir/core/internal/spawn"
	"libmimir/core/internal/tree"
)

// linuxChild is a command that Linux runs.
type linuxChild struct {
	adapter     *unixAdapter
	process     spawn.Process
	tree        *tree.Tree
	mark        tree.Mark
	enforcement [limitEnd]Enforcement
	group       *cgroup.Group // nil without one
	// floor is the most memory that the caller has had resident: the kernel's count for the command starts from it,
	// because the command shares the caller's memory until it is executed.
	floor uint64
	// cpuLimit is the limit of CPU time, 0 without one.
	cpuLimit time.Duration

	pipes
	exited bool

	mu     sync.Mutex // held while a signal is sent and while the process is reaped
	reaped bool
}

const (
	// pollWithoutPIDFD is how often a kernel without process descriptors is asked whether the command has ended.
	pollWithoutPIDFD = 5 * time.Millisecond
	// slackBytes covers the kernel's per-CPU counting of resident pages.
	slackBytes = 1 << 20
)

// MemoryBackstop is the RLIMIT_DATA that stands behind the watchdog of a job's memory limit: a sixteenth above it.
func MemoryBackstop(limit uint64) uint64 {
	if limit > Unlimited-limit/16-1 {
		return Unlimited
	}
	return limit + limit/16
}

// jobRlimits are the kernel's limits for a command, and how each of its limits is kept.
func (a *unixAdapter) jobRlimits(c *Command, group *cgroup.Group) (set []spawn.Rlimit, enforcement [limitEnd]Enforcement, err error) {
	set = make([]spawn.Rlimit, 0, len(Limits))
	for _, limit := range Limits {
		value, given := c.Limits.Of(limit)
		if !given {
			continue
		}
		controller := controllers[limit]
		inGroup := controller != ""
		if group != nil && inGroup && a.groupParents().Has(controller) {
			enforcement[limit] = EnforcementKernel
			continue
		}
		kept := a.Supports(limit, ScopeJob)
		if inGroup { // no group could be made, or not for this limit
			kept = EnforcementWatchdog
		}
		if kept == EnforcementNone {
			return nil, enforcement, notSupported("find limit", "%s of a job", limit)
		}
		enforcement[limit] = kept
		resources := rlimits[limit]
		if resources == nil || limit == LimitProcesses {
			continue
		}
		resource := resources[0]
		_, hard, err := rlimit.Get(0, resource)
		if err != nil {
			return nil, enforcement, OSError(err, "getrlimit", "%s", limit)
		}
		soft := toRlimit(limit, value)
		top := soft
		switch limit {
		case LimitMemory: // the watchdog decides; the kernel stands behind it
			soft = min(MemoryBackstop(value), hard)
			top = soft
		case LimitCPUTime: // SIGXCPU at the soft limit, SIGKILL a second later
			soft = min(max(soft, 1), hard)
			top = min(soft+1, hard)
		default:
			if soft > hard {
				return nil, enforcement, Errorf(StatusELIMIT, "check limit", "%s: %s was asked, the hard limit allows %s", limit,
					Amount(limit, value), Amount(limit, fromRlimit(limit, hard)))
			}
		}
		set = append(set, spawn.Rlimit{Resource: int32(resource), Soft: soft, Hard: top})
	}
	return set, enforcement, nil
}

func (a *unixAdapter) Start(c *Command) (Child, error) {
	path, err := findProgram(c)
	if err != nil {
		return nil, err
	}
	mark, marked := tree.NewMark()
	group, err := a.newGroup(c, mark)
	if err != nil {
		return nil, err
	}
	limits, enforcement, err := a.jobRlimits(c, group)
	if err != nil {
		closeGroup(group)
		return nil, err
	}
	ruleset, err := a.confine(c)
	if err != nil {
		closeGroup(group)
		return nil, err
	}
	if ruleset != spawn.Absent {
		defer unix.Close(ruleset)
	}
	a.guard()
	child := &linuxChild{group: group, mark: mark, adapter: a, enforcement: enforcement, pipes: noPipes}
	if value, ok := c.Limits.Of(LimitCPUTime); ok {
		child.cpuLimit = time.Duration(min(value, 1<<62))
	}
	files, err := child.connect(c)
	defer files.close()
	if err != nil {
		child.closePipes()
		closeGroup(group)
		return nil, err
	}
	if marked {
		limits = append(limits, spawn.Rlimit{Resource: tree.Rlimit, Soft: mark.Soft, Hard: mark.Hard})
	}
	spec := spawn.Spec{
		Path: path, Args: c.Args, Env: c.Env, EnvKept: c.EnvKept, Dir: c.Dir, Files: files.numbers, Rlimits: limits,
		Keep: c.Keep, Umask: spawn.Absent, NewSession: c.NewSession, NoNewPrivileges: c.NoNewPrivileges, NewNetwork: c.NoNetwork,
		Ruleset: ruleset, Cgroup: spawn.Absent,
	}
	if c.Umask != nil {
		spec.Umask = int(*c.Umask)
	}
	spec.Nice = (*int32)(c.Priority)
	if c.User != nil {
		spec.Credential = &spawn.Credential{UID: c.User.UID, GID: c.User.GID, Groups: c.User.Groups}
	}
	if group != nil {
		spec.Cgroup, spec.Enter = group.Unified(), group.Split()
	}
	if child.process, err = spawn.Start(&spec); err != nil {
		child.closePipes()
		closeGroup(group)
		return nil, startError(c, path, limits, err)
	}
	child.tree = tree.New(a.proc, a.load.LastPID, child.process.PID, child.mark)
	var ru unix.Rusage
	child.floor = Unlimited
	// The peak is the whole process's for each of its threads too, without adding up the times of all of them.
	if unix.Getrusage(unix.RUSAGE_THREAD, &ru) == nil {
		child.floor = maxrssBytes(platform, ru.Maxrss)
	}
	return child, nil
}

// startError says what the caller asked for that failed.
func startError(c *Command, path string, limits []spawn.Rlimit, err error) error {
	var failed *spawn.Error
	if !errors.As(err, &failed) {
		return OSError(err, "check command", "%s", path)
	}
	step := failed.Step.String()
	switch failed.Step {
	case spawn.StepExec:
		return OSError(failed.Errno, step, "%s", path)
	case spawn.StepDirectory:
		return OSError(failed.Errno, step, "%s", c.Dir)
	case spawn.StepLimits:
		if limit := limitOf(int(limits[failed.Index].Resource)); limit != 0 { // else the job's mark
			return OSError(failed.Errno, step, "%s", limit)
		}
	}
	return OSError(failed.Errno, step, "")
}

func (l *linuxChild) PID() int64 { return int64(l.process.PID) }

func (l *linuxChild) Enforcement(limit Limit) Enforcement { return l.enforcement[limit] }

func (l *linuxChild) Next(timeout time.Duration) (Event, error) {
	if l.exited {
		return Event{Kind: EventExit}, nil
	}
	var fds [4]unix.PollFd
	n := 0
	for stream := range l.ends {
		if fd, ok := l.awaited(Stream(stream)); ok {
			fds[n] = fd
			n++
		}
	}
	if l.process.PIDFD >= 0 {
		fds[n] = unix.PollFd{Fd: int32(l.process.PIDFD), Events: unix.POLLIN}
		n++
	} else {
		timeout = min(timeout, pollWithoutPIDFD)
	}
	ready, err := poll(fds[:n], timeout)
	if err == unix.EINTR {
		return Event{Kind: EventInterrupted}, nil
	}
	if err != nil {
		return Event{}, OSError(err, "ppoll", "")
	}
	if ready > 0 {
		l.relayAll()
		for _, fd := range fds[:n] {
			if fd.Revents == 0 {
				continue
			}
			if fd.Revents&unix.POLLNVAL != 0 && int(fd.Fd) == l.process.PIDFD {
				l.process.PIDFD = -1 // the host has closed it, with all that it did not know
				continue
			}
			if event, ok := l.serve(int(fd.Fd)); ok {
				return event, nil
			}
		}
	}
	if l.process.PIDFD < 0 && l.ended() {
		l.exited = true
		return Event{Kind: EventExit}, nil
	}
	return Event{Kind: EventTimeout}, nil
}

// poll waits in the calling thread, in a system call that the scheduler knows of.
func poll(fds []unix.PollFd, timeout time.Duration) (int, error) { return latch.Poll(fds, timeout) }

// serve reads or writes at an end that is ready.
func (l *linuxChild) serve(fd int) (Event, bool) {
	if fd == l.process.PIDFD {
		l.exited = true
		return Event{Kind: EventExit}, true
	}
	for i, end := range l.ends {
		if end != fd {
			continue
		}
		stream := Stream(i)
		if stream == StreamInput {
			l.feed()
			return Event{}, false
		}
		data, open := l.take(stream)
		if !open {
			l.closeEnd(stream)
		}
		return Event{Kind: EventOutput, Stream: stream, Data: data}, len(data) > 0
	}
	return Event{}, false
}

// writeWithoutSignal writes to a pipe whose reader may be gone: SIGPIPE would go to the host, whose disposition of it is
// its own. The signal is blocked for the write, and taken if the write raised it.
func writeWithoutSignal(fd int, b []byte) (int, error) {
	const pipeBit = uint64(1) << (unix.SIGPIPE - 1)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	set, old, pending := pipeBit, uint64(0), uint64(0)
	syscall.RawSyscall6(unix.SYS_RT_SIGPENDING, uintptr(unsafe.Pointer(&pending)), 8, 0, 0, 0, 0)
	syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_BLOCK, uintptr(unsafe.Pointer(&set)), uintptr(unsafe.Pointer(&old)), 8, 0, 0)
	n, err := unix.Write(fd, b)
	if err == unix.EPIPE && pending&pipeBit == 0 {
		var zero unix.Timespec
		syscall.RawSyscall6(unix.SYS_RT_SIGTIMEDWAIT, uintptr(unsafe.Pointer(&set)), 0, uintptr(unsafe.Pointer(&zero)), 8, 0, 0)
	}
	syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&old)), 0, 8, 0, 0)
	return n, err
}

// ended asks a kernel without process descriptors whether the command has ended, and leaves it to be reaped.
func (l *linuxChild) ended() bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, l.process.PID, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err == unix.ECHILD || err == nil && info.Signo != 0
}

func (l *linuxChild) Sample(quick bool, s *Sample) error {
	if quick {
		s.Resident = l.tree.ResidentPages() * l.adapter.pageSize
		return nil
	}
	t := l.tree.Update()
	*s = Sample{
		Resident: t.ResidentPages * l.adapter.pageSize, Virtual: t.VirtualBytes, Processes: t.Processes, Threads: t.Threads,
		User: time.Duration(t.UserTicks) * tick, System: time.Duration(t.SystemTicks) * tick,
	}
	if t.LeaderRan {
		if peak, err := l.adapter.proc.PeakResident(l.process.PID); err == nil {
			s.PeakResident = peak
		}
	}
	if l.group != nil {
		s.Exceeded = l.groupReason()
	}
	return nil
}

// groupReason is the limit that the control group reports to have acted.
func (l *linuxChild) groupReason() Reason {
	events := l.group.Events()
	switch {
	case events.OOMKills > 0:
		return ReasonMemory
	case events.ProcessesRefused > 0:
		return ReasonProcesses
	}
	return ReasonNone
}

func (l *linuxChild) Signal(signal int32) error {
	if signal < 0 || signal > lastSignal {
		return unknownSignal(signal)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reaped {
		return Errorf(StatusESRCH, "kill", "the job has ended")
	}
	if err := unix.Kill(-l.process.PID, unix.Signal(signal)); err != nil {
		return OSError(err, "kill", "process group %d", l.process.PID)
	}
	return nil
}

func (l *linuxChild) Terminate() error {
	if err := l.Signal(int32(unix.SIGTERM)); err != nil && StatusOf(err) != StatusESRCH {
		return err
	}
	_ = l.Signal(int32(unix.SIGCONT))
	return nil
}

func (l *linuxChild) Kill() error {
	if err := l.Signal(int32(unix.SIGKILL)); err != nil && StatusOf(err) != StatusESRCH {
		return err
	}
	// What has left the group is ended here too, or by Finish, which the leader's end brings about.
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.reaped && !(l.group != nil && l.group.Kill()) && l.mark.Hard != 0 {
		l.tree.Signal(unix.SIGKILL)
	}
	return nil
}

func (l *linuxChild) Finish(output func(Stream, []byte)) (Exit, error) {
	// The command is dead and not reaped: its id, and so that of its group, is still its own.
	marked := l.mark.Hard != 0
	if marked {
		l.tree.End(l.killGroup, latch.Sleep)
	} else {
		l.killGroup()
	}
	var status unix.WaitStatus
	var ru unix.Rusage
	l.mu.Lock()
	var err error
	for {
		if _, err = unix.Wait4(l.process.PID, &status, 0, &ru); err != unix.EINTR {
			break
		}
	}
	l.reaped = true
	l.mu.Unlock()
	if !marked {
		l.awaitGroup()
	}
	l.drain(output)
	reason := ReasonNone
	var peak uint64
	if l.group != nil {
		// What is charged includes files; of a group that has run out of memory it is what it had.
		if reason = l.groupReason(); reason == ReasonMemory {
			peak = l.group.MemoryPeak()
		}
		l.group.Close()
	}
	if err != nil {
		return Exit{Reason: reason}, nil // the host, or its SIGCHLD disposition, reaped it
	}
	exit := Exit{
		Observed: true, Code: int32(status.ExitStatus()),
		User: time.Duration(ru.Utime.Nano()), System: time.Duration(ru.Stime.Nano()), Reason: reason, PeakResident: peak,
	}
	if peak := maxrssBytes(platform, ru.Maxrss); l.floor < Unlimited-slackBytes && peak > l.floor+slackBytes {
		exit.PeakResident = max(exit.PeakResident, peak)
	}
	if status.Signaled() {
		exit.Code, exit.Signal = -1, int32(status.Signal())
		if exit.Reason == ReasonNone {
			exit.Reason = signalReason(status.Signal(), exit.User+exit.System, &l.enforcement, l.cpuLimit)
		}
	}
	return exit, nil
}

// killGroup ends what is left of the group after its leader.
func (l *linuxChild) killGroup() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.reaped {
		_ = unix.Kill(-l.process.PID, unix.SIGKILL)
	}
}

// awaitGroup returns when the group has no member that lives. The null signal harms nobody, should the id be used anew; it
// reaches the dead too, which wait for somebody else to reap them.
func (l *linuxChild) awaitGroup() {
	for pause := 50 * time.Microsecond; unix.Kill(-l.process.PID, 0) == nil; pause = min(2*pause, 10*time.Millisecond) {
		if !l.adapter.proc.GroupLives(l.process.PID) {
			return
		}
		latch.Sleep(pause)
	}
}

func (l *linuxChild) Close() error {
	if !l.reaped {
		if err := l.Kill(); err != nil {
			return err
		}
		if _, err := l.Finish(func(Stream, []byte) {}); err != nil {
			return err
		}
	}
	if l.process.PIDFD >= 0 {
		_ = unix.Close(l.process.PIDFD)
		l.process.PIDFD = -1
	}
	return nil
}

func newPipe(ends *[2]int) error { return unix.Pipe2(ends[:], unix.O_CLOEXEC) }
