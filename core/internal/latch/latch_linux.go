package latch

import (
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Latch is closed at first, and is opened once. Its zero value is closed.
type Latch struct{ state atomic.Uint32 }

const (
	closed = iota
	opened
	awaited // closed, and somebody waits: most latches are opened before anybody has, and then nobody is to be woken

	futexWaitPrivate = 128
	futexWakePrivate = 129
	everyone         = 1<<31 - 1
)

// Open lets everybody through.
func (l *Latch) Open() {
	if l.state.Swap(opened) == awaited {
		syscall.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&l.state)), futexWakePrivate, everyone, 0, 0, 0)
	}
}

// IsOpen reports whether it has been opened.
func (l *Latch) IsOpen() bool { return l.state.Load() == opened }

// Wait waits until it is open, for timeout at most. Where signals are not to end the wait, they do not.
func (l *Latch) Wait(timeout time.Duration, interruptible bool) Outcome {
	end := time.Now().Add(timeout)
	for !l.IsOpen() {
		left := time.Until(end)
		if left <= 0 {
			return TimedOut
		}
		l.state.CompareAndSwap(closed, awaited)
		ts := unix.NsecToTimespec(int64(left))
		var errno syscall.Errno
		if left >= worthLetting {
			errno = futexBlocked(unsafe.Pointer(&l.state), &ts)
		} else {
			_, _, errno = syscall.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&l.state)), futexWaitPrivate, awaited,
				uintptr(unsafe.Pointer(&ts)), 0, 0)
		}
		if errno == unix.EINTR && interruptible && !l.IsOpen() {
			return Interrupted
		}
	}
	return Opened
}

// futexBlocked is like pollBlocked.
//
//go:nosplit
//go:noinline
func futexBlocked(state unsafe.Pointer, timeout *unix.Timespec) syscall.Errno {
	entersyscallblock()
	_, _, errno := syscall.RawSyscall6(unix.SYS_FUTEX, uintptr(state), futexWaitPrivate, awaited, uintptr(unsafe.Pointer(timeout)), 0, 0)
	exitsyscall()
	return errno
}

// Sleep sleeps.
func Sleep(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	for unix.Nanosleep(&ts, &ts) == unix.EINTR {
	}
}
