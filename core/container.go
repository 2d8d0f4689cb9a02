package core

// ContainerKind is what bounds the caller together with other processes.
//
//mimir:enum mimir_container_kind MIMIR_CONTAINER_ strip=Container
type ContainerKind int32

const (
	// ContainerNone means that nothing was found.
	ContainerNone ContainerKind = 0
	// ContainerControlGroup is a Linux control group with a limit, such as those of Docker, Kubernetes and systemd.
	ContainerControlGroup ContainerKind = 1
	// ContainerJobObject is a Windows job object that the caller was started in.
	ContainerJobObject ContainerKind = 2
	// ContainerWindows is a Windows container (a server silo), whose limits are those of its job object.
	ContainerWindows ContainerKind = 3
)

// Container is the limits around the caller that were set by others, and what has been used of them.
//
//mimir:struct mimir_container
type Container struct {
	// Kind is a ContainerKind.
	Kind ContainerKind
	// MemoryLimitBytes is how much memory all together may take, Unlimited without a limit. Linux: the least memory.max
	// (version 1: memory.limit_in_bytes) of the caller's group and those above it. Windows: of commit, the lesser of the job's
	// limits for all its processes and for each.
	MemoryLimitBytes uint64
	// MemoryUsageBytes is how much they take, Unlimited where that is not told. Linux: memory.current
	// (memory.usage_in_bytes) of the group whose limit it is, or the caller's. Windows: JobObjectMemoryUsageInformation.
	MemoryUsageBytes uint64
	// CPURateLimit is how much CPU they may use at a time, in thousandths of one CPU, Unlimited without a limit. Linux: the
	// least cpu.max (cpu.cfs_quota_us). Windows: the job's CPU rate, where it is a hard cap.
	CPURateLimit uint64
	// ProcessLimit is how many processes (Linux: and threads) there may be, Unlimited without a limit. Linux: the least
	// pids.max. Windows: the job's active process limit.
	ProcessLimit uint64
}
