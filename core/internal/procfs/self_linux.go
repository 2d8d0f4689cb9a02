package procfs

import (
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// SelfStatm reads the caller's own statm from a descriptor that it keeps open, which costs a fifth of opening the file each
// time. The host can close that descriptor and use its number for a file of its own; a reading notices.
type SelfStatm struct {
	fs FS
	// descriptor is the kept one; none while there is none.
	descriptor atomic.Int32
	// size is the Size last seen. A text that repeats it is taken for ours; any other is checked by its inode.
	size atomic.Uint64

	mu          sync.Mutex
	device, ino uint64
}

const (
	noDescriptor = -1
	// keptAbove keeps the descriptor away from the numbers that a program closes, counts and reuses, where the limit on
	// open files leaves that much room.
	keptAbove = 192
)

// NewSelfStatm opens nothing: the first reading does.
func NewSelfStatm(f FS) *SelfStatm {
	s := &SelfStatm{fs: f}
	s.descriptor.Store(noDescriptor)
	return s
}

// Read makes a reading.
func (s *SelfStatm) Read() (Statm, error) {
	if fd := s.descriptor.Load(); fd != noDescriptor {
		if statm, ok := s.pread(uintptr(fd)); ok {
			if statm.Size == s.size.Load() {
				return statm, nil
			}
			if s.own(uintptr(fd)) {
				s.size.Store(statm.Size)
				return statm, nil
			}
		}
	}
	if statm, ok := s.reopen(); ok {
		return statm, nil
	}
	return s.fs.Statm(0)
}

func (s *SelfStatm) pread(fd uintptr) (Statm, bool) {
	var b [128]byte
	n, _, errno := syscall.RawSyscall6(unix.SYS_PREAD64, fd, uintptr(unsafe.Pointer(&b)), unsafe.Sizeof(b), 0, 0, 0)
	if errno != 0 {
		return Statm{}, false
	}
	return ParseStatm(b[:n])
}

// own reports whether fd is still the file that was opened.
func (s *SelfStatm) own(fd uintptr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	device, ino, ok := identity(fd)
	return ok && device == s.device && ino == s.ino
}

func identity(fd uintptr) (device, ino uint64, ok bool) {
	var st unix.Stat_t
	if err := unix.Fstat(int(fd), &st); err != nil {
		return 0, 0, false
	}
	return uint64(st.Dev), st.Ino, true
}

// reopen replaces a descriptor that is no longer ours; the number itself then belongs to the host and is left alone.
func (s *SelfStatm) reopen() (Statm, bool) {
	var path [pathSize]byte
	if !s.fs.path(&path, 0, "statm") {
		return Statm{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	low, _, errno := syscall.RawSyscall6(unix.SYS_OPENAT, atFDCWD, uintptr(unsafe.Pointer(&path)),
		unix.O_RDONLY|unix.O_CLOEXEC, 0, 0, 0)
	if errno != 0 {
		return Statm{}, false
	}
	fd, _, errno := syscall.RawSyscall(unix.SYS_FCNTL, low, unix.F_DUPFD_CLOEXEC, keptAbove)
	if errno != 0 { // the limit on open files leaves no room up there
		fd = low
	} else {
		syscall.RawSyscall(unix.SYS_CLOSE, low, 0, 0)
	}
	statm, ok := s.pread(fd)
	if ok {
		s.device, s.ino, ok = identity(fd)
	}
	old := s.descriptor.Load()
	if !ok {
		syscall.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
		return Statm{}, false
	}
	// Another thread may have replaced it in the meantime: that one is ours still, and one is enough.
	if device, ino, same := identityOf(old); same && device == s.device && ino == s.ino {
		syscall.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
		return statm, true
	}
	s.descriptor.Store(int32(fd))
	s.size.Store(statm.Size)
	return statm, true
}

func identityOf(fd int32) (device, ino uint64, ok bool) {
	if fd == noDescriptor {
		return 0, 0, false
	}
	return identity(uintptr(fd))
}
