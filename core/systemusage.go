package core

// SystemUsageField selects groups of readings of the system.
//
//mimir:flags mimir_system_usage_field MIMIR_SYSTEM_USAGE_ strip=SystemUsage
type SystemUsageField uint32

const (
	// SystemUsageCPU stands for UserTimeNs, SystemTimeNs and IdleTimeNs.
	SystemUsageCPU SystemUsageField = 1
	// SystemUsageMemory stands for TotalMemoryBytes and AvailableMemoryBytes.
	SystemUsageMemory SystemUsageField = 2
	// SystemUsageSwap stands for SwapTotalBytes and SwapUsedBytes.
	SystemUsageSwap SystemUsageField = 4
	// SystemUsageCommit stands for CommittedBytes and CommitLimitBytes.
	SystemUsageCommit SystemUsageField = 8
	// SystemUsagePaging stands for PageIns.
	SystemUsagePaging SystemUsageField = 16
	// SystemUsageQueue stands for RunQueue.
	SystemUsageQueue SystemUsageField = 32
	// SystemUsageProcesses stands for Processes.
	SystemUsageProcesses SystemUsageField = 64
	// SystemUsageThreads stands for Threads.
	SystemUsageThreads SystemUsageField = 128
)

// SystemUsage is what the system as a whole does now. Times and PageIns count from its start on: the difference of two readings
// tells what was between them.
//
//mimir:struct mimir_system_usage
type SystemUsage struct {
	// Fields says which of the readings below were made, a sum of SystemUsageField bits; the others are 0.
	Fields uint32
	// UserTimeNs is CPU time in user mode of all CPUs together, in nanoseconds. Linux: user and nice of /proc/stat. macOS:
	// HOST_CPU_LOAD_INFO. Both in steps of 10 ms. Windows: GetSystemTimes.
	UserTimeNs uint64
	// SystemTimeNs is CPU time in the kernel, interrupts included, from the same source.
	SystemTimeNs uint64
	// IdleTimeNs is time in which CPUs had nothing to do, waits for disks included, from the same source.
	IdleTimeNs uint64
	// TotalMemoryBytes is the physical memory of the system.
	TotalMemoryBytes uint64
	// AvailableMemoryBytes is memory that can be given to programs without swapping. Linux: MemAvailable of /proc/meminfo.
	// macOS: free and inactive pages. Windows: GlobalMemoryStatusEx.
	AvailableMemoryBytes uint64
	// SwapTotalBytes is the size of the swap space. Linux: SwapTotal of /proc/meminfo. macOS: the sysctl vm.swapusage. Windows:
	// of all paging files, the performance counter Paging File(_Total)\% Usage.
	SwapTotalBytes uint64
	// SwapUsedBytes is how much of it is in use, from the same source.
	SwapUsedBytes uint64
	// CommittedBytes is memory that was promised to programs. Linux: Committed_AS of /proc/meminfo. Windows:
	// GetPerformanceInfo.
	CommittedBytes uint64
	// CommitLimitBytes is how much can be promised; Linux keeps to it where vm.overcommit_memory is 2 alone. From the same
	// source.
	CommitLimitBytes uint64
	// PageIns is how often something had to be read from a disk for a page that was missing. Linux: pgmajfault of
	// /proc/vmstat. macOS: pageins of vm_statistics64, in pages. Windows: the performance counter Memory\Page Reads/sec, whose
	// count begins anew at 2^32.
	PageIns uint64
	// Processes is the number of processes.
	Processes uint32
	// Threads is the number of threads. Linux: the fourth field of /proc/loadavg.
	Threads uint32
	// RunQueue is how many threads want to run. Linux: procs_running of /proc/stat, those that run included. Windows: the
	// performance counter System\Processor Queue Length, those that run not included.
	RunQueue uint32
	_        uint32
}
