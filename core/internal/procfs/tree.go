package procfs

// Tree follows a process and its descendants, also those whose parent has ended, for as long as it has seen them before.
// A process is known by its PID and its start, so that a PID used anew is never taken for a member.
type Tree struct {
	fs      FS
	leader  int
	members []member
	// scan is set where the kernel does not list children: then all processes are looked through.
	scan                   bool
	userTicks, systemTicks uint64
}

type member struct {
	pid   int
	start uint64
	alive bool
}

// Totals are the sums over a tree at one moment.
type Totals struct {
	ResidentPages, VirtualBytes uint64
	// UserTicks and SystemTicks are the CPU time of the members and of the descendants that they have waited for; they never
	// fall, though the time of a member that nobody waits for is lost with it.
	UserTicks, SystemTicks uint64
	Processes              int
	Threads                int
}

// NewTree starts a tree at its leader, which must be a process that the caller has started and not yet waited for.
func NewTree(f FS, leader int) *Tree {
	t := &Tree{fs: f, leader: leader, members: make([]member, 0, 16)}
	if s, err := f.Stat(leader); err == nil {
		t.members = append(t.members, member{pid: leader, start: s.StartTicks, alive: true})
	}
	return t
}

// Update looks at the tree now. With thorough it looks through all processes of the system for members of the leader's
// process group and children that were missed, instead of asking each member for its children.
func (t *Tree) Update(thorough bool) Totals {
	var sum Totals
	var user, system uint64
	if thorough || t.scan {
		t.findAll()
	}
	for i := 0; i < len(t.members); i++ { // grows as children are found
		m := &t.members[i]
		s, err := t.fs.Stat(m.pid)
		if err != nil || s.StartTicks != m.start {
			m.alive = false
			continue
		}
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
		if !thorough && !t.scan {
			t.addChildren(m.pid, s.Threads)
		}
	}
	live := t.members[:0]
	for _, m := range t.members {
		if m.alive || m.pid == t.leader {
			live = append(live, m)
		}
	}
	t.members = live
	t.userTicks, t.systemTicks = max(t.userTicks, user), max(t.systemTicks, system)
	sum.UserTicks, sum.SystemTicks = t.userTicks, t.systemTicks
	return sum
}

// Each calls visit for each live member of the last Update.
func (t *Tree) Each(visit func(pid int)) {
	for _, m := range t.members {
		if m.alive {
			visit(m.pid)
		}
	}
}

// Alone reports whether the leader was the only live member at the last Update.
func (t *Tree) Alone() bool { return len(t.members) == 1 && t.members[0].pid == t.leader }

func (t *Tree) add(pid int) {
	for i := range t.members {
		if t.members[i].pid == pid {
			return
		}
	}
	if s, err := t.fs.Stat(pid); err == nil {
		t.members = append(t.members, member{pid: pid, start: s.StartTicks})
	}
}

func (t *Tree) addChildren(pid, threads int) {
	if threads <= 1 {
		t.addThreadChildren(pid, pid)
		return
	}
	var path [pathSize]byte
	if !t.fs.path(&path, pid, "task") {
		return
	}
	_ = eachEntry(&path, func(name []byte) bool {
		if tid, _, ok := number(name); ok {
			t.addThreadChildren(pid, int(tid))
		}
		return true
	})
}

// addThreadChildren adds the processes that one thread has started: /proc/<pid>/task/<tid>/children.
func (t *Tree) addThreadChildren(pid, tid int) {
	var path [pathSize]byte
	var name [48]byte
	n := copy(name[:], "task/")
	n += writeNumber(name[n:], tid)
	n += copy(name[n:], "/children")
	if !t.fs.path(&path, pid, string(name[:n])) {
		return
	}
	var b [4096]byte
	n, err := readFile(&path, b[:])
	if err != nil {
		if _, alive := t.fs.Stat(pid); alive == nil {
			t.scan = true // a kernel without CONFIG_PROC_CHILDREN
			t.findAll()
		}
		return
	}
	if n == len(b) { // more children than fit: find them the slow way
		t.findAll()
		return
	}
	for rest := b[:n]; ; {
		child, after, ok := number(rest)
		if !ok {
			return
		}
		t.add(int(child))
		rest = after
	}
}

// findAll adds every process whose parent is a live member or whose group is the leader's, until none is new.
func (t *Tree) findAll() {
	for before := -1; before != len(t.members); {
		before = len(t.members)
		t.fs.eachProcess(func(s *Stat) bool {
			if s.Group == t.leader || t.has(s.Parent) {
				t.add(s.PID)
			}
			return true
		})
	}
}

// eachProcess calls visit for each process of the system until it returns false.
func (f FS) eachProcess(visit func(s *Stat) bool) {
	var path [pathSize]byte
	copy(path[:pathSize-1], f.root)
	_ = eachEntry(&path, func(name []byte) bool {
		pid, rest, ok := number(name)
		if !ok || len(rest) > 0 {
			return true
		}
		s, err := f.Stat(int(pid))
		return err != nil || visit(&s)
	})
}

// GroupLives reports whether a process group has a member that has not ended.
func (f FS) GroupLives(group int) bool {
	lives := false
	f.eachProcess(func(s *Stat) bool {
		lives = s.Group == group && !s.Dead()
		return !lives
	})
	return lives
}

func (t *Tree) has(pid int) bool {
	for i := range t.members {
		if t.members[i].pid == pid {
			return true
		}
	}
	return false
}
