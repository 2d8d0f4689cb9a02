package core

import "libmimir/core/internal/cgroup"

// SystemUsage reads what /proc tells of the system; a file that this kernel or container does not show is left out.
func (a *unixAdapter) SystemUsage() (SystemUsage, error) {
	system, err := a.proc.System()
	if err != nil {
		return SystemUsage{}, OSError(err, "read /proc/stat", "")
	}
	memory, err := a.proc.Meminfo()
	if err != nil {
		return SystemUsage{}, OSError(err, "read /proc/meminfo", "")
	}
	fields := SystemUsageCPU | SystemUsageQueue | SystemUsageMemory | SystemUsageSwap | SystemUsageCommit
	u := SystemUsage{
		RunQueue: system.Running, UserTimeNs: system.User * tick, SystemTimeNs: system.Kernel * tick, IdleTimeNs: system.IdleTime * tick,
		TotalMemoryBytes: memory.Total, AvailableMemoryBytes: memory.Available,
		SwapTotalBytes: memory.SwapTotal, SwapUsedBytes: memory.SwapTotal - min(memory.SwapFree, memory.SwapTotal),
		CommittedBytes: memory.Committed, CommitLimitBytes: memory.CommitLimit,
	}
	if faults, err := a.proc.MajorFaults(); err == nil {
		u.PageIns = faults
		fields |= SystemUsagePaging
	}
	if threads, err := a.proc.Threads(); err == nil {
		u.Threads = uint32(threads)
		fields |= SystemUsageThreads
	}
	a.proc.EachPID(func(int) bool {
		u.Processes++
		return true
	})
	if u.Processes > 0 {
		fields |= SystemUsageProcesses
	}
	u.Fields = uint32(fields)
	return u, nil
}

func (a *unixAdapter) Container() (Container, error) {
	around := cgroup.Around(a.files)
	c := Container{
		MemoryLimitBytes: around.MemoryBytes, MemoryUsageBytes: around.MemoryUsed, CPURateLimit: around.CPUMillis,
		ProcessLimit: around.Processes,
	}
	if min(c.MemoryLimitBytes, c.CPURateLimit, c.ProcessLimit) != Unlimited {
		c.Kind = ContainerControlGroup
	}
	return c, nil
}
