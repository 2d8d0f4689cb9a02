package core

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"

	"libmimir/core/internal/win32"
	"libmimir/core/internal/winproc"
)

type windowsAdapter struct{}

// native is of its own type, so that what is read by it need not be on the heap.
var native = windowsAdapter{}

// windowsError is what every failed call of Windows becomes: its step is the call's name.
func windowsError(err error, format string, args ...any) error {
	var failed *win32.Error
	if !errors.As(err, &failed) {
		return OSError(err, "call", format, args...)
	}
	return OSError(failed.Code, failed.Call, format, args...)
}

// processError is windowsError for what was asked of a process, where an unknown id is an invalid parameter.
func processError(err error, pid int64) error {
	if win32.Code(err) == windows.ERROR_INVALID_PARAMETER {
		return &Error{Status: StatusESRCH, OSCode: int32(windows.ERROR_INVALID_PARAMETER), Step: "OpenProcess", Text: noProcess(pid)}
	}
	return windowsError(err, "process %d", pid)
}

func (windowsAdapter) SystemFacts() (SystemFacts, error) {
	memory, err := win32.SystemMemory()
	if err != nil {
		return SystemFacts{}, windowsError(err, "")
	}
	return SystemFacts{
		Platform: PlatformWindows, LogicalCPUCount: logicalCPUs(), UsableCPUCount: usableCPUs(),
		PageSizeBytes: uint64(os.Getpagesize()), TotalMemoryBytes: memory.TotalPhysical,
		AvailableMemoryBytes: memory.AvailablePhysical,
		BootTimeSeconds:      uint64(time.Now().Add(-windows.DurationSinceBoot()).Unix()),
	}, nil
}

func logicalCPUs() uint32 {
	const allGroups = 0xFFFF
	return max(windows.GetActiveProcessorCount(allGroups), usableCPUs())
}

func (windowsAdapter) SystemText(item SystemText) (string, error) {
	switch item {
	case SystemPlatform:
		return "Windows", nil
	case SystemArchitecture:
		// The names of PROCESSOR_ARCHITECTURE, which Python's platform.machine() gives.
		return map[string]string{"amd64": "AMD64", "arm64": "ARM64", "386": "x86"}[runtime.GOARCH], nil
	case SystemRelease:
		v := windows.RtlGetVersion()
		return fmt.Sprintf("%d.%d.%d", v.MajorVersion, v.MinorVersion, v.BuildNumber), nil
	case SystemDistribution:
		return productName(), nil
	case SystemHostname:
		name, err := os.Hostname()
		if err != nil {
			return "", OSError(err, "GetComputerNameEx", "")
		}
		return name, nil
	}
	return "", unknownText(item)
}

// firstWindows11 is the build from which the registry's "Windows 10" means Windows 11.
const firstWindows11 = 22000

// productName is such as "Windows 11 Pro 23H2".
func productName() string {
	v := windows.RtlGetVersion()
	name := fmt.Sprintf("Windows %d.%d", v.MajorVersion, v.MinorVersion)
	key, err := registry.OpenKey(registry.LOCAL_MACHINE, `SOFTWARE\Microsoft\Windows NT\CurrentVersion`,
		registry.QUERY_VALUE|registry.WOW64_64KEY)
	if err != nil {
		return name
	}
	defer key.Close()
	if product, _, err := key.GetStringValue("ProductName"); err == nil && product != "" {
		name = strings.TrimPrefix(product, "Microsoft ")
		if v.BuildNumber >= firstWindows11 {
			name = strings.Replace(name, "Windows 10", "Windows 11", 1)
		}
	}
	if version, _, err := key.GetStringValue("DisplayVersion"); err == nil && version != "" {
		name += " " + version
	}
	return name
}

func (windowsAdapter) SelfUsage(fields UsageField, u *Usage) error {
	return readUsage(windows.CurrentProcess(), windows.GetCurrentProcessId(), fields, u)
}

func (windowsAdapter) ProcessUsage(pid int64, fields UsageField, u *Usage) error {
	*u = Usage{}
	handle, err := openLiving(pid, windows.PROCESS_QUERY_LIMITED_INFORMATION)
	if err != nil {
		return err
	}
	defer windows.CloseHandle(handle)
	return readUsage(handle, uint32(pid), fields, u)
}

// openLiving opens a process that has not ended: its id stays in use as long as somebody holds a handle.
func openLiving(pid int64, access uint32) (windows.Handle, error) {
	handle, err := winproc.Open(uint32(pid), access|windows.SYNCHRONIZE)
	if err != nil {
		return 0, processError(err, pid)
	}
	if winproc.Ended(handle) {
		_ = windows.CloseHandle(handle)
		return 0, &Error{Status: StatusESRCH, Step: "OpenProcess", Text: noProcess(pid)}
	}
	return handle, nil
}

func readUsage(handle windows.Handle, pid uint32, fields UsageField, u *Usage) error {
	*u = Usage{}
	if fields&UsageMemory != 0 {
		var m win32.MemoryCounters
		if err := win32.ProcessMemory(handle, &m); err != nil {
			return windowsError(err, "process %d", pid)
		}
		virtual, err := win32.ProcessVirtual(handle)
		if err != nil {
			return windowsError(err, "process %d", pid)
		}
		u.ResidentBytes, u.VirtualBytes = uint64(m.WorkingSet), virtual
		u.PeakResidentBytes = max(uint64(m.PeakWorkingSet), u.ResidentBytes)
		u.Fields |= uint32(UsageMemory)
	}
	if fields&UsageCPU != 0 {
		times, err := winproc.ReadTimes(handle)
		if err != nil {
			return windowsError(err, "process %d", pid)
		}
		u.UserTimeNs, u.SystemTimeNs = uint64(times.User), uint64(times.Kernel)
		u.Fields |= uint32(UsageCPU)
	}
	if fields&UsageThreads != 0 {
		entries, err := winproc.Snapshot()
		if err != nil {
			return windowsError(err, "")
		}
		for _, e := range entries {
			if e.PID == pid {
				u.Threads = e.Threads
				u.Fields |= uint32(UsageThreads)
			}
		}
	}
	if fields&UsageDescriptors != 0 {
		count, err := win32.ProcessHandles(handle)
		if err != nil {
			return windowsError(err, "process %d", pid)
		}
		u.Descriptors = count
		u.Fields |= uint32(UsageDescriptors)
	}
	return nil
}

func usableCPUs() uint32 { return uint32(runtime.NumCPU()) }

// statusOf is the status that a Win32 error code stands for.
func statusOf(code syscall.Errno) Status {
	switch code {
	case 0:
		return StatusOK
	case windows.ERROR_ACCESS_DENIED, windows.ERROR_PRIVILEGE_NOT_HELD, windows.ERROR_ELEVATION_REQUIRED:
		return StatusEPERM
	case windows.ERROR_FILE_NOT_FOUND, windows.ERROR_PATH_NOT_FOUND, windows.ERROR_DIRECTORY, windows.ERROR_INVALID_NAME,
		windows.ERROR_BAD_PATHNAME, windows.ERROR_INVALID_DRIVE:
		return StatusENOENT
	case windows.ERROR_INVALID_PARAMETER:
		return StatusEINVAL
	case windows.ERROR_NOT_ENOUGH_MEMORY, windows.ERROR_OUTOFMEMORY, windows.ERROR_TOO_MANY_OPEN_FILES,
		windows.ERROR_COMMITMENT_LIMIT, windows.ERROR_NOT_ENOUGH_QUOTA, windows.ERROR_NO_SYSTEM_RESOURCES,
		windows.ERROR_DISK_FULL:
		return StatusENOMEM
	case windows.ERROR_NOT_SUPPORTED, windows.ERROR_CALL_NOT_IMPLEMENTED:
		return StatusENOTSUP
	case syscall.Errno(windows.WAIT_TIMEOUT):
		return StatusETIMEDOUT
	}
	return StatusEOS
}

// restoreFileLimit has nothing to do: Windows limits no handles.
func restoreFileLimit(func() (soft, hard uint64)) {}

func nativeWithoutGroups() Adapter { return native }
