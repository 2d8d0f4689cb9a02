package core

import (
	"os"
	"runtime"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"libmimir/core/internal/libproc"
	"libmimir/core/internal/libsystem"
	"libmimir/core/internal/machtime"
	"libmimir/core/internal/rlimit"
)

// unixAdapter is macOS.
type unixAdapter struct{}

// native is of its own type, so that what is read by it need not be on the heap.
var native = &unixAdapter{}

const (
	platform   = PlatformMacos
	lastSignal = 31
)

// tickFrequency is how many of the kernel's ticks are a second: see package machtime.
var tickFrequency = sync.OnceValue(func() uint64 {
	frequency, err := unix.SysctlUint64("hw.tbfrequency")
	if err != nil {
		return 0
	}
	return frequency
})

func nanosecondsOf(ticks uint64) uint64 { return machtime.Nanoseconds(ticks, tickFrequency()) }

func (*unixAdapter) SystemFacts() (SystemFacts, error) {
	memory, err := unix.SysctlUint64("hw.memsize")
	if err != nil {
		return SystemFacts{}, OSError(err, "sysctl hw.memsize", "")
	}
	cpus, err := unix.SysctlUint32("hw.logicalcpu")
	if err != nil {
		return SystemFacts{}, OSError(err, "sysctl hw.logicalcpu", "")
	}
	boot, err := unix.SysctlTimeval("kern.boottime")
	if err != nil {
		return SystemFacts{}, OSError(err, "sysctl kern.boottime", "")
	}
	pages, err := hostStatistics(libproc.HostVMInfo64, libproc.HostVMInfoWords, libproc.DecodePages)
	if err != nil {
		return SystemFacts{}, err
	}
	pageSize := uint64(os.Getpagesize())
	return SystemFacts{
		Platform: platform, LogicalCPUCount: cpus, UsableCPUCount: usableCPUs(), PageSizeBytes: pageSize,
		TotalMemoryBytes: memory, AvailableMemoryBytes: pages.Available * pageSize, BootTimeSeconds: uint64(boot.Sec),
	}, nil
}

// hostStatistics reads a flavor of host_statistics64, which goes on to host_statistics for its flavors.
func hostStatistics[T any](flavor, most int, decode func([]byte) (T, error)) (T, error) {
	words := make([]uint32, most)
	var none T
	count, failed := libsystem.HostStatistics(flavor, words)
	if failed != 0 {
		return none, Errorf(StatusEOS, "host_statistics64", "Mach error %d", failed)
	}
	decoded, err := decode(unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), 4*count))
	if err != nil {
		return none, OSError(err, "host_statistics64", "")
	}
	return decoded, nil
}

// SystemUsage leaves out what macOS does not tell: a queue, promised memory, and the number of threads.
func (*unixAdapter) SystemUsage() (SystemUsage, error) {
	memory, err := unix.SysctlUint64("hw.memsize")
	if err != nil {
		return SystemUsage{}, OSError(err, "sysctl hw.memsize", "")
	}
	load, err := hostStatistics(libproc.HostCPULoad, libproc.HostCPUWords, libproc.DecodeCPULoad)
	if err != nil {
		return SystemUsage{}, err
	}
	pages, err := hostStatistics(libproc.HostVMInfo64, libproc.HostVMInfoWords, libproc.DecodePages)
	if err != nil {
		return SystemUsage{}, err
	}
	const tick = nanosecondsPerSecond / libproc.LoadTicksPerSecond
	fields := SystemUsageCPU | SystemUsageMemory | SystemUsagePaging
	u := SystemUsage{
		UserTimeNs: load.User * tick, SystemTimeNs: load.System * tick, IdleTimeNs: load.Idle * tick,
		TotalMemoryBytes: memory, AvailableMemoryBytes: pages.Available * uint64(os.Getpagesize()), PageIns: pages.Ins,
	}
	if b, err := unix.SysctlRaw("vm.swapusage"); err == nil {
		if total, used, err := libproc.DecodeSwap(b); err == nil {
			u.SwapTotalBytes, u.SwapUsedBytes = total, used
			fields |= SystemUsageSwap
		}
	}
	if processes, err := allProcesses(); err == nil {
		u.Processes = uint32(len(processes))
		fields |= SystemUsageProcesses
	}
	u.Fields = uint32(fields)
	return u, nil
}

func (*unixAdapter) Container() (Container, error) {
	return Container{}, notSupported("find container", "macOS has no containers")
}

func (*unixAdapter) ContainerText(ContainerText) (string, error) {
	return "", notSupported("find container", "macOS has no containers")
}

// distribution is the name and version that "About This Mac" shows.
func (*unixAdapter) distribution() (string, error) {
	version, err := unix.Sysctl("kern.osproductversion")
	if err != nil {
		return "", OSError(err, "sysctl kern.osproductversion", "")
	}
	return "macOS " + version, nil
}

func (*unixAdapter) Supports(limit Limit, scope Scope) Enforcement {
	return SupportOn(platform, limit).On(scope)
}

// enforcement is Supports for one process: root is exempt from the limit of a user's processes.
func (a *unixAdapter) enforcement(pid int64, limit Limit) Enforcement {
	kept := a.Supports(limit, ScopeSelf)
	if kept == EnforcementKernelPerUser && rlimit.Exempt(int(pid)) {
		return EnforcementAdvisory
	}
	return kept
}

// prepareLimit has nothing to do: no reading keeps a descriptor.
func (*unixAdapter) prepareLimit(Limit) {}

func (a *unixAdapter) SelfUsage(fields UsageField, u *Usage) error {
	*u = Usage{}
	if fields&(UsageMemory|UsageCPU) != 0 {
		var ru unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
			return OSError(err, "getrusage", "")
		}
		fillRusage(u, &ru)
		u.Fields |= uint32(UsageCPU)
	}
	return a.readTask(os.Getpid(), fields, u)
}

// readTask reads memory, threads and descriptors of a process that the caller may read.
func (*unixAdapter) readTask(pid int, fields UsageField, u *Usage) error {
	if fields&(UsageMemory|UsageThreads) != 0 {
		var b [libproc.SizeofTaskInfo]byte
		task, err := libproc.DecodeTaskInfo(b[:libsystem.PIDInfo(pid, libproc.TaskInfo, b[:])])
		if err != nil {
			return unreadable(pid, "proc_pidinfo")
		}
		if fields&UsageMemory != 0 {
			u.ResidentBytes, u.VirtualBytes = task.Resident, task.Virtual
			u.PeakResidentBytes = max(u.PeakResidentBytes, task.Resident)
			u.Fields |= uint32(UsageMemory)
		}
		if fields&UsageThreads != 0 {
			u.Threads = uint32(task.Threads)
			u.Fields |= uint32(UsageThreads)
		}
	}
	if fields&UsageDescriptors != 0 {
		count, err := countDescriptors(pid)
		if err != nil {
			return err
		}
		u.Descriptors = uint32(count)
		u.Fields |= uint32(UsageDescriptors)
	}
	return nil
}

// countDescriptors asks for the list, as long as it is: without room the kernel answers with the size of the table.
func countDescriptors(pid int) (int, error) {
	var few [64 * libproc.SizeofFDInfo]byte
	n := libsystem.PIDInfo(pid, libproc.ListFDs, few[:])
	if n == 0 {
		return 0, unreadable(pid, "proc_pidinfo")
	}
	for b := few[:]; ; {
		if n < len(b) {
			return libproc.CountDescriptors(b[:n]), nil
		}
		b = make([]byte, 2*max(len(b), libsystem.PIDInfo(pid, libproc.ListFDs, nil)))
		if n = libsystem.PIDInfo(pid, libproc.ListFDs, b); n == 0 {
			return 0, unreadable(pid, "proc_pidinfo")
		}
	}
}

// unreadable is why a process could not be read, which proc_pidinfo does not say.
func unreadable(pid int, step string) error {
	if who, err := (kernel{}).Identify(pid); err != nil || who.Ended {
		return processGone(step, int64(pid))
	}
	return OSError(unix.EPERM, step, "process %d", pid)
}

func (a *unixAdapter) ProcessUsage(pid int64, fields UsageField, u *Usage) error {
	*u = Usage{}
	var b [libproc.SizeofRusageInfo4]byte
	if err := libsystem.PIDRusage(int(pid), libproc.RusageInfo4, b[:]); err != nil {
		if err == unix.ESRCH {
			return unreadable(int(pid), "proc_pid_rusage")
		}
		return OSError(err, "proc_pid_rusage", "process %d", pid)
	}
	usage, err := libproc.DecodeRusage(b[:])
	if err != nil {
		return OSError(err, "proc_pid_rusage", "process %d", pid)
	}
	if fields&UsageCPU != 0 {
		u.UserTimeNs, u.SystemTimeNs = nanosecondsOf(usage.UserTicks), nanosecondsOf(usage.SystemTicks)
		u.Fields |= uint32(UsageCPU)
	}
	if fields&UsageMemory != 0 {
		// The most resident memory of another process is not told; the most that it was charged for is.
		u.PeakResidentBytes = usage.PeakFootprint
	}
	return a.readTask(int(pid), fields, u)
}

// Priority reads it where it is told of every process: an answer of getpriority can be an error's.
func (*unixAdapter) Priority(pid int64) (Priority, error) {
	if pid == 0 {
		pid = int64(os.Getpid())
	}
	who, err := identifyLiving(pid)
	return Priority(who.Nice), err
}

func (*unixAdapter) StartOf(pid int64) (uint64, error) {
	who, err := identifyLiving(pid)
	return who.Started, err
}

// identifyLiving fails for a process that has ended, also when nobody has waited for it.
func identifyLiving(pid int64) (libproc.Identity, error) {
	who, err := (kernel{}).Identify(int(pid))
	if err != nil || who.Ended {
		return libproc.Identity{}, processGone("sysctl kern.proc.pid", pid)
	}
	return who, nil
}

func (*unixAdapter) SetPriority(pid int64, p Priority) error {
	err := unix.Setpriority(unix.PRIO_PROCESS, int(pid), int(p))
	if err == unix.ESRCH {
		return processGone("setpriority", pid)
	}
	if err != nil {
		return OSError(err, "setpriority", "%d for process %d", int32(p), pid)
	}
	return nil
}

// goNeeds are the signals by which Go's runtime turns a fault into a panic that can be recovered.
const goNeeds = 1<<(unix.SIGSEGV-1) | 1<<(unix.SIGBUS-1) | 1<<(unix.SIGFPE-1)

func (*unixAdapter) ResetSignal(signal int32) error {
	if signal < 0 || signal > lastSignal {
		return unknownSignal(signal)
	}
	runtime.LockOSThread() // a caller from C is locked to its thread: the mask is that thread's
	defer runtime.UnlockOSThread()
	unblock := ^uint32(0)
	if signal != 0 {
		if err := libsystem.DefaultAction(int(signal)); err != nil {
			return OSError(err, "sigaction", "signal %d", signal)
		}
		unblock = 1 << (signal - 1)
	}
	for s := int32(1); signal == 0 && s <= lastSignal; s++ {
		if goNeeds&(1<<(s-1)) != 0 || unix.Signal(s) == unix.SIGKILL || unix.Signal(s) == unix.SIGSTOP {
			continue
		}
		if err := libsystem.DefaultAction(int(s)); err != nil {
			return OSError(err, "sigaction", "signal %d", s)
		}
	}
	if _, err := libsystem.SignalMask(libsystem.SigUnblock, unblock); err != nil {
		return OSError(err, "pthread_sigmask", "")
	}
	return nil
}

func restoreFileLimit(before func() (soft, hard uint64)) {
	soft, hard := before()
	if soft == 0 && hard == 0 { // not known
		return
	}
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: soft, Max: hard})
}

func nativeWithoutGroups() Adapter { return native }
