package procfs

// LoadAverage reads /proc/loadavg from a descriptor that it keeps open: each end of a command asks for the last process id.
type LoadAverage struct {
	fs   FS
	file keptFile
}

// NewLoadAverage opens nothing: the first reading does.
func NewLoadAverage(f FS) *LoadAverage {
	l := &LoadAverage{fs: f}
	l.file.init()
	return l
}

// LastPID is FS.LastPID.
func (l *LoadAverage) LastPID() (int, error) {
	var b [loadSize]byte
	if fd := l.file.descriptor.Load(); fd != noDescriptor {
		if n, ok := pread(uintptr(fd), b[:]); ok && l.file.own(uintptr(fd)) {
			return parseLastPID(b[:n])
		}
	}
	var path [pathSize]byte
	if l.fs.systemPath(&path, "loadavg") {
		if fd, ok := l.file.reopen(&path); ok {
			if n, ok := pread(fd, b[:]); ok {
				return parseLastPID(b[:n])
			}
		}
	}
	return l.fs.LastPID()
}
