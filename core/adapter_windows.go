package core

import (
	"os"
	"runtime"
	"syscall"

	"github.com/shirou/gopsutil/v3/host"
	"golang.org/x/sys/windows"
)

type windowsAdapter struct{}

// native is of its own type, so that what is read by it need not be on the heap.
var native = windowsAdapter{}

func (windowsAdapter) SystemFacts() (SystemFacts, error) {
	return systemFacts(PlatformWindows, os.Getpagesize())
}

func (windowsAdapter) SystemText(item SystemText) (string, error) {
	switch item {
	case SystemPlatform:
		return "Windows", nil
	case SystemArchitecture:
		// The names of PROCESSOR_ARCHITECTURE, which Python's platform.machine() gives.
		return map[string]string{"amd64": "AMD64", "arm64": "ARM64", "386": "x86"}[runtime.GOARCH], nil
	case SystemRelease:
		release, err := host.KernelVersion()
		if err != nil {
			return "", OSError(err, "read the kernel's version", "")
		}
		return release, nil
	case SystemDistribution:
		return distribution()
	case SystemHostname:
		name, err := os.Hostname()
		if err != nil {
			return "", OSError(err, "GetComputerName", "")
		}
		return name, nil
	}
	return "", unknownText(item)
}

func (windowsAdapter) Supports(Limit, Scope) Enforcement { return EnforcementNone }

func (windowsAdapter) Limit(pid int64, limit Limit) (LimitValue, error) {
	return LimitValue{}, noLimit(pid, limit)
}

func (windowsAdapter) SetLimit(pid int64, limit Limit, _, _ uint64) (Enforcement, error) {
	return EnforcementNone, noLimit(pid, limit)
}

func noLimit(pid int64, limit Limit) error {
	if !limit.Known() {
		return unknownLimit(limit)
	}
	if err := checkPID(pid); err != nil {
		return err
	}
	return notSupported("find limit", "%s on Windows in this version", limit)
}

func (windowsAdapter) SelfUsage(fields UsageField, u *Usage) error {
	return processUsage(int64(os.Getpid()), fields, u)
}

func (windowsAdapter) ProcessUsage(pid int64, fields UsageField, u *Usage) error {
	return processUsage(pid, fields, u)
}

func (windowsAdapter) CreateGroup() (int64, error) {
	return 0, notSupported("create group", "Windows has no process groups of this kind")
}

func (windowsAdapter) KillGroup(int64, int32) error {
	return notSupported("kill group", "Windows has no process groups of this kind")
}

func (windowsAdapter) ResetSignal(int32) error {
	return notSupported("reset signal", "Windows has no signals")
}

func (windowsAdapter) Offers(option Option) error {
	return notSupported("find option", "option %d of jobs in this version", int32(option))
}

func (windowsAdapter) Descendants(int64, bool) ([]int64, error) {
	return nil, notSupported("list processes", "trees of processes in this version")
}

func (windowsAdapter) KillTree(int64) error {
	return notSupported("kill tree", "trees of processes in this version")
}

func (windowsAdapter) Start(*Command) (Child, error) {
	return nil, notSupported("start job", "jobs are not available on Windows in this version")
}

func usableCPUs() uint32 { return uint32(runtime.NumCPU()) }

// statusOf is the status that a Win32 error code stands for.
func statusOf(code syscall.Errno) Status {
	switch code {
	case 0:
		return StatusOK
	case windows.ERROR_ACCESS_DENIED, windows.ERROR_PRIVILEGE_NOT_HELD:
		return StatusEPERM
	case windows.ERROR_FILE_NOT_FOUND, windows.ERROR_PATH_NOT_FOUND:
		return StatusENOENT
	case windows.ERROR_INVALID_PARAMETER:
		return StatusEINVAL
	case windows.ERROR_NOT_ENOUGH_MEMORY, windows.ERROR_OUTOFMEMORY, windows.ERROR_TOO_MANY_OPEN_FILES:
		return StatusENOMEM
	case windows.ERROR_NOT_SUPPORTED, windows.ERROR_CALL_NOT_IMPLEMENTED:
		return StatusENOTSUP
	case windows.WAIT_TIMEOUT:
		return StatusETIMEDOUT
	}
	return StatusEOS
}

// restoreFileLimit has nothing to do: the limit that was is not known here.
func restoreFileLimit(func() (soft, hard uint64)) {}

func nativeWithoutGroups() Adapter { return native }
