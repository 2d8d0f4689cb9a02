package core

import "time"

// Command is what a job runs.
type Command struct {
	// Args are the program and its arguments. A program without a separator is looked up in the PATH of Env.
	Args []string
	// Env is the whole environment, strings "NAME=value".
	Env []string
	// EnvKept means that nobody changes Env, and that the next command may well have the same: what is made of it can be kept.
	EnvKept bool
	// Dir is the directory to start in; empty is the caller's.
	Dir string
	// Streams says where standard input, output and error lead.
	Streams [3]StreamTarget
	// Input is what standard input gives when its mode is ModeCapture. It belongs to the child from the start on.
	Input *Bytes
	// Limits are the limits of the job.
	Limits JobLimits

	// Keep are descriptors above 2 that the command gets under their own numbers.
	Keep []int
	// Umask is the file mode creation mask, nil for the caller's.
	Umask *uint32
	// Priority is the command's priority, nil for the caller's. Windows: that of all of the job, which none of it can change.
	Priority *Priority
	// User is whom the command runs as, nil for the caller.
	User *User
	// NewSession, NoNewPrivileges, NoNetwork and NoDesktop are described at the options of the same names.
	NewSession, NoNewPrivileges, NoNetwork, NoDesktop bool
	// Writable, if not nil, are the only directories below which the command can change files.
	Writable []string
}

// JobLimits are the limits of a job, by limit. The zero value has none.
type JobLimits struct {
	given  [limitEnd]bool
	values [limitEnd]uint64
}

// Set gives a limit; Unlimited takes it away.
func (l *JobLimits) Set(limit Limit, value uint64) {
	l.given[limit], l.values[limit] = value != Unlimited, value
}

// Of tells a limit, and whether there is one.
func (l *JobLimits) Of(limit Limit) (value uint64, given bool) {
	return l.values[limit], l.given[limit]
}

// lastPatience is how long relayed output that is left at the end of a job may take.
const lastPatience = time.Second

// StreamTarget is where a stream leads.
type StreamTarget struct {
	Mode StreamMode
	// Descriptor is used by ModeDescriptor.
	Descriptor int64
	// Relayed output is captured on its way to where it leads, and goes on by PassOn. The child has a descriptor of its own for
	// that: the caller's can be closed after the start.
	Relayed bool
}

// Child is a command that runs, or has ended and not been closed. Next, Sample and Finish are called by one thread at a
// time; Signal, Kill and PID by any.
type Child interface {
	PID() int64
	// Enforcement tells how a limit of the command is kept. The caller keeps those that answer EnforcementWatchdog.
	Enforcement(Limit) Enforcement
	// Next waits for the next event, for as long as timeout at most.
	Next(timeout time.Duration) (Event, error)
	// Sample reads what the job uses. A quick one reads the resident memory of the processes that the last full one found.
	Sample(quick bool, s *Sample) error
	// PassOn writes what was read from a relayed stream to where it leads. It does not wait: as long as there is no room, the
	// stream is not read. When nobody reads there any more, the stream is closed, and the command finds that out as it would
	// have without us.
	PassOn(stream Stream, data []byte)
	// Signal sends a signal to the job's processes.
	Signal(signal int32) error
	// Terminate asks the job's processes to end (SIGTERM, also to those that are stopped).
	Terminate() error
	// Kill ends the job's processes.
	Kill() error
	// Finish, after EventExit, ends what is left of the job, waits until it is gone and tells how the command ended. Output
	// that is still to be read is given to output.
	Finish(output func(Stream, []byte)) (Exit, error)
	// Close gives back what the child holds. A command that still runs is ended first.
	Close() error
}

// EventKind is what happened to a Child.
type EventKind int

const (
	// EventTimeout means that nothing happened in the time given.
	EventTimeout EventKind = iota
	// EventInterrupted means that a signal arrived at the thread that waits.
	EventInterrupted
	// EventOutput means that the command has written: Event.Stream, Event.Data.
	EventOutput
	// EventExit means that the command has ended.
	EventExit
)

// Event is what happened to a Child. Data is good until the next call.
type Event struct {
	Kind   EventKind
	Stream Stream
	Data   []byte
}

// Sample is what a job uses at one moment.
type Sample struct {
	Resident, Virtual uint64
	// PeakResident is the most that the kernel has counted for the command itself, 0 when it was not asked.
	PeakResident uint64
	User, System time.Duration
	Processes    int
	Threads      int
	// Exceeded is a limit that the operating system itself reports the job to have come to, or ReasonNone.
	Exceeded Reason
}

// Exit is how a command ended.
type Exit struct {
	// Observed is false when the host reaped the process: then only the times are known, and they are 0.
	Observed     bool
	Code, Signal int32
	User, System time.Duration
	// PeakResident is the kernel's own count of the most resident memory, 0 where it does not tell this command's from that
	// of the caller.
	PeakResident uint64
	// Reason is the limit that the operating system itself reports to have acted, or ReasonNone.
	Reason Reason
	// Processes is the most processes that the operating system has counted at once, 0 where it does not.
	Processes int
}
