package core

import (
	"os"

	"golang.org/x/sys/unix"
)

// unixAdapter is macOS.
type unixAdapter struct{}

// native is of its own type, so that what is read by it need not be on the heap.
var native = &unixAdapter{}

const (
	lastSignal = 31
	// maxrssUnit is the unit of ru_maxrss.
	maxrssUnit = 1
)

func (*unixAdapter) SystemFacts() (SystemFacts, error) {
	return systemFacts(PlatformMacos, os.Getpagesize())
}

// Supports: macOS accepts limits of memory and address space and keeps neither.
func (*unixAdapter) Supports(limit Limit, scope Scope) Enforcement {
	if scope != ScopeSelf {
		return EnforcementNone
	}
	switch limit {
	case LimitCPUTime, LimitOpenFiles, LimitFileSize:
		return EnforcementKernel
	case LimitProcesses:
		return EnforcementKernelPerUser
	case LimitMemory, LimitAddressSpace:
		return EnforcementAdvisory
	}
	return EnforcementNone
}

func (*unixAdapter) distribution() (string, error) { return distribution() }

func (a *unixAdapter) enforcement(_ int64, limit Limit) Enforcement {
	return a.Supports(limit, ScopeSelf)
}

// prepareLimit has nothing to do: no reading keeps a descriptor.
func (*unixAdapter) prepareLimit(Limit) {}

func (*unixAdapter) SelfUsage(fields UsageField, u *Usage) error {
	if err := processUsage(int64(os.Getpid()), fields, u); err != nil {
		return err
	}
	if fields&(UsageMemory|UsageCPU) != 0 {
		var ru unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
			return OSError(err, "getrusage", "")
		}
		fillRusage(u, &ru)
	}
	return nil
}

func (*unixAdapter) ProcessUsage(pid int64, fields UsageField, u *Usage) error {
	return processUsage(pid, fields, u)
}

func (*unixAdapter) ResetSignal(signal int32) error {
	if signal < 0 || signal > lastSignal {
		return unknownSignal(signal)
	}
	return notSupported("sigaction", "macOS gives no system call for it to a program that is not linked to C")
}

func (*unixAdapter) Offers(option Option) error {
	return notSupported("find option", "option %d of jobs in this version", int32(option))
}

func (*unixAdapter) Descendants(int64, bool) ([]int64, error) {
	return nil, notSupported("list processes", "trees of processes in this version")
}

func (*unixAdapter) KillTree(int64) error {
	return notSupported("kill tree", "trees of processes in this version")
}

func (*unixAdapter) Start(*Command) (Child, error) {
	return nil, notSupported("start job", "jobs are not available on macOS in this version")
}

// restoreFileLimit has nothing to do: the limit that was is not known here.
func restoreFileLimit(func() (soft, hard uint64)) {}

func nativeWithoutGroups() Adapter { return native }
