package monitor

import (
	"os"

	"libmimir/core"
)

// Target is a kind of what a monitor reads.
//
//mimir:enum mimir_monitor_target MIMIR_MONITOR_ strip=Target
type Target int32

const (
	// TargetProcess is a process, by its id; 0 is the caller.
	TargetProcess Target = 0
	// TargetJob is a job that has been started, by its handle: what mimir_job_usage tells.
	TargetJob Target = 1
	// TargetSystem is the system as a whole; its id is 0.
	TargetSystem Target = 2
)

// Source is what a monitor reads.
type Source interface {
	// Read makes a reading. StatusESRCH means that what is read has ended, and ends the monitor; after any other failure it is
	// read again at the next time.
	Read(*Reading) error
}

// Reading is what a Source reads: the fields of a sample from CPUTimeNs on, and which of them were made.
type Reading struct {
	Sample
	// CPUCapacityNs is what CPUTimeNs is held against for CPUPercent, counted from the same moment; 0 stands for the time that
	// passes.
	CPUCapacityNs uint64
}

// what a reading leaves behind
const (
	perProcessReading = 3 << 10
	perSystemReading  = 96 << 10
)

// processSource knows another process by its start as well: an id is given out again.
type processSource struct {
	adapter core.Adapter
	pid     int64 // 0 for the caller
	start   uint64
	memory  uint64
}

// Process is the source of a process that runs; pid 0 is the caller.
func Process(a core.Adapter, pid int64) (Source, error) {
	start, err := core.Identify(a, pid)
	if err != nil {
		return nil, err
	}
	memory, err := memoryThereIs(a)
	if err != nil {
		return nil, err
	}
	if pid == int64(os.Getpid()) {
		pid = 0
	}
	return &processSource{a, pid, start, memory}, nil
}

func (p *processSource) Read(r *Reading) error {
	core.Spend(perProcessReading)
	var u core.Usage
	if err := core.ReadUsage(p.adapter, p.pid, core.UsageAll, &u); err != nil {
		return err
	}
	if p.pid != 0 { // it is still there, so it was there all the time
		if start, err := core.Identify(p.adapter, p.pid); err != nil || start != p.start {
			return core.Errorf(core.StatusESRCH, "find process", "process %d has ended", p.pid)
		}
	}
	takeUsage(r, &u, p.memory)
	return nil
}

// memoryThereIs is how much memory a process of the caller's could have.
func memoryThereIs(a core.Adapter) (uint64, error) {
	container, err := core.ReadContainer(a)
	if err == nil {
		return container.UsableMemoryBytes, nil
	}
	facts, err := a.SystemFacts()
	return facts.TotalMemoryBytes, err
}

// Watched is a job that has been started: a job.Job.
type Watched interface {
	Usage() (core.Usage, error)
	// Processes is how many processes it had when Usage was last found out.
	Processes() int
	Limit(core.Limit) uint64
}

type jobSource struct {
	job    Watched
	memory uint64
}

// Job is the source of a job.
func Job(a core.Adapter, job Watched) (Source, error) {
	memory := job.Limit(core.LimitMemory)
	if memory == core.Unlimited {
		var err error
		if memory, err = memoryThereIs(a); err != nil {
			return nil, err
		}
	}
	return &jobSource{job, memory}, nil
}

func (s *jobSource) Read(r *Reading) error {
	u, err := s.job.Usage()
	if err != nil {
		return err
	}
	if u.ResidentBytes > 0 { // else nobody has looked yet: what lives has some
		takeUsage(r, &u, s.memory)
		r.Processes = uint32(s.job.Processes())
		r.mark(MetricProcesses)
	}
	return nil
}

func takeUsage(r *Reading, u *core.Usage, memory uint64) {
	read := core.UsageField(u.Fields)
	if read&core.UsageCPU != 0 {
		r.CPUTimeNs = u.UserTimeNs + u.SystemTimeNs
		r.mark(MetricCPUTimeNs)
	}
	if read&core.UsageMemory != 0 && u.ResidentBytes > 0 { // one that is just ending has none left
		r.takeMemory(u.ResidentBytes, memory)
		r.VirtualBytes = u.VirtualBytes
		r.mark(MetricVirtualBytes)
	}
	if read&core.UsageThreads != 0 {
		r.Threads = u.Threads
		r.mark(MetricThreads)
	}
	if read&core.UsageDescriptors != 0 {
		r.Descriptors = u.Descriptors
		r.mark(MetricDescriptors)
	}
}

func (r *Reading) takeMemory(used, of uint64) {
	r.MemoryBytes = used
	r.mark(MetricMemoryBytes)
	if of > 0 {
		r.MemoryPercent = float64(used) / float64(of) * 100
		r.mark(MetricMemoryPercent)
	}
}

type systemSource struct{ adapter core.Adapter }

// System is the source of the system as a whole.
func System(a core.Adapter) Source { return systemSource{a} }

func (s systemSource) Read(r *Reading) error {
	core.Spend(perSystemReading)
	u, err := s.adapter.SystemUsage()
	if err != nil {
		return err
	}
	read := core.SystemUsageField(u.Fields)
	if read&core.SystemUsageCPU != 0 {
		r.CPUTimeNs = u.UserTimeNs + u.SystemTimeNs
		r.CPUCapacityNs = r.CPUTimeNs + u.IdleTimeNs
		r.mark(MetricCPUTimeNs)
	}
	if read&core.SystemUsageMemory != 0 {
		r.takeMemory(u.TotalMemoryBytes-min(u.AvailableMemoryBytes, u.TotalMemoryBytes), u.TotalMemoryBytes)
	}
	if read&core.SystemUsageSwap != 0 {
		r.SwapBytes = u.SwapUsedBytes
		r.mark(MetricSwapBytes)
	}
	if read&core.SystemUsageThreads != 0 {
		r.Threads = u.Threads
		r.mark(MetricThreads)
	}
	if read&core.SystemUsageProcesses != 0 {
		r.Processes = u.Processes
		r.mark(MetricProcesses)
	}
	if read&core.SystemUsageQueue != 0 {
		r.RunQueue = u.RunQueue
		r.mark(MetricRunQueue)
	}
	return nil
}
