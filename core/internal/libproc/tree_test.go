package libproc

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// machine is a kernel with some processes.
type machine struct {
	processes map[int]*process
	// onKill is called when a process is killed: what it has started meanwhile comes to be.
	onKill func(pid int)
}

type process struct {
	who       Identity
	footprint uint64
	ticks     uint64
	stopped   bool
	another   bool // another user's: not to be read, nor signalled
}

func newMachine(processes ...process) *machine {
	m := &machine{processes: map[int]*process{}}
	for _, p := range processes {
		m.processes[p.who.PID] = &p
	}
	return m
}

func (m *machine) Process(pid int) (Identity, Task, Rusage, error) {
	p, ok := m.processes[pid]
	if !ok {
		return Identity{}, Task{}, Rusage{}, syscall.ESRCH
	}
	if p.another {
		return p.who, Task{}, Rusage{}, nil
	}
	return p.who, Task{Virtual: 1000, Threads: 2}, Rusage{UserTicks: p.ticks, ChildUserTicks: 1, SystemTicks: 3, Footprint: p.footprint}, nil
}

func (m *machine) Identify(pid int) (Identity, error) {
	who, _, _, err := m.Process(pid)
	return who, err
}

func (m *machine) Footprint(pid int) (uint64, error) {
	_, _, usage, err := m.Process(pid)
	return usage.Footprint, err
}

func (m *machine) where(is func(Identity) bool) (pids []int) {
	for pid, p := range m.processes {
		if is(p.who) {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

func (m *machine) Children(pid int) []int {
	return m.where(func(who Identity) bool { return who.Parent == pid })
}

func (m *machine) Group(group int) []int {
	return m.where(func(who Identity) bool { return who.Group == group })
}

func (m *machine) list() (all []Identity, err error) {
	for _, pid := range m.where(func(Identity) bool { return true }) {
		all = append(all, m.processes[pid].who)
	}
	return all, nil
}

func (m *machine) Signal(pid int, signal syscall.Signal) error {
	p, ok := m.processes[pid]
	if !ok || p.who.Ended || p.another {
		return syscall.EPERM
	}
	if signal == sigstop {
		p.stopped = true
		return nil
	}
	p.who.Ended = true
	if m.onKill != nil {
		m.onKill(pid)
	}
	return nil
}

func (m *machine) alive() []int {
	return m.where(func(who Identity) bool { return !who.Ended })
}

func running(pid, parent, group int) process {
	return process{who: Identity{PID: pid, Parent: parent, Group: group, Started: uint64(pid) * 100}, footprint: uint64(pid), ticks: 10}
}

func TestATreeIsItsGroupAndWhoeverDescendsFromAMember(t *testing.T) {
	m := newMachine(running(10, 1, 10), running(11, 10, 10), running(12, 1, 10), running(13, 11, 13), running(14, 13, 13),
		running(20, 1, 20), running(21, 20, 20))
	tree := NewTree(m, 10, true)
	sum := tree.Update()
	assert.Equal(t, 5, sum.Processes, "12 is an orphan of the group, 13 and 14 have a group of their own")
	assert.EqualValues(t, 10+11+12+13+14, sum.Footprint)
	assert.EqualValues(t, 5*11, sum.UserTicks)
	assert.EqualValues(t, 5*3, sum.SystemTicks)
	assert.Equal(t, 10, sum.Threads)
	assert.EqualValues(t, 5000, sum.Virtual)
	m.processes[14].footprint = 1 << 20
	assert.EqualValues(t, 10+11+12+13+1<<20, tree.Footprint())
}

func TestAMemberIsFollowedWhereverItGoes(t *testing.T) {
	m := newMachine(running(10, 1, 10), running(11, 10, 10))
	tree := NewTree(m, 10, true)
	tree.Update()
	m.processes[11].who.Parent, m.processes[11].who.Group = 1, 11 // a daemon
	m.processes[15] = &process{who: Identity{PID: 15, Parent: 11, Group: 15, Started: 1}}
	assert.Equal(t, 3, tree.Update().Processes)
}

func TestAProcessIDThatIsUsedAnewIsLeftAlone(t *testing.T) {
	m := newMachine(running(10, 1, 10), running(11, 10, 11))
	tree := NewTree(m, 10, true)
	before := tree.Update()
	m.processes[11] = &process{who: Identity{PID: 11, Parent: 1, Group: 11, Started: 5}, footprint: 1 << 40, ticks: 1 << 40}
	after := tree.Update()
	assert.Equal(t, 1, after.Processes)
	assert.EqualValues(t, 10, after.Footprint)
	assert.Equal(t, before.UserTicks, after.UserTicks, "CPU time never falls")
	tree.Kill()
	assert.Equal(t, []int{11}, m.alive())
}

func TestAnotherUsersProcessIsCountedAndDoesNotKeepTheEndFromComing(t *testing.T) {
	m := newMachine(running(10, 1, 10), running(11, 10, 10))
	m.processes[11].another = true
	tree := NewTree(m, 10, true)
	assert.Equal(t, 2, tree.Update().Processes)
	tree.End(func(time.Duration) {}, false)
	assert.Equal(t, []int{11}, m.alive())
}

func TestTheEndHasNoSurvivorsThoughProcessesAreStartedMeanwhile(t *testing.T) {
	m := newMachine(running(10, 1, 10), running(11, 10, 10), running(30, 1, 30))
	next := 100
	m.onKill = func(int) {
		if next < 105 { // a child that the dead one had just started, now an orphan of the group
			m.processes[next] = &process{who: Identity{PID: next, Parent: 1, Group: 10, Started: uint64(next)}}
			next++
		}
	}
	m.processes[10].who.Ended = true
	NewTree(m, 10, true).End(func(time.Duration) {}, true)
	assert.Equal(t, []int{30}, m.alive())
}

func TestATreeThatIsNotAJobsIsHeldBeforeItIsEndedAndItsPeersAreNot(t *testing.T) {
	m := newMachine(running(10, 1, 10), running(11, 10, 10), running(12, 11, 12), running(13, 1, 10))
	tree := NewTree(m, 10, false)
	tree.Hold(m.list)
	for pid, stopped := range map[int]bool{10: true, 11: true, 12: true, 13: false} {
		assert.Equal(t, stopped, m.processes[pid].stopped, pid)
	}
	tree.End(func(time.Duration) {}, false)
	assert.Equal(t, []int{13}, m.alive(), "a member of the group, as in a pipeline of a shell, is no descendant")
}

func TestDescendantsAreListedWithoutTheDead(t *testing.T) {
	m := newMachine(running(10, 1, 10), running(11, 10, 10), running(12, 11, 12), running(14, 10, 10), running(13, 1, 10))
	m.processes[14].who.Ended = true
	all, _ := m.list()
	assert.Equal(t, []int{11}, Descendants(all, 10, false))
	assert.ElementsMatch(t, []int{11, 12}, Descendants(all, 10, true))
	assert.Empty(t, Descendants(all, 99, true))
}
