package core

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"libmimir/core/internal/around"
	"libmimir/core/internal/cgroup"
	"libmimir/core/internal/procfs"
)

// SystemUsage reads what /proc tells of the system; a file that this kernel or container does not show is left out.
func (a *unixAdapter) SystemUsage() (SystemUsage, error) {
	system, err := a.proc.System()
	if err != nil {
		return SystemUsage{}, OSError(err, "read /proc/stat", "")
	}
	memory, err := a.proc.Meminfo()
	if err != nil {
		return SystemUsage{}, OSError(err, "read /proc/meminfo", "")
	}
	fields := SystemUsageCPU | SystemUsageQueue | SystemUsageMemory | SystemUsageSwap | SystemUsageCommit
	u := SystemUsage{
		RunQueue: system.Running, UserTimeNs: system.User * tick, SystemTimeNs: system.Kernel * tick, IdleTimeNs: system.IdleTime * tick,
		TotalMemoryBytes: memory.Total, AvailableMemoryBytes: memory.Available,
		SwapTotalBytes: memory.SwapTotal, SwapUsedBytes: memory.SwapTotal - min(memory.SwapFree, memory.SwapTotal),
		CommittedBytes: memory.Committed, CommitLimitBytes: memory.CommitLimit,
	}
	if faults, err := a.proc.MajorFaults(); err == nil {
		u.PageIns = faults
		fields |= SystemUsagePaging
	}
	if threads, err := a.proc.Threads(); err == nil {
		u.Threads = uint32(threads)
		fields |= SystemUsageThreads
	}
	a.proc.EachPID(func(int) bool {
		u.Processes++
		return true
	})
	if u.Processes > 0 {
		fields |= SystemUsageProcesses
	}
	u.Fields = uint32(fields)
	return u, nil
}

func (a *unixAdapter) Container() (Container, error) {
	bounds := cgroup.Around(a.files)
	c := Container{
		MemoryLimitBytes: bounds.MemoryBytes, MemoryUsageBytes: bounds.MemoryUsed, CPURateLimit: bounds.CPUMillis,
		ProcessLimit: bounds.Processes, ReclaimableBytes: bounds.MemoryInactive,
	}
	if min(c.MemoryLimitBytes, c.CPURateLimit, c.ProcessLimit) != Unlimited {
		c.Kind = ContainerControlGroup
	}
	return c, nil
}

// ContainerText looks around on its first call: what is there stays as it is.
func (a *unixAdapter) ContainerText(item ContainerText) (string, error) {
	a.aroundOnce.Do(func() { a.around = around.Look(a.evidence()) })
	return containerText(&a.around, item)
}

func (a *unixAdapter) evidence() *around.Evidence {
	read := func(path string) (string, bool) {
		text, err := procfs.ReadFile(a.files + path)
		return string(text), err == nil
	}
	said := func(name string) string {
		text, _ := read("/sys/class/dmi/id/" + name)
		return strings.TrimSpace(text)
	}
	link := func(path string) string {
		var space [256]byte
		n, err := unix.Readlink(a.files+path, space[:])
		if err != nil {
			return ""
		}
		return string(space[:n])
	}
	hostname, _ := os.Hostname() // without it a pod has no name
	return &around.Evidence{
		Read: read, Link: link, Getenv: hostVariable, Hostname: hostname,
		Firmware: around.Firmware{
			Vendor: said("sys_vendor"), Product: said("product_name"), BIOSVendor: said("bios_vendor"), BIOSVersion: said("bios_version"),
			AssetTag: said("chassis_asset_tag"),
		},
	}
}
