package core

import (
	"errors"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"libmimir/core/internal/latch"
	"libmimir/core/internal/libproc"
	"libmimir/core/internal/libsystem"
	"libmimir/core/internal/posixspawn"
	"libmimir/core/internal/rlimit"
)

// darwinChild is a command that macOS runs.
type darwinChild struct {
	pid         int
	tree        *libproc.Tree
	treeMu      sync.Mutex
	enforcement [limitEnd]Enforcement
	// cpuLimit is the limit of CPU time, 0 without one.
	cpuLimit time.Duration

	pipes
	queue  int // a kqueue that tells of the command's end and of its pipes
	exited bool

	mu     sync.Mutex // held while a signal is sent and while the process is reaped
	reaped bool
}

// mostLimit is RLIM_INFINITY of macOS.
const mostLimit = 1<<63 - 1

// jobRlimits are the kernel's limits for a command, and how each of its limits is kept.
func (a *unixAdapter) jobRlimits(c *Command) (set []posixspawn.Rlimit, enforcement [limitEnd]Enforcement, err error) {
	for _, limit := range Limits {
		value, given := c.Limits.Of(limit)
		if !given {
			continue
		}
		kept := a.Supports(limit, ScopeJob)
		if kept == EnforcementNone {
			return nil, enforcement, notSupported("find limit", "%s of a job", limit)
		}
		enforcement[limit] = kept
		resources := rlimits[limit]
		if resources == nil || kept == EnforcementWatchdog {
			continue
		}
		_, hard, err := rlimit.Get(0, resources[0])
		if err != nil {
			return nil, enforcement, OSError(err, "getrlimit", "%s", limit)
		}
		soft := toRlimit(limit, value)
		top := soft
		switch {
		case limit == LimitCPUTime: // SIGXCPU at the soft limit, SIGKILL a second later
			soft = min(max(soft, 1), hard)
			top = min(soft+1, hard)
		case kept == EnforcementAdvisory:
			soft = min(soft, hard)
			top = soft
		case soft > hard:
			return nil, enforcement, Errorf(StatusELIMIT, "check limit", "%s: %s was asked, the hard limit allows %s", limit,
				Amount(limit, value), Amount(limit, fromRlimit(limit, hard)))
		}
		set = append(set, posixspawn.Rlimit{Resource: resources[0], Soft: min(soft, mostLimit), Hard: min(top, mostLimit)})
	}
	return set, enforcement, nil
}

func (a *unixAdapter) Start(c *Command) (Child, error) {
	path, err := findProgram(c)
	if err != nil {
		return nil, err
	}
	if c.NoNewPrivileges || c.NoNetwork || c.NoDesktop || c.Writable != nil {
		return nil, notSupported("find option", "confinement of commands on macOS")
	}
	if c.Dir != "" { // posix_spawn does not say what of it has failed
		var st unix.Stat_t
		if err := unix.Stat(c.Dir, &st); err != nil {
			return nil, OSError(err, "chdir", "%s", c.Dir)
		}
		if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			return nil, OSError(unix.ENOTDIR, "chdir", "%s", c.Dir)
		}
	}
	limits, enforcement, err := a.jobRlimits(c)
	if err != nil {
		return nil, err
	}
	child := &darwinChild{enforcement: enforcement, pipes: noPipes, queue: -1}
	if value, ok := c.Limits.Of(LimitCPUTime); ok {
		child.cpuLimit = time.Duration(min(value, 1<<62))
	}
	files, err := child.connect(c)
	defer files.close()
	if err != nil {
		child.closePipes()
		return nil, err
	}
	if child.queue, err = unix.Kqueue(); err != nil {
		child.closePipes()
		return nil, OSError(err, "kqueue", "")
	}
	unix.CloseOnExec(child.queue)
	spec := posixspawn.Spec{
		Path: path, Args: c.Args, Env: c.Env, Dir: c.Dir, Files: files.numbers, Keep: c.Keep, Rlimits: limits,
		Umask: posixspawn.Absent, NewSession: c.NewSession,
	}
	if c.Umask != nil {
		spec.Umask = int(*c.Umask)
	}
	spec.Nice = (*int32)(c.Priority)
	if c.User != nil {
		spec.Credential = &posixspawn.Credential{UID: c.User.UID, GID: c.User.GID, Groups: c.User.Groups}
	}
	if child.pid, err = posixspawn.Start(&spec); err != nil {
		child.closePipes()
		child.closeQueue()
		return nil, startError(path, limits, err)
	}
	child.tree = libproc.NewTree(kernel{}, child.pid, true)
	if err := child.listen(); err != nil {
		_ = child.Close()
		return nil, err
	}
	return child, nil
}

// startError says what the caller asked for that failed.
func startError(path string, limits []posixspawn.Rlimit, err error) error {
	var failed *posixspawn.Error
	if !errors.As(err, &failed) {
		return OSError(err, "check command", "%s", path)
	}
	step := failed.Step.String()
	switch failed.Step {
	case posixspawn.StepSpawn:
		return OSError(failed.Errno, step, "%s", path)
	case posixspawn.StepLimits:
		return OSError(failed.Errno, step, "%s", limitOf(limits[failed.Index].Resource))
	}
	return OSError(failed.Errno, step, "")
}

// listen has the kqueue tell of the command's end.
func (d *darwinChild) listen() error {
	var change [1]unix.Kevent_t
	unix.SetKevent(&change[0], d.pid, unix.EVFILT_PROC, unix.EV_ADD)
	change[0].Fflags = unix.NOTE_EXIT
	for {
		switch _, err := unix.Kevent(d.queue, change[:], nil, nil); err {
		case nil:
			return nil
		case unix.EINTR:
		case unix.ESRCH: // it has ended already, and waits to be reaped
			d.exited = true
			return nil
		default:
			return OSError(err, "kevent", "process %d", d.pid)
		}
	}
}

func (d *darwinChild) closeQueue() {
	if d.queue >= 0 {
		_ = unix.Close(d.queue)
		d.queue = -1
	}
}

func (d *darwinChild) PID() int64 { return int64(d.pid) }

func (d *darwinChild) Enforcement(limit Limit) Enforcement { return d.enforcement[limit] }

func (d *darwinChild) Next(timeout time.Duration) (Event, error) {
	if d.exited {
		return Event{Kind: EventExit}, nil
	}
	// What is awaited changes from time to time, so that each is asked for once.
	var changes [3]unix.Kevent_t
	n := 0
	for stream := range d.ends {
		fd, ok := d.awaited(Stream(stream))
		if !ok {
			continue
		}
		filter := unix.EVFILT_READ
		if fd.Events == unix.POLLOUT {
			filter = unix.EVFILT_WRITE
		}
		unix.SetKevent(&changes[n], int(fd.Fd), filter, unix.EV_ADD|unix.EV_ONESHOT)
		n++
	}
	ts := unix.NsecToTimespec(int64(max(timeout, 0)))
	var events [4]unix.Kevent_t
	ready, err := unix.Kevent(d.queue, changes[:n], events[:], &ts)
	if err == unix.EINTR {
		return Event{Kind: EventInterrupted}, nil
	}
	if err != nil {
		return Event{}, OSError(err, "kevent", "")
	}
	if ready > 0 {
		d.relayAll()
	}
	ended := false
	for _, event := range events[:ready] {
		if event.Filter == unix.EVFILT_PROC {
			ended = true
			continue
		}
		if answer, ok := d.serve(int(event.Ident)); ok {
			d.exited = d.exited || ended
			return answer, nil
		}
	}
	// The end is told once: output that came with it is told first, and what is left is read by Finish.
	if ended {
		d.exited = true
		return Event{Kind: EventExit}, nil
	}
	return Event{Kind: EventTimeout}, nil
}

// serve reads or writes at an end that is ready. A closed descriptor leaves the kqueue by itself.
func (d *darwinChild) serve(fd int) (Event, bool) {
	for i, end := range d.ends {
		if end != fd {
			continue
		}
		stream := Stream(i)
		if fd, ok := d.awaited(stream); !ok || int(fd.Fd) != end {
			return Event{}, false // its output has not been relayed yet
		}
		if stream == StreamInput {
			d.feed()
			return Event{}, false
		}
		data, open := d.take(stream)
		if !open {
			d.closeEnd(stream)
		}
		return Event{Kind: EventOutput, Stream: stream, Data: data}, len(data) > 0
	}
	return Event{}, false
}

func (d *darwinChild) Sample(quick bool, s *Sample) error {
	d.treeMu.Lock()
	defer d.treeMu.Unlock()
	if quick {
		s.Resident = d.tree.Footprint()
		return nil
	}
	t := d.tree.Update()
	*s = Sample{
		Resident: t.Footprint, Virtual: t.Virtual, Processes: t.Processes, Threads: t.Threads,
		User: time.Duration(nanosecondsOf(t.UserTicks)), System: time.Duration(nanosecondsOf(t.SystemTicks)),
	}
	if usage, err := (kernel{}).rusage(d.pid); err == nil {
		s.PeakResident = usage.PeakFootprint
	}
	return nil
}

func (d *darwinChild) Signal(signal int32) error {
	if signal < 0 || signal > lastSignal {
		return unknownSignal(signal)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.reaped {
		return Errorf(StatusESRCH, "kill", "the job has ended")
	}
	if err := unix.Kill(-d.pid, unix.Signal(signal)); err != nil {
		if err == unix.EPERM && d.ended() { // macOS answers so for a group of which only the dead leader is left
			return Errorf(StatusESRCH, "kill", "the job has ended")
		}
		return OSError(err, "kill", "process group %d", d.pid)
	}
	return nil
}

func (d *darwinChild) ended() bool {
	who, err := (kernel{}).Identify(d.pid)
	return err != nil || who.Ended
}

func (d *darwinChild) Terminate() error {
	if err := d.Signal(int32(unix.SIGTERM)); err != nil && StatusOf(err) != StatusESRCH {
		return err
	}
	_ = d.Signal(int32(unix.SIGCONT))
	return nil
}

func (d *darwinChild) Kill() error {
	if err := d.Signal(int32(unix.SIGKILL)); err != nil && StatusOf(err) != StatusESRCH {
		return err
	}
	// What has left the group is ended here too, or by Finish, which the leader's end brings about.
	d.treeMu.Lock()
	defer d.treeMu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.reaped {
		d.tree.Kill()
	}
	return nil
}

func (d *darwinChild) Finish(output func(Stream, []byte)) (Exit, error) {
	// The command is dead and not reaped: its id, and so that of its group, is still its own.
	d.treeMu.Lock()
	_ = unix.Kill(-d.pid, unix.SIGKILL)
	d.tree.End(latch.Sleep, true)
	d.treeMu.Unlock()
	account, accountErr := (kernel{}).rusage(d.pid)
	var status unix.WaitStatus
	var ru unix.Rusage
	d.mu.Lock()
	var err error
	for {
		if _, err = unix.Wait4(d.pid, &status, 0, &ru); err != unix.EINTR {
			break
		}
	}
	d.reaped = true
	d.mu.Unlock()
	d.drain(output)
	if err != nil {
		return Exit{Reason: ReasonNone}, nil // the host, or its SIGCHLD disposition, reaped it
	}
	exit := Exit{
		Observed: true, Code: int32(status.ExitStatus()),
		User: time.Duration(ru.Utime.Nano()), System: time.Duration(ru.Stime.Nano()),
		PeakResident: maxrssBytes(platform, ru.Maxrss),
	}
	if accountErr == nil && account.PeakFootprint > 0 { // what the limit counts
		exit.PeakResident = account.PeakFootprint
	}
	if status.Signaled() {
		exit.Code, exit.Signal = -1, int32(status.Signal())
		exit.Reason = signalReason(status.Signal(), exit.User+exit.System, &d.enforcement, d.cpuLimit)
	}
	return exit, nil
}

func (d *darwinChild) Close() error {
	if !d.reaped {
		if err := d.Kill(); err != nil {
			return err
		}
		if _, err := d.Finish(func(Stream, []byte) {}); err != nil {
			return err
		}
	}
	d.closeQueue()
	return nil
}

// kernel is where trees of processes look.
type kernel struct{}

func (k kernel) rusage(pid int) (libproc.Rusage, error) {
	var b [libproc.SizeofRusageInfo4]byte
	if err := libsystem.PIDRusage(pid, libproc.RusageInfo4, b[:]); err != nil {
		return libproc.Rusage{}, err
	}
	return libproc.DecodeRusage(b[:])
}

func (k kernel) Process(pid int) (libproc.Identity, libproc.Task, libproc.Rusage, error) {
	var b [libproc.SizeofTaskAllInfo]byte
	who, task, err := libproc.DecodeTaskAllInfo(b[:libsystem.PIDInfo(pid, libproc.TaskAllInfo, b[:])])
	if err != nil { // dead, or another user's
		who, err = k.Identify(pid)
	}
	if err != nil {
		return who, task, libproc.Rusage{}, err
	}
	usage, _ := k.rusage(pid)
	return who, task, usage, nil
}

func (kernel) Identify(pid int) (libproc.Identity, error) {
	b, err := unix.SysctlRaw("kern.proc.pid", pid)
	if err != nil {
		return libproc.Identity{}, err
	}
	found := libproc.DecodeKinfo(b)
	if len(found) != 1 {
		return libproc.Identity{}, unix.ESRCH
	}
	return found[0], nil
}

func (k kernel) Footprint(pid int) (uint64, error) {
	usage, err := k.rusage(pid)
	return usage.Footprint, err
}

func (kernel) Children(pid int) []int { return listPIDs(libproc.ParentOnly, pid) }

func (kernel) Group(group int) []int { return listPIDs(libproc.GroupOnly, group) }

func (kernel) Signal(pid int, signal syscall.Signal) error { return unix.Kill(pid, signal) }

// listPIDs grows the list until there is room to spare.
func listPIDs(kind, of int) []int {
	var few [64 * libproc.SizeofPID]byte
	for b := few[:]; ; b = make([]byte, 4*len(b)) {
		if n := libsystem.ListPIDs(kind, of, b); n < len(b) {
			return libproc.DecodePIDs(b[:n])
		}
	}
}

// allProcesses lists every process of the system.
func allProcesses() ([]libproc.Identity, error) {
	for {
		b, err := unix.SysctlRaw("kern.proc.all")
		if err == unix.ENOMEM { // more have started between the question for the size and the list
			continue
		}
		if err != nil {
			return nil, OSError(err, "sysctl kern.proc.all", "")
		}
		return libproc.DecodeKinfo(b), nil
	}
}

func (*unixAdapter) Offers(option Option) error {
	switch option {
	case OptionUmask, OptionNewSession, OptionGrace, OptionKeepDescriptor:
		return nil
	case OptionNoNewPrivileges, OptionNoNetwork, OptionNoDesktop:
		return notSupported("find option", "option %d of jobs on macOS", int32(option))
	}
	return notSupported("find option", "confinement of files on macOS")
}

func (*unixAdapter) Descendants(pid int64, all bool) ([]int64, error) {
	if _, err := (kernel{}).Identify(int(pid)); err != nil {
		return nil, processGone("sysctl kern.proc.pid", pid)
	}
	processes, err := allProcesses()
	if err != nil {
		return nil, err
	}
	var found []int64
	for _, p := range libproc.Descendants(processes, int(pid), all) {
		found = append(found, int64(p))
	}
	return found, nil
}

// KillTree stops the process and its descendants first, the parents before the children, so that none can start another or
// be handed to another parent unseen.
func (*unixAdapter) KillTree(pid int64) error {
	if err := checkPID(pid); err != nil {
		return err
	}
	if pid <= 1 || pid == int64(unix.Getpid()) {
		return Errorf(StatusEINVAL, "check process id", "the tree of process %d cannot be killed by this process", pid)
	}
	if _, err := identifyLiving(pid); err != nil {
		return err
	}
	if err := unix.Kill(int(pid), unix.SIGSTOP); err != nil {
		return OSError(err, "kill", "process %d", pid)
	}
	held := libproc.NewTree(kernel{}, int(pid), false)
	held.Hold(allProcesses)
	held.End(latch.Sleep, false)
	return nil
}

func newPipe(ends *[2]int) error {
	syscall.ForkLock.RLock() // no child of Go's comes between
	defer syscall.ForkLock.RUnlock()
	if err := unix.Pipe(ends[:]); err != nil {
		return err
	}
	unix.CloseOnExec(ends[0])
	unix.CloseOnExec(ends[1])
	return nil
}

// poll waits in the calling thread.
func poll(fds []unix.PollFd, timeout time.Duration) (int, error) {
	return unix.Poll(fds, int(max(timeout, 0)/time.Millisecond))
}

const (
	setNoSignal = 73 // F_SETNOSIGPIPE
	getNoSignal = 74 // F_GETNOSIGPIPE
)

// writeWithoutSignal writes to a pipe whose reader may be gone: SIGPIPE would go to the host, whose disposition of it is
// its own. The descriptor is told to raise none, for the write.
func writeWithoutSignal(fd int, b []byte) (int, error) {
	before, err := unix.FcntlInt(uintptr(fd), getNoSignal, 0)
	if err == nil && before == 0 {
		if _, err := unix.FcntlInt(uintptr(fd), setNoSignal, 1); err == nil {
			defer func() { _, _ = unix.FcntlInt(uintptr(fd), setNoSignal, 0) }()
		}
	}
	return unix.Write(fd, b)
}
