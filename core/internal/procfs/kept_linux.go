package procfs

import (
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// keptFile is a file of /proc that is kept open: opening it anew costs several times what a reading does. The host can close the
// descriptor and use its number for a file of its own; own tells.
type keptFile struct {
	// descriptor is the kept one; noDescriptor while there is none.
	descriptor atomic.Int32

	mu          sync.Mutex
	device, ino uint64
}

const (
	noDescriptor = -1
	// keptAbove keeps the descriptor away from the numbers that a program closes, counts and reuses, where the limit on
	// open files leaves that much room.
	keptAbove = 192
)

func (k *keptFile) init() { k.descriptor.Store(noDescriptor) }

func pread(fd uintptr, b []byte) (n int, ok bool) {
	read, _, errno := syscall.RawSyscall6(unix.SYS_PREAD64, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0, 0, 0)
	return int(read), errno == 0
}

// own reports whether fd is still the file that was opened.
func (k *keptFile) own(fd uintptr) bool {
	device, ino, ok := identity(fd)
	k.mu.Lock()
	defer k.mu.Unlock()
	return ok && device == k.device && ino == k.ino
}

func identity(fd uintptr) (device, ino uint64, ok bool) {
	var st unix.Stat_t
	if err := unix.Fstat(int(fd), &st); err != nil {
		return 0, 0, false
	}
	return uint64(st.Dev), st.Ino, true
}

// reopen replaces a descriptor that is no longer ours; the number itself then belongs to the host and is left alone.
func (k *keptFile) reopen(path *[pathSize]byte) (fd uintptr, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	low, _, errno := syscall.RawSyscall6(unix.SYS_OPENAT, atFDCWD, uintptr(unsafe.Pointer(path)),
		unix.O_RDONLY|unix.O_CLOEXEC, 0, 0, 0)
	if errno != 0 {
		return 0, false
	}
	fd, _, errno = syscall.RawSyscall(unix.SYS_FCNTL, low, unix.F_DUPFD_CLOEXEC, keptAbove)
	if errno != 0 { // the limit on open files leaves no room up there
		fd = low
	} else {
		syscall.RawSyscall(unix.SYS_CLOSE, low, 0, 0)
	}
	device, ino, ok := identity(fd)
	if !ok {
		syscall.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
		return 0, false
	}
	// Another thread may have replaced it in the meantime: that one is ours still, and one is enough.
	if old := k.descriptor.Load(); old != noDescriptor {
		if oldDevice, oldIno, there := identity(uintptr(old)); there && oldDevice == device && oldIno == ino {
			syscall.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
			return uintptr(old), true
		}
	}
	k.device, k.ino = device, ino
	k.descriptor.Store(int32(fd))
	return fd, true
}
