// Package spawn starts a Linux process whose limits, streams and signals are set between the clone and the exec.
//
// The child shares the caller's memory until it executes the program (CLONE_VM | CLONE_VFORK), as posix_spawn does: the cost
// does not depend on the size of the caller, no handler of the caller runs in the child, and a step that fails leaves its
// name and errno in memory that the caller reads. Nothing is traced and no page is copied.
package spawn

// Step is what the child was doing when it failed.
type Step int32

// The steps, in the order in which the child takes them.
const (
	StepClone Step = iota
	StepSignals
	StepGroup
	StepForeground
	StepDirectory
	StepStreams
	StepDescriptors
	StepLimits
	StepExec
)

var stepNames = [...]string{
	"clone", "reset signals", "setpgid", "tcsetpgrp", "chdir", "connect streams", "close descriptors", "prlimit", "execve",
}

func (s Step) String() string { return stepNames[s] }

// Rlimit is a resource limit of the child.
type Rlimit struct {
	Resource   int32
	Soft, Hard uint64
}

// Spec says what to start. Nothing in it is looked up: Path is the file to execute.
type Spec struct {
	Path string
	Args []string
	Env  []string
	// Dir is the directory to start in; empty is the caller's.
	Dir string
	// Files become descriptors 0, 1 and 2.
	Files [3]int
	// Rlimits are in force before the program's first instruction.
	Rlimits []Rlimit
	// Terminal, if not negative, is a terminal of which the child's group becomes the foreground group.
	Terminal int
}

// Process is a process that was started.
type Process struct {
	PID int
	// PIDFD refers to the process for as long as it is open; -1 where the kernel has none (before 5.2).
	PIDFD int
}
