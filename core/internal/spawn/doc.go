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
	StepGroup
	StepCgroup
	StepNetwork
	StepDirectory
	StepStreams
	StepDescriptors
	StepPriority
	StepCredential
	StepPrivileges
	StepLandlock
	StepLimits
	StepExec
)

var stepNames = [...]string{
	"clone", "setpgid", "enter control group", "new network", "chdir", "connect streams", "close descriptors", "setpriority",
	"setuid", "no_new_privs", "landlock", "prlimit", "execve",
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
	// EnvKept means that nobody changes Env: what is made of it is kept for a next start with the same slice.
	EnvKept bool
	// Dir is the directory to start in; empty is the caller's.
	Dir string
	// Files become descriptors 0, 1 and 2.
	Files [3]int
	// Rlimits are in force before the program's first instruction.
	Rlimits []Rlimit
	// Keep are descriptors above 2 that the program gets under their own numbers.
	Keep []int
	// Umask is the file mode creation mask; negative is the caller's.
	Umask int
	// Nice, if not nil, is the nice value.
	Nice *int32
	// Credential, if not nil, is the user that the program runs as.
	Credential *Credential
	// NewSession makes the child lead a session, instead of a group of the caller's.
	NewSession bool
	// NoNewPrivileges makes programs with the set-user-id bit give none (PR_SET_NO_NEW_PRIVS).
	NoNewPrivileges bool
	// Ruleset, if not negative, is a Landlock ruleset that the child restricts itself by.
	Ruleset int
	// NewNetwork gives the child a network of its own, with nothing in it.
	NewNetwork bool
	// Cgroup, if not negative, is a directory of a version 2 control group that the child starts in. Enter are open
	// tasks files of version 1, whose groups it enters before the program starts.
	Cgroup int
	Enter  []int
}

// Credential is a user, a group and the supplementary groups.
type Credential struct {
	UID, GID uint32
	Groups   []uint32
}

// Absent is a Spec's value for no descriptor and for no mask.
const Absent = -1

// Process is a process that was started.
type Process struct {
	PID int
	// PIDFD refers to the process for as long as it is open; -1 where the kernel has none (before 5.2).
	PIDFD int
}
