package procfs

import "bytes"

const pathSize = 512

// path writes root/<pid>/name, or root/self/name for pid 0, zero-terminated.
func (f FS) path(out *[pathSize]byte, pid int, name string) bool {
	n := copy(out[:], f.root)
	if n+len(name)+32 > pathSize {
		return false
	}
	out[n] = '/'
	n++
	if pid == 0 {
		n += copy(out[n:], "self")
	} else {
		n += writeNumber(out[n:], pid)
	}
	out[n] = '/'
	n++
	n += copy(out[n:], name)
	out[n] = 0
	return true
}

func writeNumber(out []byte, n int) int {
	var digits [20]byte
	i := len(digits)
	for {
		i--
		digits[i] = byte('0' + n%10)
		if n /= 10; n == 0 {
			break
		}
	}
	return copy(out, digits[i:])
}

// Statm reads memory in pages. pid 0 is the caller.
func (f FS) Statm(pid int) (Statm, error) {
	var path [pathSize]byte
	var b [128]byte
	if !f.path(&path, pid, "statm") {
		return Statm{}, ErrFormat
	}
	n, err := readFile(&path, b[:])
	if err != nil {
		return Statm{}, err
	}
	s, ok := ParseStatm(b[:n])
	if !ok {
		return Statm{}, ErrFormat
	}
	return s, nil
}

// Stat reads the state, times and kin of a process.
func (f FS) Stat(pid int) (Stat, error) {
	var path [pathSize]byte
	var b [1024]byte
	if !f.path(&path, pid, "stat") {
		return Stat{}, ErrFormat
	}
	n, err := readFile(&path, b[:])
	if err != nil {
		return Stat{}, err
	}
	if n == 0 { // the process went away between open and read
		return Stat{}, ErrGone
	}
	s, ok := ParseStat(b[:n])
	if !ok {
		return Stat{}, ErrFormat
	}
	return s, nil
}

// PeakResident reads the most memory, in bytes, that a process had resident at once: VmHWM of its status file. A process
// without memory of its own, such as one that has ended, has none: ErrGone.
func (f FS) PeakResident(pid int) (uint64, error) {
	var path [pathSize]byte
	var b [4096]byte
	if !f.path(&path, pid, "status") {
		return 0, ErrFormat
	}
	n, err := readFile(&path, b[:])
	if err != nil {
		return 0, err
	}
	peak, ok := kibibytes(b[:n], "VmHWM")
	if !ok {
		return 0, ErrGone
	}
	return peak, nil
}

// Descriptors counts the open descriptors of a process, less the one that the count itself needs.
func (f FS) Descriptors(pid int) (int, error) {
	var path [pathSize]byte
	if !f.path(&path, pid, "fd") {
		return 0, ErrFormat
	}
	count := 0
	err := eachEntry(&path, func(name []byte) bool {
		if name[0] != '.' {
			count++
		}
		return true
	})
	if err == nil && pid == 0 {
		count--
	}
	return count, err
}

// Meminfo reads the memory of the system.
func (f FS) Meminfo() (Meminfo, error) {
	var b [4096]byte
	n, err := f.system("meminfo", b[:])
	if err != nil {
		return Meminfo{}, err
	}
	total, ok := kibibytes(b[:n], "MemTotal")
	if !ok {
		return Meminfo{}, ErrFormat
	}
	m := Meminfo{Total: total}
	for key, value := range map[string]*uint64{
		"MemAvailable": &m.Available, "SwapTotal": &m.SwapTotal, "SwapFree": &m.SwapFree, "Committed_AS": &m.Committed,
		"CommitLimit": &m.CommitLimit,
	} {
		*value, _ = kibibytes(b[:n], key)
	}
	return m, nil
}

// OwnsAllUsers reports whether the caller's user ids are those of the whole system: whether it is outside of every user
// namespace but the first.
func (f FS) OwnsAllUsers() bool {
	var path [pathSize]byte
	var b [128]byte
	if !f.path(&path, 0, "uid_map") {
		return false
	}
	n, err := readFile(&path, b[:])
	if err != nil {
		return true // a kernel without user namespaces
	}
	inside, rest, _ := number(b[:n])
	outside, rest, _ := number(rest)
	count, _, ok := number(rest)
	return ok && inside == 0 && outside == 0 && count == 1<<32-1
}

// system reads a file of the root itself.
func (f FS) system(name string, b []byte) (int, error) {
	var path [pathSize]byte
	if !f.systemPath(&path, name) {
		return 0, ErrFormat
	}
	return readFile(&path, b)
}

// systemPath writes root/name, zero-terminated.
func (f FS) systemPath(out *[pathSize]byte, name string) bool {
	if len(f.root)+len(name)+2 > pathSize {
		return false
	}
	n := copy(out[:], f.root)
	out[n] = '/'
	n += 1 + copy(out[n+1:], name)
	out[n] = 0
	return true
}

// System reads /proc/stat as far as it needs.
func (f FS) System() (System, error) {
	// The line of interrupts grows with the machine: 64 KiB hold those of hundreds of CPUs.
	b := make([]byte, 64<<10)
	n, err := f.system("stat", b)
	if err != nil {
		return System{}, err
	}
	return parseSystem(b[:n])
}

// MajorFaults reads from /proc/vmstat how often a page had to be read from a disk.
func (f FS) MajorFaults() (uint64, error) {
	b := make([]byte, 16<<10)
	n, err := f.system("vmstat", b)
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(b[:n]) {
		if rest, ok := bytes.CutPrefix(line, []byte("pgmajfault ")); ok {
			if faults, _, ok := number(rest); ok {
				return faults, nil
			}
		}
	}
	return 0, ErrFormat
}
