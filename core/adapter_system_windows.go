package core

import (
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"

	"libmimir/core/internal/around"
	"libmimir/core/internal/jobobject"
	"libmimir/core/internal/pdh"
	"libmimir/core/internal/win32"
)

// The performance counters that tell what no function does.
const (
	queueCounter     = `\System\Processor Queue Length` // a number
	pageReadsCounter = `\Memory\Page Reads/sec`         // counted from the start on
	pagingCounter    = `\Paging File(_Total)\% Usage`   // pages of how many pages
)

var systemCounters = pdh.New(queueCounter, pageReadsCounter, pagingCounter)

func (windowsAdapter) SystemUsage() (SystemUsage, error) {
	idle, kernel, user, err := win32.SystemTimes()
	if err != nil {
		return SystemUsage{}, windowsError(err, "")
	}
	memory, err := win32.SystemMemory()
	if err != nil {
		return SystemUsage{}, windowsError(err, "")
	}
	const tick = 100 // nanoseconds
	fields := SystemUsageCPU | SystemUsageMemory
	u := SystemUsage{
		UserTimeNs: user * tick, SystemTimeNs: (kernel - min(idle, kernel)) * tick, IdleTimeNs: idle * tick,
		TotalMemoryBytes: memory.TotalPhysical, AvailableMemoryBytes: memory.AvailablePhysical,
	}
	if p, err := win32.ReadPerformance(); err == nil {
		u.CommittedBytes, u.CommitLimitBytes = uint64(p.CommitTotal)*uint64(p.PageSize), uint64(p.CommitLimit)*uint64(p.PageSize)
		u.Processes, u.Threads = p.Processes, p.Threads
		fields |= SystemUsageCommit | SystemUsageProcesses | SystemUsageThreads
	}
	counters, _ := systemCounters.Read()
	fields |= fromCounters(counters, &u)
	u.Fields = uint32(fields)
	return u, nil
}

// fromCounters fills in what performance counters tell, as far as they are there.
func fromCounters(counters map[string]pdh.Value, u *SystemUsage) (fields SystemUsageField) {
	if v, ok := counters[queueCounter]; ok {
		u.RunQueue = uint32(v.First)
		fields |= SystemUsageQueue
	}
	if v, ok := counters[pageReadsCounter]; ok {
		u.PageIns = uint64(v.First)
		fields |= SystemUsagePaging
	}
	if v, ok := counters[pagingCounter]; ok {
		page := uint64(os.Getpagesize())
		u.SwapUsedBytes, u.SwapTotalBytes = uint64(v.First)*page, uint64(v.Second)*page
		fields |= SystemUsageSwap
	}
	return fields
}

// containerKey is where Windows writes down in a container's registry that it is one, in the value ContainerType.
const containerKey = `SYSTEM\CurrentControlSet\Control`

func (windowsAdapter) Container() (Container, error) {
	limitedProcesses.Lock()
	own := findLimited(ownPID()) != nil
	limitedProcesses.Unlock()
	c := Container{MemoryUsageBytes: Unlimited}
	limits := outerLimits()
	if inJob, err := win32.IsProcessInJob(windows.CurrentProcess(), 0); err == nil && inJob && !own {
		c.Kind = ContainerJobObject
		if now, err := (jobobject.Job{}).Limits(); err == nil {
			limits = now
		}
		if used, err := (jobobject.Job{}).Memory(); err == nil {
			c.MemoryUsageBytes = used
		}
	}
	c.MemoryLimitBytes = fromJobLimits(LimitMemory, &limits)
	c.CPURateLimit = fromJobLimits(LimitCPURate, &limits)
	c.ProcessLimit = fromJobLimits(LimitProcesses, &limits)
	if own && limits != (jobobject.Limits{}) {
		c.Kind = ContainerJobObject
	}
	if inWindowsContainer() {
		c.Kind = ContainerWindows
	}
	return c, nil
}

// saysContainer looks for the value by which a container's registry says what it is.
func saysContainer(root registry.Key, path string) bool {
	key, err := registry.OpenKey(root, path, registry.QUERY_VALUE|registry.WOW64_64KEY)
	if err != nil {
		return false
	}
	defer key.Close()
	kind, _, err := key.GetIntegerValue("ContainerType")
	return err == nil && kind != 0
}

// firmwareKey is where Windows keeps what the firmware says.
const firmwareKey = `HARDWARE\DESCRIPTION\System\BIOS`

var surroundings = sync.OnceValue(func() around.Facts {
	hostname, _ := os.Hostname() // without it a pod has no name
	e := around.Evidence{Getenv: hostVariable, Hostname: hostname}
	if key, err := registry.OpenKey(registry.LOCAL_MACHINE, firmwareKey, registry.QUERY_VALUE|registry.WOW64_64KEY); err == nil {
		defer key.Close()
		said := func(name string) string {
			text, _, _ := key.GetStringValue(name) // without it nothing is said
			return strings.TrimSpace(text)
		}
		e.Firmware = around.Firmware{
			Vendor: said("SystemManufacturer"), Product: said("SystemProductName"), BIOSVendor: said("BIOSVendor"),
			BIOSVersion: said("BIOSVersion"),
		}
	}
	found := around.Look(&e)
	if inWindowsContainer() {
		found.Runtime = "windows"
	}
	return found
})

// ContainerText looks around on its first call: what is there stays as it is.
func (windowsAdapter) ContainerText(item ContainerText) (string, error) {
	found := surroundings()
	return containerText(&found, item)
}

func inWindowsContainer() bool {
	return (jobobject.Job{}).IsServerSilo() || saysContainer(registry.LOCAL_MACHINE, containerKey)
}
