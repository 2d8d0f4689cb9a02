// Package posixspawn starts a macOS process by posix_spawn, which shares nothing of the caller with it: the descriptors that
// it gets are named one by one, its signals are set, and the cost does not depend on the size of the caller.
//
// posix_spawn has no resource limits, and macOS no prlimit. A command that needs limits, a mask or another user is started by
// a fork whose child sets them on itself and then becomes the command by posix_spawn with POSIX_SPAWN_SETEXEC. No
// shell stands between, so that arguments, environment and limits are exactly those that were asked for.
package posixspawn

import "syscall"

// Spec says what to start. Nothing in it is looked up: Path is the file to execute.
type Spec struct {
	Path string
	Args []string
	Env  []string
	// Dir is the directory to start in; empty is the caller's.
	Dir string
	// Files become descriptors 0, 1 and 2.
	Files [3]int
	// Keep are descriptors above 2 that the program gets under their own numbers.
	Keep []int
	// Rlimits are in force before the program's first instruction.
	Rlimits []Rlimit
	// Umask is the file mode creation mask; Absent is the caller's.
	Umask int
	// NewSession makes the child lead a session, instead of a group of the caller's.
	NewSession bool
	// Nice, if not nil, is the nice value.
	Nice *int32
	// Credential, if not nil, is the user that the program runs as.
	Credential *Credential
}

// Absent is a Spec's value for no mask.
const Absent = -1

// Rlimit is a resource limit of the child.
type Rlimit struct {
	Resource   int
	Soft, Hard uint64
}

// Credential is a user, a group and the supplementary groups.
type Credential struct {
	UID, GID uint32
	Groups   []uint32
}

// Step is what failed.
type Step int32

// The steps of a start.
const (
	StepPrepare Step = iota
	StepFork
	StepSession
	StepPriority
	StepCredential
	StepLimits
	StepSpawn
)

var stepNames = [...]string{"prepare posix_spawn", "fork", "setpgid", "setpriority", "setuid", "setrlimit", "posix_spawn"}

func (s Step) String() string { return stepNames[s] }

// Error is a step that failed.
type Error struct {
	Step Step
	// Index tells which of Rlimits it was.
	Index int
	Errno syscall.Errno
}

func (e *Error) Error() string { return e.Step.String() + ": " + e.Errno.Error() }

// Unwrap is the errno.
func (e *Error) Unwrap() error { return e.Errno }

// NeedsFork reports whether the child has to change itself in a way that posix_spawn cannot.
func (s *Spec) NeedsFork() bool {
	return len(s.Rlimits) > 0 || s.Umask != Absent || s.Nice != nil || s.Credential != nil
}
