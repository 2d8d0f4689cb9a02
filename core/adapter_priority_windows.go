package core

import (
	"golang.org/x/sys/windows"

	"libmimir/core/internal/win32"
)

// priorityClasses are the classes of Windows.
var priorityClasses = map[Priority]uint32{
	PriorityLow:         windows.IDLE_PRIORITY_CLASS,
	PriorityBelowNormal: windows.BELOW_NORMAL_PRIORITY_CLASS,
	PriorityNormal:      windows.NORMAL_PRIORITY_CLASS,
	PriorityAboveNormal: windows.ABOVE_NORMAL_PRIORITY_CLASS,
	PriorityHigh:        windows.HIGH_PRIORITY_CLASS,
	PriorityHighest:     windows.REALTIME_PRIORITY_CLASS,
}

func classOf(p Priority) uint32 { return priorityClasses[p.Class()] }

func (windowsAdapter) Priority(pid int64) (Priority, error) {
	process, err := openOrSelf(pid, windows.PROCESS_QUERY_LIMITED_INFORMATION)
	if err != nil {
		return 0, err
	}
	defer closeUnlessSelf(process)
	class, err := windows.GetPriorityClass(process)
	if err != nil {
		return 0, windowsError(win32.Failed("GetPriorityClass", err), "process %d", pid)
	}
	for p, known := range priorityClasses {
		if known == class {
			return p, nil
		}
	}
	return 0, Errorf(StatusEOS, "GetPriorityClass", "%#x is no class that is known", class)
}

// SetPriority looks afterwards: who may not have the highest class is given another without a word, and a job can hold its own.
func (windowsAdapter) SetPriority(pid int64, p Priority) error {
	process, err := openOrSelf(pid, windows.PROCESS_SET_INFORMATION|windows.PROCESS_QUERY_LIMITED_INFORMATION)
	if err != nil {
		return err
	}
	defer closeUnlessSelf(process)
	before, err := windows.GetPriorityClass(process)
	if err != nil {
		return windowsError(win32.Failed("GetPriorityClass", err), "process %d", pid)
	}
	wanted := classOf(p)
	if err := windows.SetPriorityClass(process, wanted); err != nil {
		return windowsError(win32.Failed("SetPriorityClass", err), "%d for process %d", int32(p), pid)
	}
	if after, err := windows.GetPriorityClass(process); err == nil && after != wanted {
		_ = windows.SetPriorityClass(process, before)
		return OSError(windows.ERROR_PRIVILEGE_NOT_HELD, "SetPriorityClass", "%d for process %d", int32(p), pid)
	}
	return nil
}

// openOrSelf opens a process that has not ended; 0 is the caller.
func openOrSelf(pid int64, access uint32) (windows.Handle, error) {
	if pid == 0 || pid == ownPID() {
		return windows.CurrentProcess(), nil
	}
	return openLiving(pid, access)
}

func closeUnlessSelf(process windows.Handle) {
	if process != windows.CurrentProcess() {
		_ = windows.CloseHandle(process)
	}
}
