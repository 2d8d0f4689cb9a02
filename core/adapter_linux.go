package core

import (
	"os"
	"runtime"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"libmimir/core/internal/around"
	"libmimir/core/internal/cgroup"
	"libmimir/core/internal/procfs"
	"libmimir/core/internal/rlimit"
)

// unixAdapter is Linux, seen through a /proc.
type unixAdapter struct {
	files     string // the root of the file system, "" for the system's own
	proc      procfs.FS
	selfStatm *procfs.SelfStatm
	load      *procfs.LoadAverage
	pageSize  uint64

	groupsOnce sync.Once
	groups     *cgroup.Parents
	guardOnce  sync.Once
	aroundOnce sync.Once
	around     around.Facts
}

// native is of its own type, so that what is read by it need not be on the heap.
var native = newLinuxAdapter("")

// newLinuxAdapter reads the files below root, which a test replaces; "" is the system's own.
func newLinuxAdapter(root string) *unixAdapter {
	proc := procfs.New(root + "/proc")
	return &unixAdapter{files: root, proc: proc, selfStatm: procfs.NewSelfStatm(proc), load: procfs.NewLoadAverage(proc),
		pageSize: uint64(os.Getpagesize())}
}

const (
	platform   = PlatformLinux
	lastSignal = 64
	tick       = nanosecondsPerSecond / procfs.TicksPerSecond
)

func (a *unixAdapter) SystemFacts() (SystemFacts, error) {
	memory, err := a.proc.Meminfo()
	if err != nil {
		return SystemFacts{}, OSError(err, "read /proc/meminfo", "")
	}
	system, err := a.proc.System()
	if err != nil {
		return SystemFacts{}, OSError(err, "read /proc/stat", "")
	}
	return SystemFacts{
		Platform: PlatformLinux, LogicalCPUCount: system.CPUs, UsableCPUCount: usableCPUs(), PageSizeBytes: a.pageSize,
		TotalMemoryBytes: memory.Total, AvailableMemoryBytes: memory.Available, BootTimeSeconds: system.BootSeconds,
	}, nil
}

// distribution is PRETTY_NAME of os-release(5). A system without the file is named by its kernel.
func (a *unixAdapter) distribution() (string, error) {
	for _, file := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		if name, err := procfs.ReleaseName(a.files + file); err == nil {
			return name, nil
		}
	}
	return "Linux", nil
}

func (a *unixAdapter) Supports(limit Limit, scope Scope) Enforcement {
	if controller := controllers[limit]; controller != "" && scope == ScopeJob && a.groupParents().Has(controller) {
		return EnforcementKernel
	}
	return SupportOn(PlatformLinux, limit).On(scope)
}

// enforcement is Supports for one process: root, and who has its capabilities, is exempt from RLIMIT_NPROC.
func (a *unixAdapter) enforcement(pid int64, limit Limit) Enforcement {
	kept := a.Supports(limit, ScopeProcess)
	if kept == EnforcementKernelPerUser && a.proc.OwnsAllUsers() && rlimit.Exempt(int(pid)) {
		return EnforcementAdvisory
	}
	return kept
}

// prepareLimit does what would need what the limit is about to take away.
func (a *unixAdapter) prepareLimit(limit Limit) {
	if limit == LimitOpenFiles {
		_, _ = a.selfStatm.Read() // opens the descriptor that it keeps
	}
}

func (a *unixAdapter) SelfUsage(fields UsageField, u *Usage) error {
	*u = Usage{}
	if fields&(UsageMemory|UsageCPU) != 0 {
		if err := a.readRusage(u); err != nil {
			return err
		}
		u.Fields |= uint32(UsageCPU)
	}
	if fields&UsageMemory != 0 {
		statm, err := a.selfStatm.Read()
		if err != nil {
			return OSError(err, "read /proc/self/statm", "")
		}
		u.ResidentBytes, u.VirtualBytes = statm.Resident*a.pageSize, statm.Size*a.pageSize
		u.PeakResidentBytes = max(u.PeakResidentBytes, u.ResidentBytes)
		u.Fields |= uint32(UsageMemory)
	}
	if fields&UsageThreads != 0 {
		stat, err := a.proc.Stat(0)
		if err != nil {
			return OSError(err, "read /proc/self/stat", "")
		}
		u.Threads = uint32(stat.Threads)
		u.Fields |= uint32(UsageThreads)
	}
	return a.readDescriptors(0, fields, u)
}

// readRusage fills the fields that getrusage gives.
func (*unixAdapter) readRusage(u *Usage) error {
	var ru unix.Rusage
	if _, _, errno := syscall.RawSyscall(unix.SYS_GETRUSAGE, unix.RUSAGE_SELF, uintptr(unsafe.Pointer(&ru)), 0); errno != 0 {
		return OSError(errno, "getrusage", "")
	}
	fillRusage(u, &ru)
	return nil
}

func (a *unixAdapter) readDescriptors(pid int, fields UsageField, u *Usage) error {
	if fields&UsageDescriptors == 0 {
		return nil
	}
	count, err := a.proc.Descriptors(pid)
	if err == unix.EACCES && u.Fields != 0 {
		return nil // another user's: left out
	}
	if err != nil {
		return usageError(err, "read /proc/<pid>/fd", int64(pid))
	}
	u.Descriptors = uint32(count)
	u.Fields |= uint32(UsageDescriptors)
	return nil
}

func (a *unixAdapter) ProcessUsage(pid int64, fields UsageField, u *Usage) error {
	*u = Usage{}
	stat, err := a.proc.Stat(int(pid))
	if err != nil {
		return usageError(err, "read /proc/<pid>/stat", pid)
	}
	if fields&UsageCPU != 0 {
		u.UserTimeNs, u.SystemTimeNs = stat.UserTicks*tick, stat.SystemTicks*tick
		u.Fields |= uint32(UsageCPU)
	}
	if fields&UsageThreads != 0 {
		u.Threads = uint32(stat.Threads)
		u.Fields |= uint32(UsageThreads)
	}
	if fields&UsageMemory != 0 {
		statm, err := a.proc.Statm(int(pid))
		if err != nil {
			return usageError(err, "read /proc/<pid>/statm", pid)
		}
		u.ResidentBytes, u.VirtualBytes = statm.Resident*a.pageSize, statm.Size*a.pageSize
		// Kernel threads and the dead have no memory, and so no peak.
		if peak, err := a.proc.PeakResident(int(pid)); err == nil {
			u.PeakResidentBytes = max(peak, u.ResidentBytes)
		}
		u.Fields |= uint32(UsageMemory)
	}
	return a.readDescriptors(int(pid), fields, u)
}

func usageError(err error, step string, pid int64) error {
	if err == procfs.ErrGone || err == unix.ESRCH {
		return processGone(step, pid)
	}
	return OSError(err, step, "process %d", pid)
}

// kernelNice is what the system call getpriority answers for a nice value: it keeps clear of what is an error.
func kernelNice(answer int) Priority { return Priority(20 - answer) }

func (a *unixAdapter) Priority(pid int64) (Priority, error) {
	answer, err := unix.Getpriority(unix.PRIO_PROCESS, int(pid))
	if err != nil {
		return 0, usageError(err, "getpriority", pid)
	}
	return kernelNice(answer), nil
}

// SetPriority sets that of each thread, which the kernel keeps apart, until there is none that has another: what a thread starts
// has its priority.
func (a *unixAdapter) SetPriority(pid int64, p Priority) error {
	type former struct {
		thread int
		nice   Priority
	}
	var changed []former
	for again := true; again; {
		again = false
		var failed error
		err := a.proc.EachThread(int(pid), func(thread int) bool {
			answer, err := unix.Getpriority(unix.PRIO_PROCESS, thread)
			if err == nil && kernelNice(answer) != p {
				if err = unix.Setpriority(unix.PRIO_PROCESS, thread, int(p)); err == nil {
					changed = append(changed, former{thread, kernelNice(answer)})
					again = true
				}
			}
			if err != nil && err != unix.ESRCH { // a thread may end meanwhile
				failed = err
			}
			return failed == nil
		})
		if err != nil {
			return usageError(err, "read /proc/<pid>/task", pid)
		}
		if failed != nil {
			for _, before := range changed {
				_ = unix.Setpriority(unix.PRIO_PROCESS, before.thread, int(before.nice))
			}
			return OSError(failed, "setpriority", "%d for process %d", int32(p), pid)
		}
	}
	return nil
}

// kernelAction is the kernel's struct sigaction.
type kernelAction struct {
	handler, flags, restorer uintptr
	mask                     uint64
}

// goNeeds are the signals by which Go's runtime turns a fault into a panic that can be recovered.
const goNeeds = 1<<(unix.SIGSEGV-1) | 1<<(unix.SIGBUS-1) | 1<<(unix.SIGFPE-1)

func (*unixAdapter) ResetSignal(signal int32) error {
	if signal < 0 || signal > lastSignal {
		return unknownSignal(signal)
	}
	if signal != 0 {
		if isLibcSignal(signal) {
			return OSError(unix.EINVAL, "sigaction", "signal %d", signal)
		}
		if err := resetSignal(signal); err != nil {
			return OSError(err, "sigaction", "signal %d", signal)
		}
		return unblock(1 << (signal - 1))
	}
	for s := int32(1); s <= lastSignal; s++ {
		if goNeeds&(1<<(s-1)) != 0 || unix.Signal(s) == unix.SIGKILL || unix.Signal(s) == unix.SIGSTOP || isLibcSignal(s) {
			continue
		}
		if err := resetSignal(s); err != nil {
			return OSError(err, "sigaction", "signal %d", s)
		}
	}
	return unblock(^uint64(0))
}

// isLibcSignal reports whether the C library keeps the signal for itself: thread cancellation and set*id.
func isLibcSignal(signal int32) bool { return signal == 32 || signal == 33 }

func resetSignal(signal int32) error {
	var action kernelAction
	_, _, errno := syscall.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(signal), uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// unblock acts on the calling thread, which a caller from C is locked to.
func unblock(set uint64) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_, _, errno := syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_UNBLOCK, uintptr(unsafe.Pointer(&set)), 0, 8, 0, 0)
	if errno != 0 {
		return OSError(errno, "sigprocmask", "")
	}
	return nil
}

func restoreFileLimit(before func() (soft, hard uint64)) {
	soft, hard := before()
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: soft, Max: hard})
}

func nativeWithoutGroups() Adapter {
	a := newLinuxAdapter("")
	a.groupsOnce.Do(func() { a.groups = &cgroup.Parents{} })
	return a
}
