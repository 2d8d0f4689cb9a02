package libproc

import (
	"encoding/binary"
	"errors"
)

// Flavors of proc_pidinfo, proc_listpids and proc_pid_rusage, and of host_statistics64.
const (
	ListFDs         = 1 // PROC_PIDLISTFDS
	TaskAllInfo     = 2 // PROC_PIDTASKALLINFO
	TaskInfo        = 4 // PROC_PIDTASKINFO
	GroupOnly       = 2 // PROC_PGRP_ONLY
	ParentOnly      = 6 // PROC_PPID_ONLY
	RusageInfo4     = 4 // RUSAGE_INFO_V4
	HostCPULoad     = 3 // HOST_CPU_LOAD_INFO
	HostVMInfo64    = 4 // HOST_VM_INFO64
	HostVMInfoWords = 38
	HostCPUWords    = 4
)

// Sizes of the kernel's structures, in bytes.
const (
	SizeofBSDInfo     = 136
	SizeofTaskInfo    = 96
	SizeofTaskAllInfo = SizeofBSDInfo + SizeofTaskInfo
	SizeofRusageInfo4 = 296
	SizeofFDInfo      = 8
	SizeofPID         = 4
	SizeofKinfoProc   = 648
	SizeofSwapUsage   = 32
)

// Offsets into the kernel's structures, as the SDK's headers lay them out: sys/proc_info.h, sys/resource.h, sys/sysctl.h,
// mach/vm_statistics.h. sdk_test.go holds them against those headers.
const (
	offBSDStatus  = 4   // proc_bsdinfo.pbi_status
	offBSDPID     = 12  // .pbi_pid
	offBSDParent  = 16  // .pbi_ppid
	offBSDGroup   = 100 // .pbi_pgid
	offBSDSeconds = 120 // .pbi_start_tvsec
	offBSDMicros  = 128 // .pbi_start_tvusec

	offTaskVirtual  = 0  // proc_taskinfo.pti_virtual_size
	offTaskResident = 8  // .pti_resident_size
	offTaskUser     = 16 // .pti_total_user
	offTaskSystem   = 24 // .pti_total_system
	offTaskThreads  = 84 // .pti_threadnum

	offRusageUser          = 16  // rusage_info_v4.ri_user_time
	offRusageSystem        = 24  // .ri_system_time
	offRusageResident      = 64  // .ri_resident_size
	offRusageFootprint     = 72  // .ri_phys_footprint
	offRusageChildUser     = 96  // .ri_child_user_time
	offRusageChildSystem   = 104 // .ri_child_system_time
	offRusagePeakFootprint = 240 // .ri_lifetime_max_phys_footprint

	offKinfoSeconds = 0   // kinfo_proc.kp_proc.p_starttime.tv_sec
	offKinfoMicros  = 8   // .tv_usec
	offKinfoStatus  = 36  // .kp_proc.p_stat
	offKinfoPID     = 40  // .kp_proc.p_pid
	offKinfoNice    = 242 // .kp_proc.p_nice
	offKinfoParent  = 560 // .kp_eproc.e_ppid
	offKinfoGroup   = 564 // .kp_eproc.e_pgid

	offVMFree     = 0  // vm_statistics64.free_count
	offVMInactive = 8  // .inactive_count
	offVMPageIns  = 32 // .pageins

	offCPUUser   = 0  // host_cpu_load_info.cpu_ticks[CPU_STATE_USER]
	offCPUSystem = 4  // [CPU_STATE_SYSTEM]
	offCPUIdle   = 8  // [CPU_STATE_IDLE]
	offCPUNice   = 12 // [CPU_STATE_NICE]

	offSwapTotal = 0  // xsw_usage.xsu_total
	offSwapUsed  = 16 // .xsu_used
)

// zombie is SZOMB, the status of a process that has ended and has not been waited for.
const zombie = 5

// ErrShort means that the kernel answered with less than the structure.
var ErrShort = errors.New("the kernel's answer is too short")

// Identity is who a process is. A process id is used anew; together with the start it is unique.
type Identity struct {
	PID, Parent, Group int
	// Started is in microseconds since 1970.
	Started uint64
	// Nice is known from a kinfo_proc alone.
	Nice int
	// Ended is set of a process that has ended and that nobody has waited for yet.
	Ended bool
}

// Task is what a process uses. Times are in ticks.
type Task struct {
	Resident, Virtual      uint64
	UserTicks, SystemTicks uint64
	Threads                int
}

// Rusage is the kernel's account of a process. Times are in ticks; those of children are of the ones that it has waited for.
type Rusage struct {
	UserTicks, SystemTicks           uint64
	ChildUserTicks, ChildSystemTicks uint64
	Resident                         uint64
	// Footprint is memory that the process is charged for, compressed and swapped memory included: what Activity Monitor
	// shows. PeakFootprint is the most of it so far.
	Footprint, PeakFootprint uint64
}

func u32(b []byte, at int) int    { return int(int32(binary.LittleEndian.Uint32(b[at:]))) }
func u64(b []byte, at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }

// DecodeTaskAllInfo reads a struct proc_taskallinfo.
func DecodeTaskAllInfo(b []byte) (Identity, Task, error) {
	if len(b) < SizeofTaskAllInfo {
		return Identity{}, Task{}, ErrShort
	}
	task, err := DecodeTaskInfo(b[SizeofBSDInfo:])
	return Identity{
		PID: u32(b, offBSDPID), Parent: u32(b, offBSDParent), Group: u32(b, offBSDGroup),
		Started: u64(b, offBSDSeconds)*1_000_000 + u64(b, offBSDMicros),
		Ended:   u32(b, offBSDStatus) == zombie,
	}, task, err
}

// DecodeTaskInfo reads a struct proc_taskinfo.
func DecodeTaskInfo(b []byte) (Task, error) {
	if len(b) < SizeofTaskInfo {
		return Task{}, ErrShort
	}
	return Task{
		Resident: u64(b, offTaskResident), Virtual: u64(b, offTaskVirtual),
		UserTicks: u64(b, offTaskUser), SystemTicks: u64(b, offTaskSystem), Threads: u32(b, offTaskThreads),
	}, nil
}

// DecodeRusage reads a struct rusage_info_v4 or a later one.
func DecodeRusage(b []byte) (Rusage, error) {
	if len(b) < SizeofRusageInfo4 {
		return Rusage{}, ErrShort
	}
	return Rusage{
		UserTicks: u64(b, offRusageUser), SystemTicks: u64(b, offRusageSystem),
		ChildUserTicks: u64(b, offRusageChildUser), ChildSystemTicks: u64(b, offRusageChildSystem),
		Resident: u64(b, offRusageResident), Footprint: u64(b, offRusageFootprint),
		PeakFootprint: u64(b, offRusagePeakFootprint),
	}, nil
}

// DecodeKinfo reads the structs kinfo_proc of the sysctl kern.proc. A rest that is no whole one is left out.
func DecodeKinfo(b []byte) []Identity {
	found := make([]Identity, 0, len(b)/SizeofKinfoProc)
	for ; len(b) >= SizeofKinfoProc; b = b[SizeofKinfoProc:] {
		found = append(found, Identity{
			PID: u32(b, offKinfoPID), Parent: u32(b, offKinfoParent), Group: u32(b, offKinfoGroup),
			Started: u64(b, offKinfoSeconds)*1_000_000 + uint64(u32(b, offKinfoMicros)),
			Nice:    int(int8(b[offKinfoNice])),
			Ended:   b[offKinfoStatus] == zombie,
		})
	}
	return found
}

// DecodePIDs reads the process ids of proc_listpids; 0 stands for none.
func DecodePIDs(b []byte) []int {
	pids := make([]int, 0, len(b)/SizeofPID)
	for ; len(b) >= SizeofPID; b = b[SizeofPID:] {
		if pid := u32(b, 0); pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}

// CountDescriptors counts the structs proc_fdinfo of PROC_PIDLISTFDS.
func CountDescriptors(b []byte) int { return len(b) / SizeofFDInfo }

// Pages are the memory of the system in pages.
type Pages struct {
	// Available can be given to programs without swapping: those that are free and those that are inactive.
	Available uint64
	// Ins is how many were read from a disk since the start of the system.
	Ins uint64
}

// DecodePages reads a struct vm_statistics64.
func DecodePages(b []byte) (Pages, error) {
	if len(b) < offVMPageIns+8 {
		return Pages{}, ErrShort
	}
	return Pages{
		Available: uint64(binary.LittleEndian.Uint32(b[offVMFree:])) + uint64(binary.LittleEndian.Uint32(b[offVMInactive:])),
		Ins:       u64(b, offVMPageIns),
	}, nil
}

// CPULoad is CPU time of all CPUs together in ticks of LoadTicksPerSecond, which begin anew at 2^32.
type CPULoad struct{ User, System, Idle uint64 }

// LoadTicksPerSecond is CLK_TCK.
const LoadTicksPerSecond = 100

// DecodeCPULoad reads a struct host_cpu_load_info.
func DecodeCPULoad(b []byte) (CPULoad, error) {
	if len(b) < 4*HostCPUWords {
		return CPULoad{}, ErrShort
	}
	ticks := func(at int) uint64 { return uint64(binary.LittleEndian.Uint32(b[at:])) }
	return CPULoad{User: ticks(offCPUUser) + ticks(offCPUNice), System: ticks(offCPUSystem), Idle: ticks(offCPUIdle)}, nil
}

// DecodeSwap reads a struct xsw_usage: bytes.
func DecodeSwap(b []byte) (total, used uint64, err error) {
	if len(b) < SizeofSwapUsage {
		return 0, 0, ErrShort
	}
	return u64(b, offSwapTotal), u64(b, offSwapUsed), nil
}
