//go:build !linux && !windows && !darwin

package core

import (
	"errors"
	"strings"

	"github.com/shirou/gopsutil/v3/cpu"
	"github.com/shirou/gopsutil/v3/host"
	"github.com/shirou/gopsutil/v3/mem"
	"github.com/shirou/gopsutil/v3/process"
)

// What gopsutil reads on the platforms whose adapter does not read it itself.

func systemFacts(platform Platform, pageSize int) (SystemFacts, error) {
	memory, err := mem.VirtualMemory()
	if err != nil {
		return SystemFacts{}, OSError(err, "read the system's memory", "")
	}
	boot, err := host.BootTime()
	if err != nil {
		return SystemFacts{}, OSError(err, "read the boot time", "")
	}
	cpus, err := cpu.Counts(true)
	if err != nil {
		return SystemFacts{}, OSError(err, "count the CPUs", "")
	}
	return SystemFacts{
		Platform: platform, LogicalCPUCount: uint32(cpus), UsableCPUCount: usableCPUs(), PageSizeBytes: uint64(pageSize),
		TotalMemoryBytes: memory.Total, AvailableMemoryBytes: memory.Available, BootTimeSeconds: boot,
	}, nil
}

func distribution() (string, error) {
	name, _, version, err := host.PlatformInformation()
	if err != nil {
		return "", OSError(err, "read the system's name", "")
	}
	return strings.TrimSpace(name + " " + version), nil
}

// processUsage reads what gopsutil gives; a reading that it refuses is left out, and the process must exist.
func processUsage(pid int64, fields UsageField, u *Usage) error {
	*u = Usage{}
	p, err := process.NewProcess(int32(pid))
	if errors.Is(err, process.ErrorProcessNotRunning) {
		return &Error{Status: StatusESRCH, Step: "open process", Text: noProcess(pid)}
	}
	if err != nil {
		return OSError(err, "open process", "process %d", pid)
	}
	var failed error
	read := func(field UsageField, from func() error) {
		if fields&field == 0 {
			return
		}
		if err := from(); err != nil {
			failed = err
			return
		}
		u.Fields |= uint32(field)
	}
	read(UsageMemory, func() error {
		m, err := p.MemoryInfo()
		if err == nil {
			u.ResidentBytes, u.VirtualBytes, u.PeakResidentBytes = m.RSS, m.VMS, max(m.HWM, m.RSS)
		}
		return err
	})
	read(UsageCPU, func() error {
		t, err := p.Times()
		if err == nil {
			u.UserTimeNs, u.SystemTimeNs = uint64(t.User*1e9), uint64(t.System*1e9)
		}
		return err
	})
	read(UsageThreads, func() error {
		n, err := p.NumThreads()
		u.Threads = uint32(n)
		return err
	})
	read(UsageDescriptors, func() error {
		n, err := p.NumFDs()
		u.Descriptors = uint32(n)
		return err
	})
	if u.Fields == 0 {
		return OSError(failed, "read process", "process %d", pid)
	}
	return nil
}
