package procfs

import "bytes"

// EachPID calls visit for each process id that /proc lists, until it returns false.
func (f FS) EachPID(visit func(pid int) bool) {
	var path [pathSize]byte
	copy(path[:pathSize-1], f.root)
	_ = eachEntry(&path, func(name []byte) bool {
		pid, rest, ok := number(name)
		return !ok || len(rest) > 0 || visit(int(pid))
	})
}

// EachProcess calls visit for each process until it returns false.
func (f FS) EachProcess(visit func(s *Stat) bool) {
	f.EachPID(func(pid int) bool {
		s, err := f.Stat(pid)
		return err != nil || visit(&s)
	})
}

// GroupLives reports whether a process group has a member that has not ended.
func (f FS) GroupLives(group int) bool {
	lives := false
	f.EachProcess(func(s *Stat) bool {
		lives = s.Group == group && !s.Dead()
		return !lives
	})
	return lives
}

// EachThread calls visit for the id of each thread of a process until it returns false; pid 0 is the caller.
func (f FS) EachThread(pid int, visit func(tid int) bool) error {
	var path [pathSize]byte
	if !f.path(&path, pid, "task") {
		return ErrFormat
	}
	return eachEntry(&path, func(name []byte) bool {
		tid, _, ok := number(name)
		return !ok || visit(int(tid))
	})
}

// EachChild calls visit for the children of a process that has a number of threads: /proc/<pid>/task/<tid>/children. It
// returns false where the kernel has no such file (CONFIG_PROC_CHILDREN) or its text is too long.
func (f FS) EachChild(pid, threads int, visit func(pid int)) bool {
	if threads <= 1 {
		return f.eachThreadChild(pid, pid, visit)
	}
	all := true
	_ = f.EachThread(pid, func(tid int) bool {
		all = f.eachThreadChild(pid, tid, visit) && all
		return true
	})
	return all
}

func (f FS) eachThreadChild(pid, tid int, visit func(pid int)) bool {
	var path [pathSize]byte
	var name [48]byte
	n := copy(name[:], "task/")
	n += writeNumber(name[n:], tid)
	n += copy(name[n:], "/children")
	if !f.path(&path, pid, string(name[:n])) {
		return false
	}
	var b [4096]byte
	n, err := readFile(&path, b[:])
	if err != nil {
		_, alive := f.Stat(pid)
		return alive != nil // the process has gone: no child is missed
	}
	for rest := b[:n]; ; {
		child, after, ok := number(rest)
		if !ok {
			return n < len(b)
		}
		visit(int(child))
		rest = after
	}
}

// LastPID is the id that was given out last, to a process or thread: the last field of /proc/loadavg.
func (f FS) LastPID() (int, error) {
	var b [loadSize]byte
	n, err := f.system("loadavg", b[:])
	if err != nil {
		return 0, err
	}
	return parseLastPID(b[:n])
}

// loadSize is more than /proc/loadavg can have.
const loadSize = 128

func parseLastPID(b []byte) (int, error) {
	start := len(b) - 1
	for start > 0 && b[start-1] != ' ' {
		start--
	}
	pid, _, ok := number(b[max(start, 0):])
	if !ok {
		return 0, ErrFormat
	}
	return int(pid), nil
}

// Threads is how many threads the system has: behind the slash in /proc/loadavg.
func (f FS) Threads() (int, error) {
	var b [loadSize]byte
	n, err := f.system("loadavg", b[:])
	if err != nil {
		return 0, err
	}
	_, rest, _ := bytes.Cut(b[:n], []byte("/"))
	threads, _, ok := number(rest)
	if !ok {
		return 0, ErrFormat
	}
	return int(threads), nil
}

// IsProcess reports whether an id is that of a process, and not of one of its threads.
func (f FS) IsProcess(pid int) bool {
	var path [pathSize]byte
	var b [512]byte
	if !f.path(&path, pid, "status") {
		return false
	}
	n, err := readFile(&path, b[:])
	if err != nil {
		return false
	}
	tgid, ok := field(b[:n], "Tgid")
	return ok && int(tgid) == pid
}

// RealtimeLimit reads RLIMIT_RTTIME from a process's limits file, which everybody may.
func (f FS) RealtimeLimit(pid int) (soft, hard uint64, err error) {
	var path [pathSize]byte
	var b [4096]byte
	if !f.path(&path, pid, "limits") {
		return 0, 0, ErrFormat
	}
	n, err := readFile(&path, b[:])
	if err != nil {
		return 0, 0, err
	}
	return parseRealtimeLimit(b[:n])
}
