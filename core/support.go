package core

// Support is how strongly a limit is kept on each scope, for a user without privileges.
type Support struct{ Self, Process, Job Enforcement }

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
var supported = map[Platform]map[Limit]Support{
	PlatformLinux: {
		LimitMemory:       {EnforcementKernel, EnforcementKernel, EnforcementWatchdog},
		LimitAddressSpace: {EnforcementKernel, EnforcementKernel, EnforcementKernel},
		LimitCPUTime:      {EnforcementKernel, EnforcementKernel, EnforcementKernel},
		LimitWallTime:     {Job: EnforcementWatchdog},
		LimitProcesses:    {EnforcementKernelPerUser, EnforcementKernelPerUser, EnforcementWatchdog},
		LimitOpenFiles:    {EnforcementKernel, EnforcementKernel, EnforcementKernel},
		LimitFileSize:     {EnforcementKernel, EnforcementKernel, EnforcementKernel},
		LimitOutput:       {Job: EnforcementWatchdog},
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
		LimitMemory:    {EnforcementKernel, EnforcementKernel, EnforcementKernel},
		LimitCPUTime:   {EnforcementKernel, EnforcementKernel, EnforcementKernel},
		LimitWallTime:  {Job: EnforcementWatchdog},
		LimitProcesses: {EnforcementKernel, EnforcementKernel, EnforcementKernel},
		LimitOutput:    {Job: EnforcementWatchdog},
		LimitCPURate:   {EnforcementKernel, EnforcementKernel, EnforcementKernel},
	},
}

// SupportOn is how strongly a platform keeps a limit, for a user without privileges and on a machine without what a platform
// has only in places.
func SupportOn(platform Platform, limit Limit) Support { return supported[platform][limit] }

// maxrssBytes is ru_maxrss of struct rusage in bytes: macOS counts bytes, every other system KiB.
func maxrssBytes(platform Platform, maxrss int64) uint64 {
	if platform == PlatformMacos {
		return uint64(maxrss)
	}
	return uint64(maxrss) << 10
}
