// Package latch lets threads wait for something that happens once. A wait takes no timer of Go's, whose first use opens two
// descriptors in the host's process for good, and it can end when a signal arrives at the thread.
package latch

// Outcome is how a wait ended.
type Outcome int

const (
	// TimedOut means that the time ran out.
	TimedOut Outcome = iota
	// Opened means that what was waited for has happened.
	Opened
	// Interrupted means that a signal arrived at the waiting thread.
	Interrupted
)
