package core

import (
	"fmt"
	"sync"

	"golang.org/x/sys/windows"

	"libmimir/core/internal/jobobject"
	"libmimir/core/internal/winproc"
)

// A process group is a job object: the caller's own, which everything that it starts from then on is in, or that of a command.

const (
	// The signals that can be acted out where there are none: Unix's numbers, and that of CTRL_BREAK in C.
	signalKill      = 9
	signalTerminate = 15
	signalBreak     = 21
	lastSignal      = 64
)

// exitCodeOf is the exit code of processes that a signal's number ended, as a shell gives it.
func exitCodeOf(signal int32) uint32 { return 128 + uint32(signal) }

func checkSignal(signal int32) error {
	switch {
	case signal < 0 || signal > lastSignal:
		return Errorf(StatusEINVAL, "check signal", "%d is not a signal", signal)
	case signal != 0 && signal != signalKill && signal != signalTerminate && signal != signalBreak:
		return notSupported("send signal", "Windows has no signals; 9 and 15 end processes, 21 is CTRL_BREAK, 0 tests")
	}
	return nil
}

// ownGroup is the caller's group, once it leads one.
var ownGroup struct {
	sync.Mutex
	job  jobobject.Job
	made bool
}

// groupName is the name of the job of a process that leads a group, by which others find it.
func groupName(leader int64, created uint64) string {
	return fmt.Sprintf(`Local\libmimir.group.%d.%x`, leader, created)
}

func (windowsAdapter) CreateGroup() (int64, error) {
	pid := ownPID()
	ownGroup.Lock()
	defer ownGroup.Unlock()
	if ownGroup.made {
		return pid, nil
	}
	_ = outerLimits()
	self := windows.CurrentProcess()
	times, err := winproc.ReadTimes(self)
	if err != nil {
		return 0, windowsError(err, "")
	}
	job, err := jobobject.New(groupName(pid, times.Created))
	if err != nil {
		return 0, windowsError(err, "new process group")
	}
	if !job.Has(self) {
		if err := job.Assign(self); err != nil {
			job.Close()
			return 0, windowsError(err, "new process group")
		}
	}
	ownGroup.job, ownGroup.made = job, true
	return pid, nil
}

func (windowsAdapter) KillGroup(group int64, signal int32) error {
	if group < 1 || checkPID(group) != nil {
		return Errorf(StatusEINVAL, "check process group", "%d is not a process group", group)
	}
	if err := checkSignal(signal); err != nil {
		return err
	}
	if child := startedCommands.find(group); child != nil {
		return child.Signal(signal)
	}
	if signal == signalBreak {
		return notSupported("send signal", "CTRL_BREAK reaches commands of jobs alone")
	}
	noGroup := &Error{Status: StatusESRCH, Step: "OpenJobObject", Text: "there is no process group of this number"}
	job, err := openGroup(group)
	if err != nil {
		return noGroup
	}
	defer job.Close()
	account, err := job.Account()
	if err != nil {
		return windowsError(err, "process group %d", group)
	}
	if account.Active == 0 {
		return noGroup
	}
	if signal == 0 {
		return nil
	}
	if err := job.Terminate(exitCodeOf(signal)); err != nil {
		return windowsError(err, "process group %d", group)
	}
	return nil
}

// openGroup opens the job of a process that leads a group.
func openGroup(leader int64) (jobobject.Job, error) {
	handle, err := winproc.Open(uint32(leader), windows.PROCESS_QUERY_LIMITED_INFORMATION)
	if err != nil {
		return jobobject.Job{}, err
	}
	defer windows.CloseHandle(handle)
	times, err := winproc.ReadTimes(handle)
	if err != nil {
		return jobobject.Job{}, err
	}
	return jobobject.Open(groupName(leader, times.Created), jobobject.AccessQuery|jobobject.AccessTerminate)
}

func (windowsAdapter) ResetSignal(signal int32) error {
	if signal < 0 || signal > lastSignal {
		return Errorf(StatusEINVAL, "check signal", "%d is not a signal", signal)
	}
	return notSupported("reset signal", "Windows has no signals")
}

func (windowsAdapter) StartOf(pid int64) (uint64, error) {
	process, err := openOrSelf(pid, windows.PROCESS_QUERY_LIMITED_INFORMATION)
	if err != nil {
		return 0, err
	}
	defer closeUnlessSelf(process)
	times, err := winproc.ReadTimes(process)
	if err != nil {
		return 0, windowsError(err, "process %d", pid)
	}
	return times.Created, nil
}

func (windowsAdapter) Descendants(pid int64, all bool) ([]int64, error) {
	pids, err := winproc.Descendants(uint32(pid), all)
	if err != nil {
		return nil, processError(err, pid)
	}
	var found []int64
	for _, p := range pids {
		found = append(found, int64(p))
	}
	return found, nil
}

func (windowsAdapter) KillTree(pid int64) error {
	if err := checkPID(pid); err != nil {
		return err
	}
	const system = 4
	if pid <= system || pid == ownPID() {
		return Errorf(StatusEINVAL, "check process id", "the tree of process %d cannot be killed by this process", pid)
	}
	handle, err := openLiving(pid, windows.PROCESS_QUERY_LIMITED_INFORMATION)
	if err != nil {
		return err
	}
	defer windows.CloseHandle(handle)
	if err := winproc.KillTree(uint32(pid)); err != nil {
		return processError(err, pid)
	}
	return nil
}
