package winproc

import (
	"slices"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"

	"libmimir/core/internal/win32"
)

// Open opens a process.
func Open(pid uint32, access uint32) (windows.Handle, error) {
	handle, err := windows.OpenProcess(access, false, pid)
	return handle, win32.Failed("OpenProcess", err)
}

// Times are the times of a process. Created is in 100-nanosecond ticks of the system's clock and tells a process from others
// that had its id.
type Times struct {
	Created      uint64
	User, Kernel time.Duration
}

// ReadTimes reads the times of a process.
func ReadTimes(process windows.Handle) (Times, error) {
	var created, exited, kernel, user windows.Filetime
	if err := windows.GetProcessTimes(process, &created, &exited, &kernel, &user); err != nil {
		return Times{}, win32.Failed("GetProcessTimes", err)
	}
	span := func(t windows.Filetime) time.Duration { return time.Duration(win32.Ticks(t)) * 100 * time.Nanosecond }
	return Times{win32.Ticks(created), span(user), span(kernel)}, nil
}

// Ended tells whether a process has ended. It needs SYNCHRONIZE.
func Ended(process windows.Handle) bool {
	event, err := windows.WaitForSingleObject(process, 0)
	return err == nil && event == windows.WAIT_OBJECT_0
}

// Entry is a process in a snapshot of the system.
type Entry struct{ PID, Parent, Threads uint32 }

// Snapshot lists the processes of the system.
func Snapshot() ([]Entry, error) {
	snapshot, err := windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPPROCESS, 0)
	if err != nil {
		return nil, win32.Failed("CreateToolhelp32Snapshot", err)
	}
	defer windows.CloseHandle(snapshot)
	var found []Entry
	var e windows.ProcessEntry32
	e.Size = uint32(unsafe.Sizeof(e))
	for err = windows.Process32First(snapshot, &e); err == nil; err = windows.Process32Next(snapshot, &e) {
		found = append(found, Entry{e.ProcessID, e.ParentProcessID, e.Threads})
	}
	if err != windows.ERROR_NO_MORE_FILES {
		return nil, win32.Failed("Process32Next", err)
	}
	return found, nil
}

// created is when a process was created; false for one that may not be asked, or is gone.
func created(pid uint32) (uint64, bool) {
	handle, err := Open(pid, windows.PROCESS_QUERY_LIMITED_INFORMATION)
	if err != nil {
		return 0, false
	}
	defer windows.CloseHandle(handle)
	times, err := ReadTimes(handle)
	return times.Created, err == nil
}

// Descendants lists the children of a process, and with all those of its children. A process names its parent by an id, which
// another process may have by now: a child is not older than its parent.
func Descendants(pid uint32, all bool) ([]uint32, error) {
	handle, err := Open(pid, windows.PROCESS_QUERY_LIMITED_INFORMATION)
	if err != nil && win32.Code(err) != windows.ERROR_ACCESS_DENIED {
		return nil, err
	}
	if err == nil {
		defer windows.CloseHandle(handle) // which keeps the id from being given out again
	}
	born, _ := created(pid)
	entries, err := Snapshot()
	if err != nil {
		return nil, err
	}
	parents := map[uint32]uint64{pid: born}
	var found []uint32
	for added := true; added; {
		added = false
		for _, e := range entries {
			parent, is := parents[e.Parent]
			if _, known := parents[e.PID]; !is || known || e.PID == 0 || !all && e.Parent != pid {
				continue
			}
			if birth, ok := created(e.PID); ok && birth >= parent {
				parents[e.PID] = birth
				found = append(found, e.PID)
				added = true
			}
		}
	}
	return found, nil
}

// killedCode is the exit code of processes that are ended: what a shell makes of SIGKILL.
const killedCode = 137

// KillTree ends a process and its descendants and returns when they are gone. The handles that it holds keep their ids from
// being given out again, so that a parent that has ended is still known by its children; and it looks until there is no new one.
func KillTree(pid uint32) error {
	type member struct {
		handle windows.Handle
		born   uint64
	}
	members := map[uint32]member{}
	defer func() {
		for _, m := range members {
			_ = windows.CloseHandle(m.handle)
		}
	}()
	end := func(pid uint32, notBefore uint64) error {
		handle, err := Open(pid, windows.PROCESS_TERMINATE|windows.PROCESS_QUERY_LIMITED_INFORMATION|windows.SYNCHRONIZE)
		if err != nil {
			return err
		}
		times, err := ReadTimes(handle)
		if err != nil || times.Created < notBefore {
			_ = windows.CloseHandle(handle)
			return err
		}
		if err := windows.TerminateProcess(handle, killedCode); err != nil && !Ended(handle) {
			_ = windows.CloseHandle(handle)
			return win32.Failed("TerminateProcess", err)
		}
		members[pid] = member{handle, times.Created}
		return nil
	}
	if err := end(pid, 0); err != nil {
		return err
	}
	var refused []uint32 // which may not be ended, or were gone when they were looked at
	var failed error
	for added := true; added; {
		added = false
		entries, err := Snapshot()
		if err != nil {
			return err
		}
		for _, e := range entries {
			parent, is := members[e.Parent]
			if _, known := members[e.PID]; !is || known || slices.Contains(refused, e.PID) {
				continue
			}
			if err := end(e.PID, parent.born); err != nil {
				if win32.Code(err) != windows.ERROR_INVALID_PARAMETER {
					failed = err
				}
			}
			if _, ended := members[e.PID]; ended {
				added = true
			} else {
				refused = append(refused, e.PID)
			}
		}
	}
	for _, m := range members {
		_, _ = windows.WaitForSingleObject(m.handle, windows.INFINITE)
	}
	return failed
}
