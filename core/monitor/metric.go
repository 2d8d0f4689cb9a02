package monitor

import "libmimir/core"

// Metric is one number of a sample.
//
//mimir:enum mimir_metric MIMIR_METRIC_ strip=Metric
type Metric int32

const (
	// MetricCPUPercent is the CPU time between two samples, in per cent: mimir_sample.cpu_percent.
	MetricCPUPercent Metric = 0
	// MetricCPUTimeNs is the CPU time since the start: mimir_sample.cpu_time_ns.
	MetricCPUTimeNs Metric = 1
	// MetricMemoryBytes is the memory in use: mimir_sample.memory_bytes.
	MetricMemoryBytes Metric = 2
	// MetricMemoryPercent is the same in per cent of what there is: mimir_sample.memory_percent.
	MetricMemoryPercent Metric = 3
	// MetricVirtualBytes is the mapped address space, of a process or a job: mimir_sample.virtual_bytes.
	MetricVirtualBytes Metric = 4
	// MetricSwapBytes is the swap space in use, of the system: mimir_sample.swap_bytes.
	MetricSwapBytes Metric = 5
	// MetricThreads is the number of threads: mimir_sample.threads.
	MetricThreads Metric = 6
	// MetricDescriptors is the number of open descriptors, of a process: mimir_sample.descriptors.
	MetricDescriptors Metric = 7
	// MetricProcesses is the number of processes, of a job or the system: mimir_sample.processes.
	MetricProcesses Metric = 8
	// MetricRunQueue is how many threads want to run, of the system: mimir_sample.run_queue.
	MetricRunQueue Metric = 9
)

const metricEnd = MetricRunQueue + 1

func checkMetric(m Metric) error {
	if m < 0 || m >= metricEnd {
		return core.Errorf(core.StatusEINVAL, "check metric", "%d is not a metric", int32(m))
	}
	return nil
}

// Sample is one reading of a monitor. The readings of a process, of a job and of the system have the same fields; those that
// were not made are 0.
//
//mimir:struct mimir_sample
type Sample struct {
	// Fields says which of the readings below were made: bit n (1 << n) stands for the mimir_metric of that number.
	Fields uint32
	// Number counts the monitor's samples from 1. A number that is missing is a reading that failed, or that came too late.
	Number uint64
	// TimeNs is when it was made: nanoseconds since 1970, by the system's clock.
	TimeNs uint64
	// ElapsedNs is how long after the monitor's first sample, by a clock that nobody sets.
	ElapsedNs uint64
	// CPUPercent is CPU time since the sample before: of a process or a job, 100 for each CPU that was used all the time; of the
	// system, 100 for all CPUs. The first sample has none.
	CPUPercent float64
	// CPUTimeNs is user and system CPU time, since the process or job was started, or the system.
	CPUTimeNs uint64
	// MemoryBytes is the memory in use: of a process, its resident memory; of a job, that of its processes added up; of the
	// system, all that is not available to programs (total_memory_bytes less available_memory_bytes).
	MemoryBytes uint64
	// MemoryPercent is MemoryBytes as a percentage of what there is: of a process, the system's memory, or what its container
	// may take, if that is less (both as they were when the monitor was made); of a job, its memory limit, or without one as
	// of a process; of the system, its memory.
	MemoryPercent float64
	// VirtualBytes is the mapped address space.
	VirtualBytes uint64
	// SwapBytes is the swap space in use.
	SwapBytes uint64
	// Threads is the number of threads.
	Threads uint32
	// Descriptors is the number of open descriptors (handles on Windows).
	Descriptors uint32
	// Processes is the number of processes, of a job of those that are its own.
	Processes uint32
	// RunQueue is how many threads want to run, as in mimir_system_usage.
	RunQueue uint32
}

func (s *Sample) mark(m Metric) { s.Fields |= 1 << m }

// Value is a metric of the sample, and whether it was read.
func (s *Sample) Value(m Metric) (value float64, read bool) {
	if checkMetric(m) != nil || s.Fields&(1<<m) == 0 {
		return 0, false
	}
	switch m {
	case MetricCPUPercent:
		value = s.CPUPercent
	case MetricCPUTimeNs:
		value = float64(s.CPUTimeNs)
	case MetricMemoryBytes:
		value = float64(s.MemoryBytes)
	case MetricMemoryPercent:
		value = s.MemoryPercent
	case MetricVirtualBytes:
		value = float64(s.VirtualBytes)
	case MetricSwapBytes:
		value = float64(s.SwapBytes)
	case MetricThreads:
		value = float64(s.Threads)
	case MetricDescriptors:
		value = float64(s.Descriptors)
	case MetricProcesses:
		value = float64(s.Processes)
	case MetricRunQueue:
		value = float64(s.RunQueue)
	}
	return value, true
}
