package core

// Reason says which limit or act ended a job. A job that ended by itself, well or badly, has none.
//
//mimir:enum mimir_reason MIMIR_REASON_ strip=Reason
type Reason int32

const (
	// ReasonNone means that the command ended by itself.
	ReasonNone Reason = 0
	// ReasonCPUTime means that it used more CPU time than its limit.
	ReasonCPUTime Reason = 1
	// ReasonWallTime means that it ran longer than its limit.
	ReasonWallTime Reason = 2
	// ReasonMemory means that it used more memory than its limit.
	ReasonMemory Reason = 3
	// ReasonOutput means that it wrote more to its standard output and error than its limit.
	ReasonOutput Reason = 4
	// ReasonFileSize means that it wrote a file larger than its limit.
	ReasonFileSize Reason = 5
	// ReasonProcesses means that it had more processes than its limit.
	ReasonProcesses Reason = 6
	// ReasonKilled means that the caller ended it.
	ReasonKilled Reason = 7
	// ReasonFailed means that it could not be watched to its end: the host reaped the process, or had no memory left to keep
	// its output.
	ReasonFailed Reason = 8
)

var reasonNames = map[Reason]string{
	ReasonNone: "none", ReasonCPUTime: "cputime", ReasonWallTime: "walltime", ReasonMemory: "memory", ReasonOutput: "output",
	ReasonFileSize: "filesize", ReasonProcesses: "processes", ReasonKilled: "killed", ReasonFailed: "failed",
}

// String is the reason's name, as BenchExec writes it.
func (r Reason) String() string {
	if name, ok := reasonNames[r]; ok {
		return name
	}
	return "unknown reason"
}

// Verdict is how a job ended and what it used.
//
//mimir:struct mimir_verdict
type Verdict struct {
	// Reason is the limit or act that ended the job, one of the Reason constants.
	Reason Reason
	// ExitCode is what the command returned; -1 when a signal ended it.
	ExitCode int32
	// Signal is the signal that ended the command, 0 when it returned. Windows: 9 or 15 when the library ended it so.
	Signal int32
	// UserTimeNs and SystemTimeNs are the CPU time of the command and of the descendants that it waited for (wait4), in
	// nanoseconds.
	UserTimeNs uint64
	// SystemTimeNs: see UserTimeNs.
	SystemTimeNs uint64
	// WallTimeNs is the time from the start of the command to the end of its tree, in nanoseconds, by the monotonic clock.
	WallTimeNs uint64
	// PeakMemoryBytes is the most resident memory in use at once: ru_maxrss of wait4 where that is the command's own, else
	// the highest sample (PeakIsSampled). Windows: the most commit of all processes together (PeakJobMemoryUsed), or
	// the highest sample of resident memory where that is more.
	PeakMemoryBytes uint64
	// OutputBytes is how much it wrote to captured or counted standard output and error.
	OutputBytes uint64
	// PeakIsSampled is 1 when PeakMemoryBytes is the highest sample of a short or small command rather than the kernel's
	// own count, and the true peak may be more; else 0. (The kernel's count starts from the caller's own size.) A command that
	// ended within a millisecond may not have been sampled at all: then PeakMemoryBytes is 0.
	PeakIsSampled uint32
	// PeakProcesses is the largest number of processes seen in the job's tree at once; 0 when they were not counted.
	PeakProcesses uint32
}
