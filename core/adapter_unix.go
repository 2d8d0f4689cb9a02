//go:build linux || darwin

package core

import (
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"libmimir/core/internal/rlimit"
)

// rlimits are the kernel's limits behind each of ours; the first is the one in force.
var rlimits = [limitEnd][]int{
	LimitMemory:       {rlimit.Data, rlimit.Resident},
	LimitAddressSpace: {rlimit.AddressSpace},
	LimitCPUTime:      {rlimit.CPU},
	LimitProcesses:    {rlimit.Processes},
	LimitOpenFiles:    {rlimit.Files},
	LimitFileSize:     {rlimit.FileSize},
}

// limitOf is the limit that a resource of the kernel's stands behind, 0 for none.
func limitOf(resource int) Limit {
	for _, limit := range Limits {
		if resources := rlimits[limit]; resources != nil && resources[0] == resource {
			return limit
		}
	}
	return 0
}

const nanosecondsPerSecond = 1_000_000_000

// toRlimit turns a limit's unit into the kernel's; a part of a second counts as a whole one.
func toRlimit(limit Limit, value uint64) uint64 {
	if limit == LimitCPUTime && value != Unlimited {
		return value/nanosecondsPerSecond + min(1, value%nanosecondsPerSecond)
	}
	return value
}

// fromRlimit is the inverse; seconds beyond what nanoseconds can count become Unlimited.
func fromRlimit(limit Limit, value uint64) uint64 {
	if limit == LimitCPUTime {
		if value > Unlimited/nanosecondsPerSecond {
			return Unlimited
		}
		return value * nanosecondsPerSecond
	}
	return value
}

func rlimitsOf(pid int64, limit Limit) ([]int, error) {
	if !limit.Known() {
		return nil, unknownLimit(limit)
	}
	if err := checkPID(pid); err != nil {
		return nil, err
	}
	resources := rlimits[limit]
	if resources == nil {
		return nil, notSupported("find limit", "%s is a limit of jobs: a running process cannot have it", limit)
	}
	return resources, nil
}

func (a *unixAdapter) Limit(pid int64, limit Limit) (LimitValue, error) {
	resources, err := rlimitsOf(pid, limit)
	if err != nil {
		return LimitValue{}, err
	}
	soft, hard, err := rlimit.Get(int(pid), resources[0])
	if err != nil {
		return LimitValue{}, OSError(err, "getrlimit", "%s of process %d", limit, pid)
	}
	if pid == 0 || pid == int64(unix.Getpid()) {
		soft, hard = ownLimits.asked(limit, kernelLimit{soft, hard})
	}
	value := LimitValue{Soft: fromRlimit(limit, soft), Hard: fromRlimit(limit, hard)}
	value.Enforcement = a.enforcement(pid, limit)
	return value, nil
}

func (a *unixAdapter) SetLimit(pid int64, limit Limit, soft, hard uint64) (Enforcement, error) {
	resources, err := rlimitsOf(pid, limit)
	if err != nil {
		return EnforcementNone, err
	}
	if soft > hard {
		return EnforcementNone, Errorf(StatusEINVAL, "check limit", "%s: soft limit %s is above hard limit %s", limit,
			Amount(limit, soft), Amount(limit, hard))
	}
	newSoft, newHard := toRlimit(limit, soft), toRlimit(limit, hard)
	if pid == 0 || pid == int64(unix.Getpid()) {
		a.prepareLimit(limit)
		BeforeOwnLimit(limit)
		err = ownLimits.set(limit, resources[0], newSoft, newHard)
	} else {
		err = rlimit.Set(int(pid), resources[0], newSoft, newHard)
	}
	if err != nil {
		return EnforcementNone, refusedLimit(pid, limit, resources[0], newHard, err)
	}
	for _, advisory := range resources[1:] {
		// Kept for programs that read it back. Its own hard limit may be lower; it binds nobody.
		if rlimit.Set(int(pid), advisory, newSoft, newHard) != nil {
			if _, most, err := rlimit.Get(int(pid), advisory); err == nil {
				_ = rlimit.Set(int(pid), advisory, min(newSoft, most), min(newHard, most))
			}
		}
	}
	return a.enforcement(pid, limit), nil
}

// set sets a limit of this process.
func (t *ownLimitTable) set(limit Limit, resource int, soft, hard uint64) error {
	presentSoft, presentHard, err := rlimit.Get(0, resource)
	if err != nil {
		return err
	}
	planned := t.plan(limit, kernelLimit{presentSoft, presentHard}, kernelLimit{soft, hard})
	if err := rlimit.Set(0, resource, planned.soft, planned.hard); err != nil {
		return err
	}
	t.note(limit, kernelLimit{soft, hard}, planned)
	return nil
}

// refusedLimit explains a failed setrlimit: above the hard limit it says what was asked and what is allowed.
func refusedLimit(pid int64, limit Limit, resource int, asked uint64, cause error) error {
	e := OSError(cause, "setrlimit", "%s of process %d", limit, pid)
	if cause == unix.EPERM {
		if present, most, err := rlimit.Get(int(pid), resource); err == nil {
			_, most = ownLimits.asked(limit, kernelLimit{present, most})
			if asked <= most {
				return e
			}
			e.Status = StatusELIMIT
			e.Text = limit.String() + ": " + Amount(limit, fromRlimit(limit, asked)) + " was asked, the hard limit allows " +
				Amount(limit, fromRlimit(limit, most))
		}
	}
	return e
}

// processGone is the error of a step for which there was no such process.
func processGone(step string, pid int64) error {
	return &Error{Status: StatusESRCH, OSCode: int32(unix.ESRCH), Step: step, Text: noProcess(pid)}
}

func (*unixAdapter) CreateGroup() (int64, error) {
	// A group's leader stays so; setpgid of a session's leader is refused, and it leads its group unless it was moved.
	self := unix.Getpid()
	if unix.Getpgrp() == self {
		return int64(self), nil
	}
	if err := unix.Setpgid(0, 0); err != nil {
		return 0, OSError(err, "setpgid", "new process group")
	}
	return int64(self), nil
}

func (*unixAdapter) KillGroup(group int64, signal int32) error {
	if group < 1 || checkPID(group) != nil {
		return Errorf(StatusEINVAL, "check process group", "%d is not a process group", group)
	}
	if signal < 0 || signal > lastSignal {
		return unknownSignal(signal)
	}
	if err := unix.Kill(-int(group), unix.Signal(signal)); err != nil {
		return OSError(err, "kill", "process group %d", group)
	}
	return nil
}

func unknownSignal(signal int32) error {
	return Errorf(StatusEINVAL, "check signal", "%d is not a signal", signal)
}

func (a *unixAdapter) SystemText(item SystemText) (string, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", OSError(err, "uname", "")
	}
	switch item {
	case SystemPlatform:
		return unix.ByteSliceToString(u.Sysname[:]), nil
	case SystemArchitecture:
		return unix.ByteSliceToString(u.Machine[:]), nil
	case SystemRelease:
		return unix.ByteSliceToString(u.Release[:]), nil
	case SystemHostname:
		return unix.ByteSliceToString(u.Nodename[:]), nil
	case SystemDistribution:
		return a.distribution()
	}
	return "", unknownText(item)
}

func usableCPUs() uint32 { return uint32(runtime.NumCPU()) }

// fillRusage fills the fields that getrusage gives for the caller.
func fillRusage(u *Usage, ru *unix.Rusage) {
	u.UserTimeNs = uint64(ru.Utime.Nano())
	u.SystemTimeNs = uint64(ru.Stime.Nano())
	u.PeakResidentBytes = maxrssBytes(platform, ru.Maxrss)
}

// statusOf is the status that an errno stands for.
func statusOf(errno syscall.Errno) Status {
	switch errno {
	case 0:
		return StatusOK
	case unix.EPERM, unix.EACCES:
		return StatusEPERM
	case unix.ENOENT, unix.ENOTDIR:
		return StatusENOENT
	case unix.ESRCH:
		return StatusESRCH
	case unix.EINVAL:
		return StatusEINVAL
	case unix.ENOMEM, unix.EAGAIN, unix.EMFILE, unix.ENFILE, unix.ENOSPC:
		return StatusENOMEM
	case unix.ENOSYS, unix.ENOTSUP:
		return StatusENOTSUP
	case unix.EINTR:
		return StatusEINTR
	case unix.ETIMEDOUT:
		return StatusETIMEDOUT
	}
	return StatusEOS
}

// defaultPath is where a program is looked up when the environment has no PATH.
const defaultPath = "/bin:/usr/bin"

// findProgram is the file to execute for a command: its first argument, or the first file of that name in the PATH of its
// environment that may be executed.
func findProgram(c *Command) (string, error) {
	program := c.Args[0]
	if strings.Contains(program, "/") {
		return program, nil
	}
	path, found := variableIn(c.Env, "PATH")
	if !found {
		path = defaultPath
	}
	cause := error(unix.ENOENT)
	for directory := range strings.SplitSeq(path, ":") {
		if directory == "" {
			directory = "."
		}
		file := directory + "/" + program
		seen := file
		if c.Dir != "" && !strings.HasPrefix(file, "/") { // the command starts in its own directory
			seen = c.Dir + "/" + file
		}
		var st unix.Stat_t
		if unix.Stat(seen, &st) != nil || st.Mode&unix.S_IFMT == unix.S_IFDIR {
			continue
		}
		if unix.Access(seen, unix.X_OK) == nil {
			return file, nil
		}
		cause = unix.EACCES
	}
	return "", OSError(cause, "find program", "%s", program)
}

// signalReason is the limit of a command that the kernel ends a process for with a signal.
func signalReason(signal syscall.Signal, cpu time.Duration, limits *[limitEnd]Enforcement, cpuLimit time.Duration) Reason {
	cpuLimited := limits[LimitCPUTime] != EnforcementNone
	sizeLimited := limits[LimitFileSize] != EnforcementNone
	switch {
	case signal == unix.SIGXFSZ && sizeLimited:
		return ReasonFileSize
	// The kernel's limit counts by ticks, and its final account by the scheduler's clock: they differ.
	case signal == unix.SIGXCPU && cpuLimited && cpu >= cpuLimit/2:
		return ReasonCPUTime
	}
	return ReasonNone
}
