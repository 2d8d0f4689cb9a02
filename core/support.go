package core

// Support is how strongly a limit is kept on each scope, for a user without privileges.
type Support struct {
	Self, Process, Job Enforcement
	// Grouped is that of a job where a control group can be made, EnforcementNone where that changes nothing.
	Grouped Enforcement
}

func everywhere(e Enforcement) Support { return Support{Self: e, Process: e, Job: e} }

// On is the enforcement on a scope.
func (s Support) On(scope Scope) Enforcement {
	switch scope {
	case ScopeSelf:
		return s.Self
	case ScopeProcess:
		return s.Process
	case ScopeJob:
		return s.Job
	}
	return EnforcementNone
}

// supported is what each platform can do. Its adapter answers from here, so that the table can be read on any machine; what
// a single machine adds or lacks, the adapter says.
var supported = map[Platform]*[limitEnd]Support{
	PlatformLinux: {
		LimitMemory:       {EnforcementKernel, EnforcementKernel, EnforcementWatchdog, EnforcementKernel},
		LimitAddressSpace: everywhere(EnforcementKernel),
		LimitCPUTime:      everywhere(EnforcementKernel),
		LimitWallTime:     {Job: EnforcementWatchdog},
		LimitProcesses:    {EnforcementKernelPerUser, EnforcementKernelPerUser, EnforcementWatchdog, EnforcementKernel},
		LimitOpenFiles:    everywhere(EnforcementKernel),
		LimitFileSize:     everywhere(EnforcementKernel),
		LimitOutput:       {Job: EnforcementWatchdog},
		LimitCPURate:      {Grouped: EnforcementKernel},
	},
	// macOS accepts limits of memory and address space and keeps neither, and lets nobody limit another process.
	PlatformMacos: {
		LimitMemory:       {Self: EnforcementAdvisory, Job: EnforcementWatchdog},
		LimitAddressSpace: {Self: EnforcementAdvisory, Job: EnforcementAdvisory},
		LimitCPUTime:      {Self: EnforcementKernel, Job: EnforcementKernel},
		LimitWallTime:     {Job: EnforcementWatchdog},
		LimitProcesses:    {Self: EnforcementKernelPerUser, Job: EnforcementWatchdog},
		LimitOpenFiles:    {Self: EnforcementKernel, Job: EnforcementKernel},
		LimitFileSize:     {Self: EnforcementKernel, Job: EnforcementKernel},
		LimitOutput:       {Job: EnforcementWatchdog},
	},
	// Windows keeps limits by job objects, in which it puts running processes too.
	PlatformWindows: {
		LimitMemory:    everywhere(EnforcementKernel),
		LimitCPUTime:   everywhere(EnforcementKernel),
		LimitWallTime:  {Job: EnforcementWatchdog},
		LimitProcesses: everywhere(EnforcementKernel),
		LimitOutput:    {Job: EnforcementWatchdog},
		LimitCPURate:   everywhere(EnforcementKernel),
	},
}

// SupportOn is how strongly a platform keeps a limit, for a user without privileges and on a machine without what a platform
// has only in places.
func SupportOn(platform Platform, limit Limit) Support {
	table, known := supported[platform]
	if !known || !limit.Known() {
		return Support{}
	}
	return table[limit]
}

// maxrssBytes is ru_maxrss of struct rusage in bytes: macOS counts bytes, every other system KiB.
func maxrssBytes(platform Platform, maxrss int64) uint64 {
	if platform == PlatformMacos {
		return uint64(maxrss)
	}
	return uint64(maxrss) << 10
}
