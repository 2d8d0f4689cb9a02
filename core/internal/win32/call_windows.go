package win32

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Error is a call of Windows that failed.
type Error struct {
	// Call is the function's name, as its documentation has it.
	Call string
	Code syscall.Errno
}

func (e *Error) Error() string { return e.Call + ": " + e.Code.Error() }

// Unwrap gives the Win32 error code.
func (e *Error) Unwrap() error { return e.Code }

// Failed makes the error of a call, nil where there is none. An error of x/sys/windows is a code always.
func Failed(call string, err error) error {
	if err == nil {
		return nil
	}
	code, ok := err.(syscall.Errno)
	if status, is := err.(windows.NTStatus); is {
		code, ok = status.Errno(), true
	}
	if !ok {
		code = windows.ERROR_GEN_FAILURE
	}
	return &Error{call, code}
}

// Code is the Win32 error code of an error, 0 where it has none.
func Code(err error) syscall.Errno {
	switch e := err.(type) {
	case *Error:
		return e.Code
	case syscall.Errno:
		return e
	}
	return 0
}

var kernel32 = windows.NewLazySystemDLL("kernel32.dll")

var (
	isProcessInJob            = kernel32.NewProc("IsProcessInJob")
	openJobObject             = kernel32.NewProc("OpenJobObjectW")
	getProcessMemoryInfo      = kernel32.NewProc("K32GetProcessMemoryInfo")
	getProcessHandleCount     = kernel32.NewProc("GetProcessHandleCount")
	peekNamedPipe             = kernel32.NewProc("PeekNamedPipe")
	getQueuedCompletionStatus = kernel32.NewProc("GetQueuedCompletionStatus")
	globalMemoryStatusEx      = kernel32.NewProc("GlobalMemoryStatusEx")
	getConsoleWindow          = kernel32.NewProc("GetConsoleWindow")
	getHandleInformation      = kernel32.NewProc("GetHandleInformation")
	cancelSynchronousIo       = kernel32.NewProc("CancelSynchronousIo")
	getSystemTimes            = kernel32.NewProc("GetSystemTimes")
	getPerformanceInfo        = kernel32.NewProc("K32GetPerformanceInfo")
)

// check turns the answer of a function that returns BOOL into an error.
func check(call string, result uintptr, code syscall.Errno) error {
	if result != 0 {
		return nil
	}
	if code == 0 {
		code = windows.ERROR_GEN_FAILURE
	}
	return &Error{call, code}
}

// IsProcessInJob tells whether a process belongs to a job, with 0 to any job.
func IsProcessInJob(process, job windows.Handle) (bool, error) {
	var in int32
	r, _, code := syscall.SyscallN(isProcessInJob.Addr(), uintptr(process), uintptr(job), uintptr(unsafe.Pointer(&in)))
	return in != 0, check("IsProcessInJob", r, code)
}

// OpenJobObject opens a job by its name.
func OpenJobObject(access uint32, name string) (windows.Handle, error) {
	text, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return 0, Failed("OpenJobObject", windows.ERROR_INVALID_NAME)
	}
	r, _, code := syscall.SyscallN(openJobObject.Addr(), uintptr(access), 0, uintptr(unsafe.Pointer(text)))
	return windows.Handle(r), check("OpenJobObject", r, code)
}

// MemoryCounters is PROCESS_MEMORY_COUNTERS_EX.
type MemoryCounters struct {
	size, PageFaults                               uint32
	PeakWorkingSet, WorkingSet                     uintptr
	peakPagedPool, pagedPool, peakNonPaged, nonPag uintptr
	Commit, PeakCommit, Private                    uintptr
}

// ProcessMemory reads the memory counters of a process.
func ProcessMemory(process windows.Handle, m *MemoryCounters) error {
	m.size = uint32(unsafe.Sizeof(*m))
	r, _, code := syscall.SyscallN(getProcessMemoryInfo.Addr(), uintptr(process), uintptr(unsafe.Pointer(m)), uintptr(m.size))
	return check("GetProcessMemoryInfo", r, code)
}

// vmCounters is VM_COUNTERS.
type vmCounters struct {
	PeakVirtual, Virtual                                    uintptr
	PageFaults                                              uint32
	peakWorkingSet, workingSet, peakPagedPool, pagedPool    uintptr
	peakNonPagedPool, nonPagedPool, pagefile, peakPageFiles uintptr
}

// ProcessVirtual reads how much of its address space a process has taken, reserved parts too.
func ProcessVirtual(process windows.Handle) (uint64, error) {
	var counters vmCounters
	err := windows.NtQueryInformationProcess(process, windows.ProcessVmCounters, unsafe.Pointer(&counters),
		uint32(unsafe.Sizeof(counters)), nil)
	return uint64(counters.Virtual), Failed("NtQueryInformationProcess", err)
}

// ProcessHandles counts the open handles of a process.
func ProcessHandles(process windows.Handle) (uint32, error) {
	var count uint32
	r, _, code := syscall.SyscallN(getProcessHandleCount.Addr(), uintptr(process), uintptr(unsafe.Pointer(&count)))
	return count, check("GetProcessHandleCount", r, code)
}

// PipeBytes tells how much can be read from a pipe now.
func PipeBytes(pipe windows.Handle) (uint32, error) {
	var available uint32
	r, _, code := syscall.SyscallN(peekNamedPipe.Addr(), uintptr(pipe), 0, 0, 0, uintptr(unsafe.Pointer(&available)), 0)
	return available, check("PeekNamedPipe", r, code)
}

// Packet is what a completion port gives out. Overlapped is a number, and not a pointer: jobs put a process id there, which
// Go's runtime must not take for one.
type Packet struct {
	Bytes      uint32
	Key        uintptr
	Overlapped uintptr
}

// WaitPacket waits for a packet of a completion port, for a number of milliseconds at most. A packet of an operation that
// failed comes with its error; without a packet, got is false.
func WaitPacket(port windows.Handle, milliseconds uint32, p *Packet) (got bool, err error) {
	*p = Packet{}
	r, _, code := syscall.SyscallN(getQueuedCompletionStatus.Addr(), uintptr(port), uintptr(unsafe.Pointer(&p.Bytes)),
		uintptr(unsafe.Pointer(&p.Key)), uintptr(unsafe.Pointer(&p.Overlapped)), uintptr(milliseconds))
	err = check("GetQueuedCompletionStatus", r, code)
	if r == 0 && p.Overlapped == 0 {
		if code == syscall.Errno(windows.WAIT_TIMEOUT) {
			err = nil
		}
		return false, err
	}
	return true, err
}

// MemoryStatus is MEMORYSTATUSEX.
type MemoryStatus struct {
	size, Load                          uint32
	TotalPhysical, AvailablePhysical    uint64
	TotalCommit, AvailableCommit        uint64
	TotalVirtual, AvailableVirtual, ext uint64
}

// SystemMemory reads the memory of the system.
func SystemMemory() (MemoryStatus, error) {
	var m MemoryStatus
	m.size = uint32(unsafe.Sizeof(m))
	r, _, code := syscall.SyscallN(globalMemoryStatusEx.Addr(), uintptr(unsafe.Pointer(&m)))
	return m, check("GlobalMemoryStatusEx", r, code)
}

// HandleFlags reads the flags of a handle, and so tells whether it is one.
func HandleFlags(handle windows.Handle) (uint32, error) {
	var flags uint32
	r, _, code := syscall.SyscallN(getHandleInformation.Addr(), uintptr(handle), uintptr(unsafe.Pointer(&flags)))
	return flags, check("GetHandleInformation", r, code)
}

// HasConsoleWindow tells whether the caller is attached to a console.
func HasConsoleWindow() bool {
	r, _, _ := syscall.SyscallN(getConsoleWindow.Addr())
	return r != 0
}

// CancelSynchronousIo ends the operation that a thread waits for.
func CancelSynchronousIo(thread windows.Handle) error {
	r, _, code := syscall.SyscallN(cancelSynchronousIo.Addr(), uintptr(thread))
	return check("CancelSynchronousIo", r, code)
}

// Ticks is a time, or a point in it, in units of 100 nanoseconds.
func Ticks(t windows.Filetime) uint64 { return uint64(t.HighDateTime)<<32 | uint64(t.LowDateTime) }

// SystemTimes reads the times of all CPUs together, in units of 100 nanoseconds. The kernel's holds the idle one.
func SystemTimes() (idle, kernel, user uint64, err error) {
	var times [3]windows.Filetime
	r, _, code := syscall.SyscallN(getSystemTimes.Addr(), uintptr(unsafe.Pointer(&times[0])),
		uintptr(unsafe.Pointer(&times[1])), uintptr(unsafe.Pointer(&times[2])))
	return Ticks(times[0]), Ticks(times[1]), Ticks(times[2]), check("GetSystemTimes", r, code)
}

// PerformanceInformation is PERFORMANCE_INFORMATION; memory is in pages.
type PerformanceInformation struct {
	size                                               uint32
	CommitTotal, CommitLimit, CommitPeak               uintptr
	PhysicalTotal, PhysicalAvailable, SystemCache      uintptr
	KernelTotal, KernelPaged, KernelNonpaged, PageSize uintptr
	Handles, Processes, Threads                        uint32
}

// ReadPerformance reads what the system keeps account of.
func ReadPerformance() (PerformanceInformation, error) {
	var p PerformanceInformation
	p.size = uint32(unsafe.Sizeof(p))
	r, _, code := syscall.SyscallN(getPerformanceInfo.Addr(), uintptr(unsafe.Pointer(&p)), uintptr(p.size))
	return p, check("GetPerformanceInfo", r, code)
}
