package cgroup

import (
	"bytes"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"libmimir/core/internal/procfs"
)

// Parents are the groups under which the caller can make groups, by controller.
type Parents struct {
	// unified is a directory of version 2, "" without one, and the controllers that its children have.
	unified    string
	controlled map[Controller]bool
	// split are directories of version 1.
	split map[Controller]string
}

// Find looks for groups that can be written, by the files below root ("" is the system's own).
func Find(root string) *Parents {
	p := &Parents{controlled: map[Controller]bool{}, split: map[Controller]string{}}
	eachOwn(root, func(c Controller, mounts []byte, group string) {
		if c == "" {
			p.findUnified(root, mounts, group)
		} else if dir := mounted(root, mounts, "cgroup", string(c), group); dir != "" && writable(dir) {
			p.split[c] = dir
		}
	})
	return p
}

// eachOwn calls visit for each group that the caller is in: that of version 2 without a controller, and those of version 1.
func eachOwn(root string, visit func(c Controller, mounts []byte, group string)) {
	own, err := procfs.ReadFile(root + "/proc/self/cgroup")
	if err != nil {
		return
	}
	mounts, err := procfs.ReadFile(root + "/proc/self/mountinfo")
	if err != nil {
		return
	}
	for line := range bytes.Lines(own) {
		// hierarchy:controllers:path
		fields := strings.SplitN(strings.TrimSpace(string(line)), ":", 3)
		if len(fields) != 3 {
			continue
		}
		for _, name := range strings.Split(fields[1], ",") {
			if c := Controller(name); c == "" || c == Memory || c == PIDs || c == CPU {
				visit(c, mounts, fields[2])
			}
		}
	}
}

// above is the group that a group is in, "" for the highest.
func above(group string) string {
	if group == "/" || group == "" {
		return ""
	}
	return max(group[:strings.LastIndexByte(group, '/')], "/")
}

// findUnified takes the nearest directory above the caller's group, or that itself, whose children can have controllers and
// into which processes may be moved from here.
func (p *Parents) findUnified(root string, mounts []byte, own string) {
	for path := own; path != ""; path = above(path) {
		dir := mounted(root, mounts, "cgroup2", "", path)
		if dir != "" && writable(dir) && writable(dir+"/cgroup.procs") {
			text, err := procfs.ReadFile(dir + "/cgroup.subtree_control")
			if err == nil && len(bytes.TrimSpace(text)) > 0 {
				p.unified = dir
				for _, name := range strings.Fields(string(text)) {
					p.controlled[Controller(name)] = true
				}
				return
			}
		}
	}
}

// mounted is where a group of a hierarchy is seen in the file system, "" where it is not.
func mounted(root string, mounts []byte, kind, controller, group string) string {
	for line := range bytes.Lines(mounts) {
		// id parent device root mountpoint options optional... - type source superoptions
		before, after, ok := strings.Cut(strings.TrimSpace(string(line)), " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !ok || len(left) < 5 || len(right) < 3 || right[0] != kind {
			continue
		}
		if controller != "" && !contains(strings.Split(right[2], ","), controller) {
			continue
		}
		// A group outside of what is mounted cannot be seen.
		inside, ok := strings.CutPrefix(group, strings.TrimSuffix(left[3], "/"))
		if !ok || inside != "" && inside[0] != '/' {
			continue
		}
		return strings.TrimSuffix(root+left[4]+inside, "/")
	}
	return ""
}

func contains(list []string, wanted string) bool {
	for _, item := range list {
		if item == wanted {
			return true
		}
	}
	return false
}

// Dirs are the directories in which groups are made.
func (p *Parents) Dirs() []string {
	var dirs []string
	if p.unified != "" {
		dirs = append(dirs, p.unified)
	}
	for _, dir := range p.split {
		dirs = append(dirs, dir)
	}
	return dirs
}

// Has reports whether groups with a controller can be made.
func (p *Parents) Has(c Controller) bool { return p.controlled[c] || p.split[c] != "" }

// Group is a group of one job.
type Group struct {
	unified string
	split   map[Controller]string
	// descriptors are open files by which a process enters: the directory in version 2, tasks in version 1.
	unifiedFD int
	splitFDs  []int
}

// New makes a group with limits. What cannot be limited is refused.
func (p *Parents) New(name string, l Limits) (*Group, error) {
	g := &Group{split: map[Controller]string{}, unifiedFD: -1}
	wanted := map[Controller]bool{Memory: l.MemoryBytes != nil, PIDs: l.Processes != nil, CPU: l.CPUMillis != nil}
	unified := false
	for c, want := range wanted {
		switch {
		case !want:
		case p.controlled[c]:
			unified = true
		case p.split[c] != "":
			g.split[c] = p.split[c] + "/" + name
		default:
			return nil, ErrUnavailable
		}
	}
	if err := g.make(p, name, unified); err != nil {
		g.Close()
		return nil, err
	}
	if err := g.limit(l); err != nil {
		g.Close()
		return nil, err
	}
	return g, nil
}

func (g *Group) make(p *Parents, name string, unified bool) (err error) {
	if unified {
		dir := p.unified + "/" + name
		if err := unix.Mkdir(dir, 0o755); err != nil {
			return err
		}
		g.unified = dir
		if g.unifiedFD, err = unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
			return err
		}
	}
	made := map[string]bool{} // two controllers may share a hierarchy
	for c, dir := range g.split {
		if made[dir] {
			continue
		}
		if err := unix.Mkdir(dir, 0o755); err != nil {
			delete(g.split, c)
			return err
		}
		made[dir] = true
		// A thread that moves itself by this file waits for nobody; by cgroup.procs it would wait for all CPUs.
		fd, err := unix.Open(dir+"/tasks", writing, 0o644)
		if err != nil {
			return err
		}
		g.splitFDs = append(g.splitFDs, fd)
	}
	return nil
}

// period is the length, in microseconds, of the periods in which CPU time is given out.
const period = 100_000

func (g *Group) limit(l Limits) error {
	var failed error
	set := func(file string, value string) {
		if failed == nil {
			failed = write(file, value)
		}
	}
	if l.MemoryBytes != nil {
		value := strconv.FormatUint(*l.MemoryBytes, 10)
		if dir := g.split[Memory]; dir != "" {
			set(dir+"/memory.limit_in_bytes", value)
			_ = write(dir+"/memory.memsw.limit_in_bytes", value) // where swap is counted
			_ = write(dir+"/memory.swappiness", "0")
		} else {
			set(g.unified+"/memory.max", value)
			_ = write(g.unified+"/memory.swap.max", "0")
			_ = write(g.unified+"/memory.oom.group", "1")
		}
	}
	if l.Processes != nil {
		dir := g.split[PIDs]
		if dir == "" {
			dir = g.unified
		}
		set(dir+"/pids.max", strconv.FormatUint(*l.Processes, 10))
	}
	if l.CPUMillis != nil {
		quota := strconv.FormatUint(max(*l.CPUMillis*period/1000, 1000), 10)
		if dir := g.split[CPU]; dir != "" {
			set(dir+"/cpu.cfs_period_us", strconv.Itoa(period))
			set(dir+"/cpu.cfs_quota_us", quota)
		} else {
			set(g.unified+"/cpu.max", quota+" "+strconv.Itoa(period))
		}
	}
	return failed
}

// Unified is a descriptor of the directory of version 2 for a clone into it, -1 without one.
func (g *Group) Unified() int { return g.unifiedFD }

// Split are descriptors of files of version 1 into which a process writes "0" to enter.
func (g *Group) Split() []int { return g.splitFDs }

// Events reads what the kernel has done.
func (g *Group) Events() Events {
	var e Events
	if dir := g.split[Memory]; dir != "" {
		e.OOMKills = number(dir+"/memory.oom_control", "oom_kill ")
	} else if g.unified != "" {
		e.OOMKills = number(g.unified+"/memory.events", "oom_kill ")
	}
	if dir := g.split[PIDs]; dir != "" {
		e.ProcessesRefused = number(dir+"/pids.events", "max ")
	} else if g.unified != "" {
		e.ProcessesRefused = number(g.unified+"/pids.events", "max ")
	}
	return e
}

// MemoryPeak is the most memory that was charged to the group at once, in bytes; 0 where it is not told.
func (g *Group) MemoryPeak() uint64 {
	file := g.unified + "/memory.peak"
	if dir := g.split[Memory]; dir != "" {
		file = dir + "/memory.max_usage_in_bytes"
	}
	return number(file, "")
}

// Kill ends every process of a version 2 group at once, and reports whether it could.
func (g *Group) Kill() bool {
	return g.unified != "" && write(g.unified+"/cgroup.kill", "1") == nil
}

// Close removes the group, which must have no processes that live. The dead may take a moment to leave.
func (g *Group) Close() {
	for _, fd := range append(g.splitFDs, g.unifiedFD) {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
	g.splitFDs, g.unifiedFD = nil, -1
	dirs := []string{g.unified}
	for _, dir := range g.split {
		dirs = append(dirs, dir)
	}
	for _, dir := range dirs {
		if dir != "" {
			remove(dir)
		}
	}
	g.unified, g.split = "", map[Controller]string{}
}

func remove(dir string) {
	for pause := int64(100_000); pause < 1_000_000_000; pause *= 2 {
		if err := unix.Rmdir(dir); err != unix.EBUSY {
			return
		}
		ts := unix.NsecToTimespec(pause)
		_ = unix.Nanosleep(&ts, nil)
	}
}

func writable(path string) bool { return unix.Access(path, unix.W_OK) == nil }

// writing opens a file of a group. A control group has its files when it is made, and lets none be created; a recorded one
// has none.
const writing = unix.O_WRONLY | unix.O_CLOEXEC | unix.O_TRUNC | unix.O_CREAT

func write(path, value string) error {
	fd, err := unix.Open(path, writing, 0o644)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(value))
	return err
}

// number reads the number behind a key at the start of a line; 0 where there is none.
func number(path, key string) uint64 {
	text, err := procfs.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(text) {
		if value, ok := bytes.CutPrefix(line, []byte(key)); ok {
			n, _ := strconv.ParseUint(strings.TrimSpace(string(value)), 10, 64)
			return n
		}
	}
	return 0
}
