// Package procfs reads Linux's /proc: of one process, of a tree of processes, of the system. Every reader starts at a root
// that a test replaces with a recorded tree. Readings of processes do not allocate, so that they work where the caller has
// reached its own limits.
package procfs

import (
	"errors"
	"io/fs"
)

// ErrFormat means that a file does not look as proc(5) says.
var ErrFormat = errors.New("unexpected format")

// ErrGone means that the process has ended.
var ErrGone = fs.ErrNotExist

// FS is a /proc.
type FS struct{ root string }

// New is the /proc at root.
func New(root string) FS { return FS{root: root} }

// TicksPerSecond is the unit of CPU times in /proc/<pid>/stat: USER_HZ, 100 on every architecture that Go knows.
const TicksPerSecond = 100

// Statm is /proc/<pid>/statm, in pages.
type Statm struct{ Size, Resident, Shared uint64 }

// Stat is what is used of /proc/<pid>/stat; times are in ticks.
type Stat struct {
	PID, Parent, Group, Session int
	State                       byte
	UserTicks, SystemTicks      uint64
	// ChildUserTicks and ChildSystemTicks are those of the descendants that have ended and been waited for.
	ChildUserTicks, ChildSystemTicks uint64
	Threads                          int
	// StartTicks is when the process started, since boot: with the PID it names a process for ever.
	StartTicks uint64
	// VirtualBytes is the mapped address space, ResidentPages the resident set.
	VirtualBytes, ResidentPages uint64
}

// Dead reports whether the process has ended and only waits to be reaped.
func (s *Stat) Dead() bool { return s.State == 'Z' || s.State == 'X' }

// Meminfo is what is used of /proc/meminfo, in bytes.
type Meminfo struct{ Total, Available, SwapTotal, SwapFree, Committed, CommitLimit uint64 }

// System is what is used of /proc/stat; times are in ticks, of all CPUs together.
type System struct {
	// BootSeconds is when the system started, since 1970.
	BootSeconds uint64
	// CPUs is the number of CPUs that are online.
	CPUs                   uint32
	User, Kernel, IdleTime uint64
	// Running is the number of threads that run or could.
	Running uint32
}
