package tree

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"libmimir/core/internal/rlimit"
)

// Mark tells the processes of one job from all others.
type Mark struct {
	// Soft and Hard are the RLIMIT_RTTIME of the job's processes. Zero is no mark.
	Soft, Hard uint64
	// inner marks are borne by the soft limit: the hard one is the mark of the job that the caller is itself part of, and by it
	// that job knows the processes of this one for its own.
	inner bool
}

// Marks are written so that a shell script can find those of one host: twelve digits of the host, seven of the job.
const (
	jobsPerHost = 10_000_000
	lowestInner = 100_000_000_000
	lowestOuter = 500_000_000_000
	limit       = 920_000_000_000
)

var (
	once   sync.Once
	prefix struct {
		outer, inner uint64
		known        bool
	}
	lastJob atomic.Uint64
)

// hostPrefix is drawn once a process, since it is what the guardian of the process looks for.
func hostPrefix() (outer, inner uint64, ok bool) {
	once.Do(func() {
		var b [8]byte
		if n, err := unix.Getrandom(b[:], 0); err != nil || n != len(b) {
			return
		}
		var random uint64
		for _, c := range b {
			random = random<<8 | uint64(c)
		}
		prefix.outer = lowestOuter + random%(limit-lowestOuter)
		prefix.inner = lowestInner + random%(lowestOuter-lowestInner)
		prefix.known = true
	})
	return prefix.outer, prefix.inner, prefix.known
}

func isOuter(value uint64) bool { return value >= lowestOuter*jobsPerHost && value < limit*jobsPerHost }

// NewMark makes a mark for a job of this process. Where the limit is in use otherwise there is none.
func NewMark() (Mark, bool) {
	outer, inner, ok := hostPrefix()
	_, hard, err := rlimit.Get(0, unix.RLIMIT_RTTIME)
	if !ok || err != nil {
		return Mark{}, false
	}
	job := lastJob.Add(1) % jobsPerHost
	switch {
	case hard == rlimit.Infinity:
		value := outer*jobsPerHost + job
		return Mark{Soft: value, Hard: value}, true
	case isOuter(hard):
		return Mark{Soft: inner*jobsPerHost + job, Hard: hard, inner: true}, true
	}
	return Mark{}, false
}

// HostPrefix is the start of the decimal number that the marks of this process's jobs have, as limits are written in /proc.
func HostPrefix() (digits uint64, ok bool) {
	outer, inner, ok := hostPrefix()
	if _, hard, err := rlimit.Get(0, unix.RLIMIT_RTTIME); err == nil && isOuter(hard) {
		return inner, ok
	}
	return outer, ok
}

// matches compares limits with the mark.
func (m *Mark) matches(soft, hard uint64) bool {
	if m.inner {
		return soft == m.Soft && hard == m.Hard
	}
	return hard == m.Hard
}

// Rlimit is the resource that bears marks.
const Rlimit = unix.RLIMIT_RTTIME
