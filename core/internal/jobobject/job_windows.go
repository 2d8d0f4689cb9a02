package jobobject

import (
	"time"
	"unsafe"

	"golang.org/x/sys/windows"

	"libmimir/core/internal/win32"
)

// Job is a job object. Its processes outlive the handle unless its limits say KillOnClose.
type Job struct{ handle windows.Handle }

// The access that is asked for when a job is opened.
const (
	AccessSetAttributes = 0x2
	AccessQuery         = 0x4
	AccessTerminate     = 0x8
)

// New makes a job, or opens the one that has the name; "" is no name.
func New(name string) (Job, error) {
	var text *uint16
	if name != "" {
		var err error
		if text, err = windows.UTF16PtrFromString(name); err != nil {
			return Job{}, win32.Failed("CreateJobObject", windows.ERROR_INVALID_NAME)
		}
	}
	handle, err := windows.CreateJobObject(nil, text)
	if handle == 0 {
		return Job{}, win32.Failed("CreateJobObject", err)
	}
	return Job{handle}, nil
}

// Open opens a job by its name.
func Open(name string, access uint32) (Job, error) {
	handle, err := win32.OpenJobObject(access, name)
	return Job{handle}, err
}

// Close gives the handle back.
func (j Job) Close() { _ = windows.CloseHandle(j.handle) }

// Limits are the limits of a job; a number of 0 is none.
type Limits struct {
	// JobMemory and ProcessMemory are bytes of commit, of all processes together and of each.
	JobMemory, ProcessMemory uint64
	// JobTime and ProcessTime are time in user mode. JobTime begins when it is set; ProcessTime with each process.
	JobTime, ProcessTime time.Duration
	Processes            uint32
	// CPURate is in ten-thousandths of all CPUs of the system together.
	CPURate uint32
	// PriorityClass is that of all processes, which none of them can change.
	PriorityClass uint32
	// KillOnClose ends the processes with the last handle of the job, and so with the process that holds it.
	KillOnClose bool
	// DieQuietly keeps the dialogue of a crashed program from waiting for somebody.
	DieQuietly bool
}

const hundredNanoseconds = 100 * time.Nanosecond

// cpuRateControl is JOBOBJECT_CPU_RATE_CONTROL_INFORMATION.
type cpuRateControl struct{ flags, rate uint32 }

const (
	cpuRateEnable  = 0x1
	cpuRateHardCap = 0x4
	// mostCPURate is all CPUs.
	mostCPURate = 10_000
)

// SetLimits replaces the limits. CPU rate is set apart: where that fails, the others are in force.
func (j Job) SetLimits(l *Limits) error {
	if err := j.setExtended(l); err != nil {
		return err
	}
	present := j.cpuRate()
	if present == l.CPURate {
		return nil
	}
	control := cpuRateControl{}
	if l.CPURate != 0 {
		control = cpuRateControl{cpuRateEnable | cpuRateHardCap, min(l.CPURate, mostCPURate)}
	}
	_, err := windows.SetInformationJobObject(j.handle, windows.JobObjectCpuRateControlInformation,
		uintptr(unsafe.Pointer(&control)), uint32(unsafe.Sizeof(control)))
	return win32.Failed("SetInformationJobObject", err)
}

func (j Job) setExtended(l *Limits) error {
	var info windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION
	basic := &info.BasicLimitInformation
	set := func(given bool, flag uint32, store func()) {
		if given {
			basic.LimitFlags |= flag
			store()
		}
	}
	nothing := func() {}
	set(l.JobMemory != 0, windows.JOB_OBJECT_LIMIT_JOB_MEMORY, func() { info.JobMemoryLimit = uintptr(l.JobMemory) })
	set(l.ProcessMemory != 0, windows.JOB_OBJECT_LIMIT_PROCESS_MEMORY, func() { info.ProcessMemoryLimit = uintptr(l.ProcessMemory) })
	set(l.JobTime != 0, windows.JOB_OBJECT_LIMIT_JOB_TIME, func() { basic.PerJobUserTimeLimit = ticks(l.JobTime) })
	set(l.ProcessTime != 0, windows.JOB_OBJECT_LIMIT_PROCESS_TIME, func() { basic.PerProcessUserTimeLimit = ticks(l.ProcessTime) })
	set(l.Processes != 0, windows.JOB_OBJECT_LIMIT_ACTIVE_PROCESS, func() { basic.ActiveProcessLimit = l.Processes })
	set(l.PriorityClass != 0, windows.JOB_OBJECT_LIMIT_PRIORITY_CLASS, func() { basic.PriorityClass = l.PriorityClass })
	set(l.KillOnClose, windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE, nothing)
	set(l.DieQuietly, windows.JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION, nothing)
	_, err := windows.SetInformationJobObject(j.handle, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)))
	return win32.Failed("SetInformationJobObject", err)
}

func ticks(d time.Duration) int64 { return max(int64(d/hundredNanoseconds), 1) }

// Limits reads the limits as the kernel has them. Of the zero Job they are those of the job that the caller runs in, which in a
// Windows container is the container's: win32.Code is ERROR_ACCESS_DENIED or ERROR_NOT_FOUND, or another, without one.
func (j Job) Limits() (Limits, error) {
	info, err := j.extended()
	if err != nil {
		return Limits{}, err
	}
	basic := &info.BasicLimitInformation
	has := func(flag uint32) bool { return basic.LimitFlags&flag != 0 }
	l := Limits{
		CPURate: j.cpuRate(), KillOnClose: has(windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE),
		DieQuietly: has(windows.JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION),
	}
	if has(windows.JOB_OBJECT_LIMIT_JOB_MEMORY) {
		l.JobMemory = uint64(info.JobMemoryLimit)
	}
	if has(windows.JOB_OBJECT_LIMIT_PROCESS_MEMORY) {
		l.ProcessMemory = uint64(info.ProcessMemoryLimit)
	}
	if has(windows.JOB_OBJECT_LIMIT_JOB_TIME) {
		l.JobTime = time.Duration(basic.PerJobUserTimeLimit) * hundredNanoseconds
	}
	if has(windows.JOB_OBJECT_LIMIT_PROCESS_TIME) {
		l.ProcessTime = time.Duration(basic.PerProcessUserTimeLimit) * hundredNanoseconds
	}
	if has(windows.JOB_OBJECT_LIMIT_ACTIVE_PROCESS) {
		l.Processes = basic.ActiveProcessLimit
	}
	if has(windows.JOB_OBJECT_LIMIT_PRIORITY_CLASS) {
		l.PriorityClass = basic.PriorityClass
	}
	return l, nil
}

// everyUIRestriction is JOB_OBJECT_UILIMIT_ALL: handles, reading and writing the clipboard, system parameters, display settings,
// global atoms, desktops, and ending Windows.
const everyUIRestriction = 0xFF

// RestrictUI keeps the job's processes from what belongs to the user's desktop.
func (j Job) RestrictUI() error {
	restrictions := uint32(everyUIRestriction)
	_, err := windows.SetInformationJobObject(j.handle, windows.JobObjectBasicUIRestrictions,
		uintptr(unsafe.Pointer(&restrictions)), uint32(unsafe.Sizeof(restrictions)))
	return win32.Failed("SetInformationJobObject", err)
}

func (j Job) extended() (info windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION, err error) {
	err = windows.QueryInformationJobObject(j.handle, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)), nil)
	return info, win32.Failed("QueryInformationJobObject", err)
}

func (j Job) cpuRate() uint32 {
	var control cpuRateControl
	err := windows.QueryInformationJobObject(j.handle, windows.JobObjectCpuRateControlInformation,
		uintptr(unsafe.Pointer(&control)), uint32(unsafe.Sizeof(control)), nil)
	if err != nil || control.flags&(cpuRateEnable|cpuRateHardCap) != cpuRateEnable|cpuRateHardCap {
		return 0
	}
	return control.rate
}

// PeakMemory is the most commit, in bytes, that the job's processes had together.
func (j Job) PeakMemory() (uint64, error) {
	info, err := j.extended()
	return uint64(info.PeakJobMemoryUsed), err
}

// memoryUsage is JOBOBJECT_MEMORY_USAGE_INFORMATION, from Windows 10 on.
type memoryUsage struct{ now, peak uint64 }

// Memory is the commit, in bytes, of the job's processes together; of the zero Job as Limits.
func (j Job) Memory() (uint64, error) {
	const memoryUsageInformation = 28 // JobObjectMemoryUsageInformation
	var usage memoryUsage
	err := windows.QueryInformationJobObject(j.handle, memoryUsageInformation, uintptr(unsafe.Pointer(&usage)),
		uint32(unsafe.Sizeof(usage)), nil)
	return usage.now, win32.Failed("QueryInformationJobObject", err)
}

// siloInformation is SILOOBJECT_BASIC_INFORMATION.
type siloInformation struct {
	id, parent, processes uint32
	inServerSilo          bool
	_                     [3]byte
}

// IsServerSilo tells whether the job is a Windows container's, or in one; of the zero Job as Limits.
func (j Job) IsServerSilo() bool {
	const siloBasicInformation = 36 // JobObjectSiloBasicInformation
	var silo siloInformation
	err := windows.QueryInformationJobObject(j.handle, siloBasicInformation, uintptr(unsafe.Pointer(&silo)),
		uint32(unsafe.Sizeof(silo)), nil)
	return err == nil && silo.inServerSilo
}

// Associate makes the job report to a completion port, under a key. It has to be done before the first process is assigned.
func (j Job) Associate(port windows.Handle, key uintptr) error {
	association := struct{ key, port uintptr }{key, uintptr(port)}
	_, err := windows.SetInformationJobObject(j.handle, windows.JobObjectAssociateCompletionPortInformation,
		uintptr(unsafe.Pointer(&association)), uint32(unsafe.Sizeof(association)))
	return win32.Failed("SetInformationJobObject", err)
}

// Message is what a job reports: the number of bytes in its packet.
type Message uint32

// The messages of jobs (JOB_OBJECT_MSG_*).
const (
	EndOfJobTime        Message = 1
	EndOfProcessTime    Message = 2
	ActiveProcessLimit  Message = 3
	ActiveProcessZero   Message = 4
	NewProcess          Message = 6
	ExitProcess         Message = 7
	AbnormalExitProcess Message = 8
	ProcessMemoryLimit  Message = 9
	JobMemoryLimit      Message = 10
)

// Assign puts a process into the job. It needs PROCESS_SET_QUOTA and PROCESS_TERMINATE.
func (j Job) Assign(process windows.Handle) error {
	return win32.Failed("AssignProcessToJobObject", windows.AssignProcessToJobObject(j.handle, process))
}

// Has tells whether a process is in the job.
func (j Job) Has(process windows.Handle) bool {
	in, err := win32.IsProcessInJob(process, j.handle)
	return err == nil && in
}

// Terminate ends all processes of the job. It does not wait.
func (j Job) Terminate(code uint32) error {
	return win32.Failed("TerminateJobObject", windows.TerminateJobObject(j.handle, code))
}

// Account is what the job's processes have used, those that have ended too.
type Account struct {
	User, Kernel time.Duration
	// Total have been in the job, Active are now; Terminated were ended by the kernel for a limit.
	Total, Active, Terminated uint32
}

// basicAccounting is JOBOBJECT_BASIC_ACCOUNTING_INFORMATION.
type basicAccounting struct {
	user, kernel, periodUser, periodKernel int64
	pageFaults, total, active, terminated  uint32
}

// Account reads the job's account.
func (j Job) Account() (Account, error) {
	var a basicAccounting
	err := windows.QueryInformationJobObject(j.handle, windows.JobObjectBasicAccountingInformation,
		uintptr(unsafe.Pointer(&a)), uint32(unsafe.Sizeof(a)), nil)
	return Account{
		User: time.Duration(a.user) * hundredNanoseconds, Kernel: time.Duration(a.kernel) * hundredNanoseconds,
		Total: a.total, Active: a.active, Terminated: a.terminated,
	}, win32.Failed("QueryInformationJobObject", err)
}

// Processes lists the ids of the job's processes. It uses the space of buffer, and gives back one that was large enough.
func (j Job) Processes(buffer []uintptr) (ids, grown []uintptr, err error) {
	// JOBOBJECT_BASIC_PROCESS_ID_LIST: two 32-bit counts, assigned and listed, then the ids.
	const head = 8 / unsafe.Sizeof(uintptr(0))
	if uintptr(len(buffer)) < head+16 {
		buffer = make([]uintptr, head+16)
	}
	for {
		err := windows.QueryInformationJobObject(j.handle, windows.JobObjectBasicProcessIdList,
			uintptr(unsafe.Pointer(&buffer[0])), uint32(uintptr(len(buffer))*unsafe.Sizeof(buffer[0])), nil)
		counts := (*[2]uint32)(unsafe.Pointer(&buffer[0]))
		if err == windows.ERROR_MORE_DATA {
			buffer = make([]uintptr, max(2*len(buffer), int(counts[0])+16))
			continue
		}
		if err != nil {
			return nil, buffer, win32.Failed("QueryInformationJobObject", err)
		}
		return buffer[head : head+uintptr(counts[1])], buffer, nil
	}
}
