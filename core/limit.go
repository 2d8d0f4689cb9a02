package core

import (
	"math"
	"strconv"
)

// Unlimited stands for "no limit" wherever a limit is given or answered. Zero is a limit of zero.
//
//mimir:const MIMIR_UNLIMITED
const Unlimited uint64 = math.MaxUint64

// Limit names a resource that can be limited. The unit of its value is part of its description.
//
//mimir:enum mimir_limit MIMIR_LIMIT_ strip=Limit
type Limit int32

const (
	// LimitMemory is memory in bytes: private writable memory (RLIMIT_DATA) on Linux for a running process, resident
	// memory for a job. Windows: commit, of each process for a running process, of all together for a job.
	LimitMemory Limit = 1
	// LimitAddressSpace is virtual address space in bytes (RLIMIT_AS).
	LimitAddressSpace Limit = 2
	// LimitCPUTime is CPU time in nanoseconds. RLIMIT_CPU, which keeps it for one process, counts whole seconds: the limit
	// is rounded up to the next. Windows: time in user mode for a running process.
	LimitCPUTime Limit = 3
	// LimitWallTime is elapsed time in nanoseconds. Jobs only.
	LimitWallTime Limit = 4
	// LimitProcesses is a number of processes: of the user, threads included, for a running process (RLIMIT_NPROC); of
	// the job's tree for a job. Windows: of the process and what it starts.
	LimitProcesses Limit = 5
	// LimitOpenFiles is a number of open descriptors of one process (RLIMIT_NOFILE).
	LimitOpenFiles Limit = 6
	// LimitFileSize is the size in bytes to which one file can be written (RLIMIT_FSIZE).
	LimitFileSize Limit = 7
	// LimitOutput is the number of bytes that a job may write to its standard output and error together. Jobs only.
	LimitOutput Limit = 8
	// LimitCPURate is how much CPU may be used at a time, in thousandths of one CPU: 1500 is one and a half. Jobs only,
	// but on Windows, where a running process can have it with what it starts.
	LimitCPURate Limit = 9
)

// Limits lists every limit, in the order of their numbers.
var Limits = []Limit{
	LimitMemory, LimitAddressSpace, LimitCPUTime, LimitWallTime, LimitProcesses, LimitOpenFiles, LimitFileSize, LimitOutput,
	LimitCPURate,
}

// limitEnd is the length of tables by limit.
const limitEnd = LimitCPURate + 1

var limitNames = [limitEnd]string{
	LimitMemory:       "memory",
	LimitAddressSpace: "address space",
	LimitCPUTime:      "CPU time",
	LimitWallTime:     "wall time",
	LimitProcesses:    "processes",
	LimitOpenFiles:    "open files",
	LimitFileSize:     "file size",
	LimitOutput:       "output",
	LimitCPURate:      "CPU rate",
}

// String is the limit's name in plain words.
func (l Limit) String() string {
	if l.Known() {
		return limitNames[l]
	}
	return "unknown limit"
}

// Known reports whether l is a limit of this version.
func (l Limit) Known() bool { return l > 0 && l < limitEnd }

// Enforcement says how strongly a limit is kept.
//
//mimir:enum mimir_enforcement MIMIR_ENFORCEMENT_ strip=Enforcement
type Enforcement int32

const (
	// EnforcementNone means that it is not possible here.
	EnforcementNone Enforcement = 0
	// EnforcementKernel means that the operating system refuses or ends the offender.
	EnforcementKernel Enforcement = 1
	// EnforcementKernelPerUser means that the operating system counts all processes of the user, not only this one's.
	EnforcementKernelPerUser Enforcement = 2
	// EnforcementWatchdog means that libmimir samples and ends the offender: a burst between two samples can pass.
	EnforcementWatchdog Enforcement = 3
	// EnforcementAdvisory means that the operating system accepts the limit and ignores it, or exempts this user from it.
	EnforcementAdvisory Enforcement = 4
)

var enforcementNames = map[Enforcement]string{
	EnforcementNone:          "none",
	EnforcementKernel:        "kernel",
	EnforcementKernelPerUser: "kernel-per-user",
	EnforcementWatchdog:      "watchdog",
	EnforcementAdvisory:      "advisory",
}

// String is the enforcement's name as the documentation writes it.
func (e Enforcement) String() string {
	if name, ok := enforcementNames[e]; ok {
		return name
	}
	return "unknown enforcement"
}

// Scope is what a limit is set on.
//
//mimir:enum mimir_scope MIMIR_SCOPE_ strip=Scope
type Scope int32

const (
	// ScopeSelf is the calling process.
	ScopeSelf Scope = 1
	// ScopeProcess is another process that already runs.
	ScopeProcess Scope = 2
	// ScopeJob is a command that libmimir starts.
	ScopeJob Scope = 3
)

// LimitValue is a limit as it stands: the soft one is in force, the hard one is as far as the soft one can be raised.
type LimitValue struct {
	Soft, Hard  uint64
	Enforcement Enforcement
}

// Amount writes a limit's value for a person: bytes and times with their unit.
func Amount(limit Limit, value uint64) string {
	switch {
	case value == Unlimited:
		return "unlimited"
	case limit == LimitCPUTime || limit == LimitWallTime:
		return strconv.FormatFloat(float64(value)/1e9, 'f', -1, 64) + " s"
	case limit == LimitCPURate:
		return strconv.FormatFloat(float64(value)/1000, 'f', -1, 64) + " CPUs"
	case limit == LimitProcesses || limit == LimitOpenFiles:
		return strconv.FormatUint(value, 10)
	}
	return strconv.FormatUint(value, 10) + " bytes"
}
