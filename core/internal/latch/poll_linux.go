package latch

import (
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// worthLetting is the shortest wait for which the processor of the Go scheduler is given to others at once.
const worthLetting = 5 * time.Millisecond

// Poll waits in the calling thread until one of the descriptors is ready, for timeout at most. It answers how many are.
//
// In an ordinary system call the scheduler would go on watching for ten milliseconds, by a thread that wakes every 20 us,
// before it takes the processor from the waiting thread: several times the work of what such a wait is followed by. A long wait
// gives the processor away at once, which takes another thread; a short one keeps it, as long as there are others.
func Poll(fds []unix.PollFd, timeout time.Duration) (int, error) {
	timeout = max(timeout, 0)
	ts := unix.NsecToTimespec(int64(timeout))
	list, count := unsafe.Pointer(unsafe.SliceData(fds)), len(fds)
	var ready uintptr
	var errno syscall.Errno
	if timeout >= worthLetting {
		ready, errno = pollBlocked(list, count, &ts)
	} else {
		if spare.Add(-1) < 0 {
			spare.Add(1)
			return unix.Ppoll(fds, &ts, nil)
		}
		ready, _, errno = syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(list), uintptr(count), uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
		spare.Add(1)
	}
	if errno != 0 {
		return -1, errno
	}
	return int(ready), nil
}

// pollBlocked is a system call that is known to wait. Nothing in it may need more stack.
//
//go:nosplit
//go:noinline
func pollBlocked(fds unsafe.Pointer, count int, timeout *unix.Timespec) (uintptr, syscall.Errno) {
	entersyscallblock()
	ready, _, errno := syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(fds), uintptr(count), uintptr(unsafe.Pointer(timeout)), 0, 0, 0)
	exitsyscall()
	return ready, errno
}

// The runtime keeps these two for others to call (gVisor waits for its descriptors by them; go.dev/issue/67401).

//go:linkname entersyscallblock runtime.entersyscallblock
//go:noescape
func entersyscallblock()

//go:linkname exitsyscall runtime.exitsyscall
//go:noescape
func exitsyscall()
