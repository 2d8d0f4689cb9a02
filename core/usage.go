package core

// UsageField selects readings of a process. Readings cost system calls: ask for what is needed.
//
//mimir:flags mimir_usage_field MIMIR_USAGE_ strip=Usage
type UsageField uint32

const (
	// UsageMemory selects resident, peak resident and virtual memory.
	UsageMemory UsageField = 1
	// UsageCPU selects user and system CPU time.
	UsageCPU UsageField = 2
	// UsageThreads selects the number of threads.
	UsageThreads UsageField = 4
	// UsageDescriptors selects the number of open descriptors (handles on Windows).
	UsageDescriptors UsageField = 8
	// UsageAll selects everything.
	UsageAll UsageField = 15
)

// Usage is what one process uses.
//
//mimir:struct mimir_usage
type Usage struct {
	// Fields says which of the readings below were made, a sum of UsageField bits.
	Fields uint32
	// ResidentBytes is physical memory in use now. Linux: /proc/<pid>/statm field 2, times the page size. macOS:
	// pti_resident_size of PROC_PIDTASKINFO.
	ResidentBytes uint64
	// PeakResidentBytes is the most physical memory that was in use at once. Linux: ru_maxrss for the caller,
	// VmHWM of /proc/<pid>/status for another process. macOS: ru_maxrss for the caller,
	// ri_lifetime_max_phys_footprint of proc_pid_rusage for another process. Windows: PeakWorkingSetSize.
	PeakResidentBytes uint64
	// VirtualBytes is the mapped address space. Linux: /proc/<pid>/statm field 1, times the page size. Windows: VirtualSize,
	// with what is only reserved, which can be terabytes.
	VirtualBytes uint64
	// UserTimeNs is CPU time spent in user mode, in nanoseconds. getrusage for the caller; Linux: field 14 of
	// /proc/<pid>/stat for another process, in steps of a clock tick (10 ms).
	UserTimeNs uint64
	// SystemTimeNs is CPU time spent in the kernel, in nanoseconds, from the same source (field 15).
	SystemTimeNs uint64
	// Threads is the number of threads. Linux: field 20 of /proc/<pid>/stat. macOS: pti_threadnum.
	Threads uint32
	// Descriptors is the number of open descriptors. Linux: entries of /proc/<pid>/fd. macOS:
	// PROC_PIDLISTFDS. Windows: GetProcessHandleCount.
	Descriptors uint32
}

// Measure is the caller's own use held against its budgets: the answer to "how much of what I may use have I used".
//
//mimir:struct mimir_measure
type Measure struct {
	// MemoryLimitExceeded is 1 when a memory limit was given and MemoryBytes is more, else 0.
	MemoryLimitExceeded uint16
	// CPULimitExceeded is 1 when a CPU limit was given and CPUTimeSeconds is more, else 0.
	CPULimitExceeded uint16
	// MemoryBytes is resident memory now.
	MemoryBytes uint64
	// MemoryMB is MemoryBytes in units of 1024 * 1024 bytes.
	MemoryMB float64
	// MemoryPercent is MemoryBytes as a percentage of the memory limit, 0 without one.
	MemoryPercent float64
	// CPUTimeSeconds is user and system CPU time together, all threads, since the process began.
	CPUTimeSeconds float64
	// CPUPercent is CPUTimeSeconds as a percentage of the CPU limit, 0 without one.
	CPUPercent float64
	// PeakMemoryBytes is the most resident memory that was in use at once (ru_maxrss).
	PeakMemoryBytes uint64
}

// MeasureSelf reads the caller's own use and holds it against limits: 0 means that there is no limit. It does not allocate.
func MeasureSelf(memoryLimit, cpuLimitSeconds uint64) (Measure, error) {
	var u Usage
	if err := native.SelfUsage(UsageMemory|UsageCPU, &u); err != nil {
		return Measure{}, err
	}
	return MeasureAgainst(&u, memoryLimit, cpuLimitSeconds), nil
}

// MeasureAgainst holds a reading against limits: 0 means that there is no limit.
func MeasureAgainst(u *Usage, memoryLimit, cpuLimitSeconds uint64) Measure {
	m := Measure{
		MemoryBytes:     u.ResidentBytes,
		MemoryMB:        float64(u.ResidentBytes) / (1 << 20),
		CPUTimeSeconds:  float64(u.UserTimeNs+u.SystemTimeNs) / 1e9,
		PeakMemoryBytes: max(u.PeakResidentBytes, u.ResidentBytes),
	}
	if memoryLimit > 0 {
		m.MemoryPercent = float64(m.MemoryBytes) / float64(memoryLimit) * 100
		if m.MemoryBytes > memoryLimit {
			m.MemoryLimitExceeded = 1
		}
	}
	if cpuLimitSeconds > 0 {
		m.CPUPercent = m.CPUTimeSeconds / float64(cpuLimitSeconds) * 100
		if m.CPUTimeSeconds > float64(cpuLimitSeconds) {
			m.CPULimitExceeded = 1
		}
	}
	return m
}
