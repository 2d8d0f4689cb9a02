package core

import (
	"math"
	"os"
	"strconv"
)

// Adapter is an operating system. All of the module's knowledge of the system is behind it.
//
// A process is named by its id; 0 is the caller. A reading that a platform does not give and a limit that it does not have
// answer StatusENOTSUP.
type Adapter interface {
	// SystemFacts reads the numbers of the system.
	SystemFacts() (SystemFacts, error)
	// SystemText reads one of its names.
	SystemText(SystemText) (string, error)

	// SystemUsage reads what the system does now.
	SystemUsage() (SystemUsage, error)
	// Container reads the limits around the caller; ReadContainer adds what they leave to it.
	Container() (Container, error)
	// ContainerText reads a text about what is around the caller; what is not found is empty.
	ContainerText(ContainerText) (string, error)

	// Supports tells how strongly a limit would be kept now on a scope.
	Supports(Limit, Scope) Enforcement
	// Limit reads a limit of a running process.
	Limit(pid int64, limit Limit) (LimitValue, error)
	// SetLimit sets a limit of a running process and tells how strongly it is kept. On failure nothing has changed.
	SetLimit(pid int64, limit Limit, soft, hard uint64) (Enforcement, error)

	// SelfUsage reads what the caller uses. u.Fields tells what was read.
	SelfUsage(fields UsageField, u *Usage) error
	// ProcessUsage reads what another process uses.
	ProcessUsage(pid int64, fields UsageField, u *Usage) error

	// Priority reads the priority of a process.
	Priority(pid int64) (Priority, error)
	// SetPriority sets that of all its threads. On failure nothing has changed.
	SetPriority(pid int64, p Priority) error

	// CreateGroup makes the caller the leader of a process group and returns its id.
	CreateGroup() (int64, error)
	// KillGroup sends a signal to the members of a process group; 0 tests whether there are any.
	KillGroup(group int64, signal int32) error
	// ResetSignal gives a signal its default disposition and unblocks it; 0 stands for all.
	ResetSignal(signal int32) error

	// Offers tells whether an option of jobs, or (0) the confinement of files, can be had: StatusENOTSUP where it cannot.
	Offers(Option) error
	// StartOf tells when a process started, in a unit of the system's own: together with its id that names it for ever.
	StartOf(pid int64) (uint64, error)
	// Descendants lists the children of a process, and with all those of its children.
	Descendants(pid int64, all bool) ([]int64, error)
	// KillTree ends a process and its descendants, and returns when they are gone.
	KillTree(pid int64) error

	// Start starts a command as a job. On failure nothing runs.
	Start(*Command) (Child, error)
}

// Native is the adapter of the platform that the program runs on.
func Native() Adapter { return native }

// NativeWithoutGroups is Native, but for jobs being put into no control groups: their limits are kept by what is there for
// everybody. It differs on Linux alone.
func NativeWithoutGroups() Adapter { return nativeWithoutGroups() }

// Supports tells how strongly a platform keeps a limit on a scope.
func Supports(a Adapter, limit Limit, scope Scope) (Enforcement, error) {
	if !limit.Known() {
		return EnforcementNone, unknownLimit(limit)
	}
	if scope < ScopeSelf || scope > ScopeJob {
		return EnforcementNone, Errorf(StatusEINVAL, "check scope", "%d is not a scope", scope)
	}
	return a.Supports(limit, scope), nil
}

// ReadUsage reads what a process uses; pid 0 is the caller.
func ReadUsage(a Adapter, pid int64, fields UsageField, u *Usage) error {
	if fields == 0 || fields&^UsageAll != 0 {
		return Errorf(StatusEINVAL, "check fields", "%#x does not select readings", uint32(fields))
	}
	if err := checkPID(pid); err != nil {
		return err
	}
	if pid == 0 || pid == int64(os.Getpid()) {
		return a.SelfUsage(fields, u)
	}
	return a.ProcessUsage(pid, fields, u)
}

// Identify tells when a living process started, in a unit of the system's own: no other that has had or will have its id has
// started then. pid 0 is the caller. One that has ended and has not been waited for does not live.
func Identify(a Adapter, pid int64) (uint64, error) {
	if err := checkPID(pid); err != nil {
		return 0, err
	}
	if pid == 0 {
		pid = int64(os.Getpid())
	}
	return a.StartOf(pid)
}

// ListDescendants lists the children of a process, and with all those of its children; pid 0 is the caller.
func ListDescendants(a Adapter, pid int64, all bool) ([]int64, error) {
	if err := checkPID(pid); err != nil {
		return nil, err
	}
	if pid == 0 {
		pid = int64(os.Getpid())
	}
	return a.Descendants(pid, all)
}

func checkPID(pid int64) error {
	if pid < 0 || pid > math.MaxInt32 {
		return Errorf(StatusEINVAL, "check process id", "%d is not a process id", pid)
	}
	return nil
}

func unknownLimit(limit Limit) error {
	return Errorf(StatusEINVAL, "check limit", "%d is not a limit", int32(limit))
}

func notSupported(step, format string, args ...any) error {
	return Errorf(StatusENOTSUP, step, format, args...)
}

func noProcess(pid int64) string { return "there is no process " + strconv.FormatInt(pid, 10) }
