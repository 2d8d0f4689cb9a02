package core

import (
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/windows"

	"libmimir/core/internal/jobobject"
	"libmimir/core/internal/winproc"
)

func (windowsAdapter) Supports(limit Limit, scope Scope) Enforcement {
	return SupportOn(PlatformWindows, limit).On(scope)
}

// limitedProcess is a process that was put into a job object of its own, so that it can have limits. The kernel knows one value
// of each: how far it may be raised is remembered here.
type limitedProcess struct {
	job     jobobject.Job
	process windows.Handle // keeps the id from being given out again
	values  map[Limit]kernelLimit
}

// limitedProcesses are the processes in jobs of this library's making that are not commands of jobs, by id.
var limitedProcesses = struct {
	sync.Mutex
	byID map[int64]*limitedProcess
}{byID: map[int64]*limitedProcess{}}

// ownJobName is the name of a process's own job object, by which other processes, and other copies of the library, find it.
func ownJobName(pid int64, created uint64) string {
	return fmt.Sprintf(`Local\libmimir.process.%d.%x`, pid, created)
}

// outerLimits are those of the job that the caller runs in, before it is in one of this library's making: a host's, or in a
// Windows container the container's. Without a job there are none.
var outerLimits = sync.OnceValue(func() jobobject.Limits {
	limits, err := (jobobject.Job{}).Limits()
	if err != nil {
		return jobobject.Limits{}
	}
	return limits
})

// findLimited is the process's record, nil without one. Records of processes that have ended are dropped. The caller holds the lock.
func findLimited(pid int64) *limitedProcess {
	for id, p := range limitedProcesses.byID {
		if p.process != windows.CurrentProcess() && winproc.Ended(p.process) {
			p.job.Close()
			_ = windows.CloseHandle(p.process)
			delete(limitedProcesses.byID, id)
		}
	}
	return limitedProcesses.byID[pid]
}

// joinOwnJob puts a process into a job of its own, inside of the one that it may be in, with limits that are set before.
func joinOwnJob(pid int64, limits *jobobject.Limits) (*limitedProcess, error) {
	_ = outerLimits()
	const access = windows.PROCESS_SET_QUOTA | windows.PROCESS_TERMINATE | windows.PROCESS_QUERY_LIMITED_INFORMATION
	process, err := openOrSelf(pid, access)
	if err != nil {
		return nil, err
	}
	p := &limitedProcess{process: process, values: map[Limit]kernelLimit{}}
	times, err := winproc.ReadTimes(process)
	if err == nil {
		p.job, err = jobobject.New(ownJobName(pid, times.Created))
	}
	if err != nil {
		closeUnlessSelf(p.process)
		return nil, processError(err, pid)
	}
	if err = p.job.SetLimits(limits); err == nil && !p.job.Has(process) {
		err = p.job.Assign(process)
	}
	if err != nil {
		p.job.Close()
		closeUnlessSelf(p.process)
		return nil, windowsError(err, "process %d", pid)
	}
	limitedProcesses.byID[pid] = p
	return p, nil
}

func ownPID() int64 { return int64(windows.GetCurrentProcessId()) }

// checkProcessLimit fails for a limit that a running process cannot have, and gives the process's id.
func (a windowsAdapter) checkProcessLimit(pid int64, limit Limit) (int64, error) {
	if !limit.Known() {
		return 0, unknownLimit(limit)
	}
	if err := checkPID(pid); err != nil {
		return 0, err
	}
	if a.Supports(limit, ScopeProcess) == EnforcementNone {
		if a.Supports(limit, ScopeJob) != EnforcementNone {
			return 0, notSupported("find limit", "%s is a limit of jobs: a running process cannot have it", limit)
		}
		return 0, notSupported("find limit", "Windows has no limit of %s", limit)
	}
	if pid == 0 {
		pid = ownPID()
	}
	return pid, nil
}

func (a windowsAdapter) Limit(pid int64, limit Limit) (LimitValue, error) {
	pid, err := a.checkProcessLimit(pid, limit)
	if err != nil {
		return LimitValue{}, err
	}
	limitedProcesses.Lock()
	defer limitedProcesses.Unlock()
	value, err := presentLimit(pid, limit)
	return LimitValue{Soft: value.soft, Hard: value.hard, Enforcement: EnforcementKernel}, err
}

// presentLimit is a limit as it stands. Where this library has not set it, the job that the caller runs in may have; another
// process's job cannot be asked. The caller holds the lock.
func presentLimit(pid int64, limit Limit) (kernelLimit, error) {
	if p := findLimited(pid); p != nil {
		if value, known := p.values[limit]; known {
			return value, nil
		}
	}
	if pid == ownPID() {
		outer := outerLimits()
		value := fromJobLimits(limit, &outer)
		return kernelLimit{value, value}, nil
	}
	process, err := openLiving(pid, windows.PROCESS_QUERY_LIMITED_INFORMATION)
	if err != nil {
		return kernelLimit{}, err
	}
	defer windows.CloseHandle(process)
	value := Unlimited
	if times, err := winproc.ReadTimes(process); err == nil {
		if job, err := jobobject.Open(ownJobName(pid, times.Created), jobobject.AccessQuery); err == nil {
			defer job.Close()
			if present, err := job.Limits(); err == nil {
				value = fromJobLimits(limit, &present)
			}
		}
	}
	return kernelLimit{value, value}, nil
}

// fromJobLimits is what a job's limits mean for a process in it.
func fromJobLimits(limit Limit, l *jobobject.Limits) uint64 {
	value := Unlimited
	least := func(v uint64) {
		if v != 0 {
			value = min(value, v)
		}
	}
	switch limit {
	case LimitMemory:
		least(l.ProcessMemory)
		least(l.JobMemory)
	case LimitCPUTime:
		least(uint64(l.ProcessTime))
	case LimitProcesses:
		least(uint64(l.Processes))
	case LimitCPURate:
		least(fromCPURate(l.CPURate))
	}
	return value
}

func (a windowsAdapter) SetLimit(pid int64, limit Limit, soft, hard uint64) (Enforcement, error) {
	pid, err := a.checkProcessLimit(pid, limit)
	if err != nil {
		return EnforcementNone, err
	}
	if soft > hard {
		return EnforcementNone, Errorf(StatusEINVAL, "check limit", "%s: soft limit %s is above hard limit %s", limit,
			Amount(limit, soft), Amount(limit, hard))
	}
	limitedProcesses.Lock()
	defer limitedProcesses.Unlock()
	present, err := presentLimit(pid, limit)
	if err != nil {
		return EnforcementNone, err
	}
	if hard > present.hard {
		return EnforcementNone, Errorf(StatusELIMIT, "check limit", "%s: %s was asked, the hard limit allows %s", limit,
			Amount(limit, hard), Amount(limit, present.hard))
	}
	wanted := kernelLimit{soft, hard}
	p := findLimited(pid)
	if p == nil && wanted == present {
		return EnforcementKernel, nil // nothing to keep
	}
	values := map[Limit]kernelLimit{}
	if p != nil {
		for l, v := range p.values {
			values[l] = v
		}
	}
	values[limit] = wanted
	limits := processLimits(values, pid == ownPID())
	if p == nil {
		if p, err = joinOwnJob(pid, limits); err != nil {
			return EnforcementNone, err
		}
	} else if err := p.job.SetLimits(limits); err != nil {
		return EnforcementNone, windowsError(err, "%s of process %d", limit, pid)
	}
	p.values = values
	return EnforcementKernel, nil
}

// processLimits are the limits of a process's own job. As with setrlimit, each process that it starts has the same.
func processLimits(values map[Limit]kernelLimit, own bool) *jobobject.Limits {
	l := &jobobject.Limits{}
	if v, set := values[LimitMemory]; set && v.soft != Unlimited {
		l.ProcessMemory = v.soft
		if own {
			l.ProcessMemory = withReserve(LimitMemory, v.soft)
		}
		l.ProcessMemory = atLeastAPage(l.ProcessMemory)
	}
	if v, set := values[LimitCPUTime]; set && v.soft != Unlimited {
		l.ProcessTime = toDuration(v.soft)
	}
	if v, set := values[LimitProcesses]; set && v.soft != Unlimited {
		l.Processes = toCount(v.soft)
	}
	if v, set := values[LimitCPURate]; set && v.soft != Unlimited {
		l.CPURate = toCPURate(v.soft)
	}
	return l
}

// atLeastAPage: the kernel refuses less, and less means the same.
func atLeastAPage(bytes uint64) uint64 { return max(bytes, 4096) }

// toDuration turns nanoseconds into a time that is not none.
func toDuration(ns uint64) time.Duration { return time.Duration(min(max(ns, 100), 1<<62)) }

// toCount turns a number of processes into one that is not none: the first counts.
func toCount(n uint64) uint32 { return uint32(min(max(n, 1), 1<<31)) }

// The kernel counts CPU in ten-thousandths of all CPUs, the library in thousandths of one.

func toCPURate(thousandths uint64) uint32 {
	all := uint64(logicalCPUs()) * 1000
	return uint32(max(min(thousandths, all)*10_000/all, 1))
}

func fromCPURate(rate uint32) uint64 { return uint64(rate) * uint64(logicalCPUs()) / 10 }
