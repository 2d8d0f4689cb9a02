package libproc

import (
	"slices"
	"syscall"
	"time"
)

// Signals of macOS.
const (
	sigkill = syscall.Signal(9)
	sigstop = syscall.Signal(17)
)

// Kernel is where a tree looks. An error means that there is no such process, or that it is not to be read.
type Kernel interface {
	// Process reads a process: who it is, also when another user's, and what it uses.
	Process(pid int) (Identity, Task, Rusage, error)
	// Identify reads who a process is.
	Identify(pid int) (Identity, error)
	// Footprint reads the memory that a process is charged for.
	Footprint(pid int) (uint64, error)
	// Children and Group list the processes with a parent or in a process group.
	Children(pid int) []int
	Group(group int) []int
	// Signal sends a signal to a process.
	Signal(pid int, signal syscall.Signal) error
}

// Totals are the sums over a tree at one moment.
type Totals struct {
	Footprint, Virtual uint64
	// UserTicks and SystemTicks are the CPU time of the members and of the descendants that they have waited for; they never
	// fall, though the time of a member that nobody waits for is lost with it.
	UserTicks, SystemTicks uint64
	Processes, Threads     int
}

// Tree follows the processes of a job: those in its leader's group, and all that descend from a process that was seen to
// belong, wherever they have gone since. It is for one thread at a time.
type Tree struct {
	kernel  Kernel
	leader  int
	group   bool // whether the leader's process group is the job's own
	members []Identity
	user    uint64
	system  uint64
}

// NewTree starts a tree at a process. That of a job, which leads a group of its own, has the group's members too.
func NewTree(kernel Kernel, leader int, ownGroup bool) *Tree {
	t := &Tree{kernel: kernel, leader: leader, group: ownGroup}
	t.add(leader)
	return t
}

func (t *Tree) add(pid int) {
	if slices.ContainsFunc(t.members, func(m Identity) bool { return m.PID == pid }) {
		return
	}
	if who, err := t.kernel.Identify(pid); err == nil && !who.Ended {
		t.members = append(t.members, who)
	}
}

// Update looks at the tree now.
func (t *Tree) Update() Totals {
	if t.group {
		for _, pid := range t.kernel.Group(t.leader) {
			t.add(pid)
		}
	}
	var sum Totals
	var user, system uint64
	live := make([]Identity, 0, len(t.members))
	for i := 0; i < len(t.members); i++ { // grows as children are found
		m := t.members[i]
		who, task, usage, err := t.kernel.Process(m.PID)
		if err != nil || who.Started != m.Started {
			continue
		}
		user += usage.UserTicks + usage.ChildUserTicks
		system += usage.SystemTicks + usage.ChildSystemTicks
		if who.Ended {
			continue
		}
		live = append(live, who)
		sum.Footprint += usage.Footprint
		sum.Virtual += task.Virtual
		sum.Processes++
		sum.Threads += task.Threads
		for _, child := range t.kernel.Children(m.PID) {
			t.add(child)
		}
	}
	t.members = live
	t.user, t.system = max(t.user, user), max(t.system, system)
	sum.UserTicks, sum.SystemTicks = t.user, t.system
	return sum
}

// Footprint reads the memory of the members of the last Update.
func (t *Tree) Footprint() uint64 {
	sum := uint64(0)
	for _, m := range t.members {
		if footprint, err := t.kernel.Footprint(m.PID); err == nil {
			sum += footprint
		}
	}
	return sum
}

// signal sends a signal to every member that lives, and returns how many were reached. Who has taken a member's process id
// since is told by its start.
func (t *Tree) signal(signal syscall.Signal, except int) int {
	reached := 0
	for _, m := range t.members {
		if m.PID == except {
			continue
		}
		who, err := t.kernel.Identify(m.PID)
		if err != nil || who.Ended || who.Started != m.Started {
			continue
		}
		if t.kernel.Signal(m.PID, signal) == nil {
			reached++
		}
	}
	return reached
}

// Kill finds the members anew and kills them.
func (t *Tree) Kill() {
	t.Update()
	t.signal(sigkill, 0)
}

// End kills every member and every process that they have started meanwhile, and returns when none lives but the leader, if
// that is not to be touched. wait waits; it is given how long.
func (t *Tree) End(wait func(time.Duration), leaveLeader bool) {
	except := 0
	if leaveLeader {
		except = t.leader
	}
	for pause := 50 * time.Microsecond; ; pause = min(2*pause, 10*time.Millisecond) {
		t.Update()
		if t.signal(sigkill, except) == 0 {
			return
		}
		wait(pause)
	}
}

// Descendants lists the children of a process, and with all those of its children, among all the processes of the system.
func Descendants(processes []Identity, pid int, all bool) []int {
	var found []int
	parents := []int{pid}
	for before := -1; before != len(found); {
		before = len(found)
		for _, p := range processes {
			if slices.Contains(parents, p.Parent) && p.PID != pid && !p.Ended && !slices.Contains(found, p.PID) {
				found = append(found, p.PID)
			}
		}
		if !all {
			break
		}
		parents = append(parents[:1], found...)
	}
	return found
}

// Hold stops a tree that is not a job's, again and again until no member is new: a stopped process starts no other. list lists
// all the processes of the system.
func (t *Tree) Hold(list func() ([]Identity, error)) {
	for before := -1; before != len(t.members); {
		before = len(t.members)
		processes, err := list()
		if err != nil {
			return
		}
		for _, pid := range Descendants(processes, t.leader, true) {
			t.add(pid)
		}
		t.signal(sigstop, 0)
	}
}
