package tree

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"libmimir/core/internal/procfs"
	"libmimir/core/internal/rlimit"
)

// Totals are the sums over a tree at one moment.
type Totals struct {
	ResidentPages, VirtualBytes uint64
	// UserTicks and SystemTicks are the CPU time of the members and of the descendants that they have waited for; they never
	// fall, though the time of a member that nobody waits for is lost with it.
	UserTicks, SystemTicks uint64
	Processes, Threads     int
	// LeaderRan is false when the leader has not run since the look before.
	LeaderRan bool
}

// Tree follows the processes of a job. Update and Each are for one thread at a time; Signal is for any.
type Tree struct {
	fs     procfs.FS
	mark   Mark // zero without one
	leader int
	// limits reads a process's RLIMIT_RTTIME; a test replaces it.
	limits func(pid int) (soft, hard uint64, err error)
	// lastPID is the id that was given out last, to a process or thread.
	lastPID func() (int, error)
	// clock reads a process's CPU time; a test replaces it.
	clock func(pid int) (ns uint64, ok bool)

	members []member
	looks   int
	// looked is the last process id that was looked at; early are ids that were given out and not there yet when they were.
	looked int
	early  []int
	// scan is set where the kernel does not list children, in a tree without a mark.
	scan   bool
	user   uint64
	system uint64
}

type member struct {
	pid   int
	start uint64
	alive bool
	// stat is what was read last, when the member's CPU time was clock; pages its resident memory when that was paged.
	stat         procfs.Stat
	pages        uint64
	clock, paged uint64
}

// newMember is one that has not been looked at yet.
func newMember(pid int, start uint64) member {
	return member{pid: pid, start: start, clock: noClock, paged: noClock}
}

const (
	// thorough is after how many looks all members are read, whether they have run or not: for kernels whose clocks are coarse.
	thorough = 16
	// anyStart is the time of start of the leader until it is first looked at: a short job does without the look.
	anyStart = ^uint64(0)
	// noClock is no member's CPU time.
	noClock = ^uint64(0)
	// mostLooks is how many process ids are looked at one by one; for more, /proc is read instead.
	mostLooks = 2048
	mostEarly = 64
)

// New starts a tree at its leader, which must be a process that the caller has started and not yet waited for. lastPID is
// procfs.FS.LastPID, or what does the same.
func New(fs procfs.FS, lastPID func() (int, error), leader int, mark Mark) *Tree {
	t := &Tree{fs: fs, lastPID: lastPID, mark: mark, leader: leader, looked: leader, limits: limitsOf(fs),
		clock: cpuTime, members: []member{newMember(leader, anyStart)}}
	t.members[0].alive = true
	return t
}

// limitsOf asks the kernel, or where another user's process does not let it, the file.
func limitsOf(fs procfs.FS) func(int) (uint64, uint64, error) {
	return func(pid int) (uint64, uint64, error) {
		soft, hard, err := rlimit.Get(pid, Rlimit)
		if err == unix.EPERM {
			return fs.RealtimeLimit(pid)
		}
		return soft, hard, err
	}
}

// cpuTime asks the kernel for the CPU time of a process, children left out: one system call, where a file takes three.
func cpuTime(pid int) (ns uint64, ok bool) {
	const schedulerClock = 2 // CPUCLOCK_SCHED of the whole process
	var ts unix.Timespec
	if unix.ClockGettime(int32(^pid<<3|schedulerClock), &ts) != nil {
		return 0, false
	}
	return uint64(ts.Nano()), true
}

// ranSince reports whether a member may have run since its CPU time was that. One that has not has come by no memory, has
// waited for no child and has not ended.
func (t *Tree) ranSince(m *member, then uint64) (now uint64, ran bool) {
	now, ok := t.clock(m.pid)
	if !ok {
		return noClock, true
	}
	return now, now != then
}

// read brings what is known of a member up to date. It reports whether the member was there, and whether it had run.
func (t *Tree) read(m *member) (there, ran bool) {
	now, ran := t.ranSince(m, m.clock)
	if !ran && m.alive && t.looks%thorough != 0 {
		return true, false
	}
	s, err := t.fs.Stat(m.pid)
	if err != nil || s.StartTicks != m.start && m.start != anyStart {
		return false, true
	}
	m.start, m.stat, m.clock = s.StartTicks, s, now
	m.pages, m.paged = s.ResidentPages, now
	return true, true
}

func (t *Tree) marked() bool { return t.mark.Hard != 0 }

// bears reports whether a process bears the mark; known is false when there is no such process now.
func (t *Tree) bears(pid int) (bears, known bool) {
	soft, hard, err := t.limits(pid)
	if err != nil {
		return false, err != unix.ESRCH && err != procfs.ErrGone
	}
	return t.mark.matches(soft, hard), true
}

// since calls visit for each process id that was given out after a given one, until visit returns false. It returns the last; with
// an error it has tried all that there are.
func (t *Tree) since(pid int, visit func(pid int) bool) (int, error) {
	last, err := t.lastPID()
	if err != nil || !countable(pid, last) {
		t.fs.EachPID(visit)
		return last, err
	}
	for p := pid + 1; p <= last && visit(p); p++ {
	}
	return last, nil
}

// countable reports whether the ids after one and up to another can be looked at one by one: whether the numbers have not started
// anew in between, and there are not many.
func countable(pid, last int) bool { return pid <= last && last-pid <= mostLooks }

// Update looks at the tree now.
func (t *Tree) Update() Totals {
	switch {
	case t.marked():
		_, _ = t.findMarked()
	case t.scan:
		t.findKin()
	}
	var sum Totals
	var user, system uint64
	t.looks++
	for i := 0; i < len(t.members); i++ { // grows as children are found
		m := &t.members[i]
		there, ran := t.read(m)
		if m.pid == t.leader {
			sum.LeaderRan = ran
		}
		if !there {
			m.alive = false
			continue
		}
		s := &m.stat
		user += s.UserTicks + s.ChildUserTicks
		system += s.SystemTicks + s.ChildSystemTicks
		if s.Dead() {
			m.alive = false
			continue
		}
		m.alive = true
		sum.ResidentPages += s.ResidentPages
		sum.VirtualBytes += s.VirtualBytes
		sum.Processes++
		sum.Threads += s.Threads
		if !t.marked() && ran {
			t.findChildren(m.pid, s.Threads)
		}
	}
	live := t.members[:0]
	for _, m := range t.members {
		if m.alive || m.pid == t.leader {
			live = append(live, m)
		}
	}
	t.members = live
	t.user, t.system = max(t.user, user), max(t.system, system)
	sum.UserTicks, sum.SystemTicks = t.user, t.system
	return sum
}

// ResidentPages is the resident memory, now, of those that were alive at the last Update.
func (t *Tree) ResidentPages() (pages uint64) {
	for i := range t.members {
		m := &t.members[i]
		if !m.alive {
			continue
		}
		if now, ran := t.ranSince(m, m.paged); ran {
			statm, err := t.fs.Statm(m.pid)
			if err != nil {
				continue // it has ended
			}
			m.pages, m.paged = statm.Resident, now
		}
		pages += m.pages
	}
	return pages
}

// findMarked adds the marked processes among those that were started since the last look. It reports whether none was started;
// with an error, whether none was found.
func (t *Tree) findMarked() (none bool, err error) {
	before := len(t.members)
	for _, pid := range t.early {
		if bears, _ := t.bears(pid); bears {
			t.add(pid)
		}
	}
	t.early = t.early[:0]
	last, err := t.since(t.looked, func(pid int) bool {
		bears, known := t.bears(pid)
		if bears {
			t.add(pid)
		}
		if !known {
			if len(t.early) == mostEarly { // the latest are those that may be on their way
				t.early = t.early[:copy(t.early, t.early[1:])]
			}
			t.early = append(t.early, pid)
		}
		return true
	})
	if err != nil {
		return len(t.members) == before, err
	}
	none = last == t.looked
	t.looked = last
	return none, nil
}

// add makes a process a member. A thread, whose id is given out like a process's, is none.
func (t *Tree) add(pid int) {
	for i := range t.members {
		if t.members[i].pid == pid {
			return
		}
	}
	if s, err := t.fs.Stat(pid); err == nil && t.fs.IsProcess(pid) {
		t.members = append(t.members, newMember(pid, s.StartTicks))
	}
}

// findChildren adds the children of a member, by asking the kernel for those of each of its threads.
func (t *Tree) findChildren(pid, threads int) {
	if t.scan {
		return
	}
	if !t.fs.EachChild(pid, threads, t.add) {
		t.scan = true // a kernel that does not list children
		t.findKin()
	}
}

// findKin adds every process whose parent is a member or whose group is the leader's, until none is new.
func (t *Tree) findKin() {
	for before := -1; before != len(t.members); {
		before = len(t.members)
		t.fs.EachProcess(func(s *procfs.Stat) bool {
			if s.Group == t.leader || t.has(s.Parent) {
				t.add(s.PID)
			}
			return true
		})
	}
}

func (t *Tree) has(pid int) bool {
	for i := range t.members {
		if t.members[i].pid == pid {
			return true
		}
	}
	return false
}

// Signal sends a signal to every process of a marked tree that lives.
func (t *Tree) Signal(signal syscall.Signal) {
	t.signalOne(t.leader, signal)
	_, _ = t.since(t.leader, func(pid int) bool {
		t.signalOne(pid, signal)
		return true
	})
}

// signalOne sends a signal to a process, if it lives and bears the mark, and reports whether it has. The process is held by its
// descriptor while its mark is looked at, so that no other with the same id is hit.
func (t *Tree) signalOne(pid int, signal syscall.Signal) bool {
	if bears, _ := t.bears(pid); !bears {
		return false
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err == unix.ENOSYS { // before 5.3
		s, err := t.fs.Stat(pid)
		return err == nil && !s.Dead() && unix.Kill(pid, signal) == nil
	}
	if err != nil { // a thread, or gone
		return false
	}
	defer unix.Close(fd)
	s, err := t.fs.Stat(pid)
	if bears, _ := t.bears(pid); !bears || err != nil || s.Dead() {
		return false
	}
	return unix.PidfdSendSignal(fd, signal, nil, 0) == nil
}

// End kills what is left of a marked tree whose leader has ended, and returns when none lives. killGroup kills the leader's group;
// it is not called when no process was started since the leader. wait waits; it is given how long.
func (t *Tree) End(killGroup func(), wait func(time.Duration)) {
	before := t.looked
	none, err := t.findMarked()
	if err == nil && none && t.looked == t.leader {
		return
	}
	killGroup()
	// Each that was started since the look before is there, and is somebody else's: nobody can start one that bears the mark.
	if err == nil && countable(before, t.looked) && len(t.early) == 0 && len(t.members) == 1 {
		return
	}
	for pause := 50 * time.Microsecond; ; {
		reached := 0
		for i := range t.members {
			if pid := t.members[i].pid; pid != t.leader && t.signalOne(pid, unix.SIGKILL) {
				reached++
			}
		}
		if reached > 0 {
			wait(pause)
			pause = min(2*pause, 10*time.Millisecond)
		}
		// One that was gone when it was looked at may have left a child that was not there yet when the last id was asked for.
		if none, _ := t.findMarked(); none && reached == 0 {
			return
		}
	}
}

// Descendants lists the children of a process, and with all those of its children, as they are now.
func Descendants(fs procfs.FS, pid int, all bool) []int {
	t := Tree{fs: fs, members: []member{{pid: pid}}}
	if all {
		t.findParents()
	} else {
		fs.EachProcess(func(s *procfs.Stat) bool {
			if s.Parent == pid && !s.Dead() {
				t.members = append(t.members, member{pid: s.PID})
			}
			return true
		})
	}
	found := make([]int, 0, len(t.members))
	for _, m := range t.members[1:] {
		found = append(found, m.pid)
	}
	return found
}

// findParents adds every process whose parent is a member, until none is new.
func (t *Tree) findParents() {
	for before := -1; before != len(t.members); {
		before = len(t.members)
		t.fs.EachProcess(func(s *procfs.Stat) bool {
			if t.has(s.Parent) && !t.has(s.PID) && !s.Dead() {
				t.members = append(t.members, member{pid: s.PID, start: s.StartTicks})
			}
			return true
		})
	}
}

// Kill ends a process that is not a job's, and its descendants. They are stopped first, the parents before the children, so
// that none can start another or be handed to another parent unseen; a process is held by its descriptor while its
// start is looked at.
func Kill(fs procfs.FS, pid int) error {
	held := map[int]int{} // descriptors, by process id
	defer func() {
		for _, fd := range held {
			_ = unix.Close(fd)
		}
	}()
	hold := func(pid int) error {
		s, err := fs.Stat(pid)
		if err != nil {
			return err
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			return err
		}
		if again, err := fs.Stat(pid); err != nil || again.StartTicks != s.StartTicks {
			_ = unix.Close(fd)
			return procfs.ErrGone
		}
		if err := unix.PidfdSendSignal(fd, unix.SIGSTOP, nil, 0); err != nil {
			_ = unix.Close(fd)
			return err
		}
		held[pid] = fd
		return nil
	}
	if err := hold(pid); err != nil {
		return err
	}
	for before := 0; before != len(held); {
		before = len(held)
		for _, child := range Descendants(fs, pid, true) {
			if _, is := held[child]; !is {
				_ = hold(child) // another user's, or gone
			}
		}
	}
	for _, fd := range held {
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	}
	for _, fd := range held {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		for {
			if _, err := unix.Ppoll(fds, nil, nil); err != unix.EINTR {
				break
			}
		}
	}
	return nil
}
