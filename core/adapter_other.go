//go:build !linux && !darwin && !windows

package core

import (
	"os"
	"runtime"
	"syscall"
)

// otherAdapter is a system that the library has no adapter for: what gopsutil reads, and nothing else.
type otherAdapter struct{}

// native is of its own type, so that what is read by it need not be on the heap.
var native = otherAdapter{}

func (otherAdapter) SystemFacts() (SystemFacts, error) {
	return systemFacts(PlatformOther, os.Getpagesize())
}

func (otherAdapter) SystemUsage() (SystemUsage, error) {
	return SystemUsage{}, notSupported("read system", "there is no adapter for %s", runtime.GOOS)
}

func (otherAdapter) Container() (Container, error) {
	return Container{}, notSupported("find container", "there is no adapter for %s", runtime.GOOS)
}

func (otherAdapter) ContainerText(ContainerText) (string, error) {
	return "", notSupported("find container", "there is no adapter for %s", runtime.GOOS)
}

func (otherAdapter) SystemText(item SystemText) (string, error) {
	switch item {
	case SystemPlatform:
		return runtime.GOOS, nil
	case SystemArchitecture:
		return runtime.GOARCH, nil
	case SystemDistribution, SystemRelease:
		return distribution()
	case SystemHostname:
		return os.Hostname()
	}
	return "", unknownText(item)
}

func (otherAdapter) Supports(Limit, Scope) Enforcement { return EnforcementNone }

func (otherAdapter) Limit(int64, Limit) (LimitValue, error) {
	return LimitValue{}, notSupported("find limit", "there is no adapter for %s", runtime.GOOS)
}

func (otherAdapter) SetLimit(int64, Limit, uint64, uint64) (Enforcement, error) {
	return EnforcementNone, notSupported("find limit", "there is no adapter for %s", runtime.GOOS)
}

func (otherAdapter) SelfUsage(fields UsageField, u *Usage) error {
	return processUsage(int64(os.Getpid()), fields, u)
}

func (otherAdapter) ProcessUsage(pid int64, fields UsageField, u *Usage) error {
	return processUsage(pid, fields, u)
}

func (otherAdapter) Priority(int64) (Priority, error) {
	return 0, notSupported("find priority", "there is no adapter for %s", runtime.GOOS)
}

func (otherAdapter) SetPriority(int64, Priority) error {
	return notSupported("find priority", "there is no adapter for %s", runtime.GOOS)
}

func (otherAdapter) CreateGroup() (int64, error) {
	return 0, notSupported("create group", "there is no adapter for %s", runtime.GOOS)
}

func (otherAdapter) KillGroup(int64, int32) error {
	return notSupported("kill group", "there is no adapter for %s", runtime.GOOS)
}

func (otherAdapter) ResetSignal(int32) error {
	return notSupported("reset signal", "there is no adapter for %s", runtime.GOOS)
}

func (otherAdapter) Offers(option Option) error {
	return notSupported("find option", "option %d of jobs in this version", int32(option))
}

func (otherAdapter) StartOf(int64) (uint64, error) {
	return 0, notSupported("find process", "there is no adapter for %s", runtime.GOOS)
}

func (otherAdapter) Descendants(int64, bool) ([]int64, error) {
	return nil, notSupported("list processes", "trees of processes in this version")
}

func (otherAdapter) KillTree(int64) error {
	return notSupported("kill tree", "trees of processes in this version")
}

func (otherAdapter) Start(*Command) (Child, error) {
	return nil, notSupported("start job", "there is no adapter for %s", runtime.GOOS)
}

func usableCPUs() uint32 { return uint32(runtime.NumCPU()) }

// statusOf: without an adapter no error number is known.
func statusOf(syscall.Errno) Status { return StatusEOS }

// restoreFileLimit has nothing to do: the limit that was is not known here.
func restoreFileLimit(func() (soft, hard uint64)) {}

func nativeWithoutGroups() Adapter { return native }
