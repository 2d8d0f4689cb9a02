// Package latch lets threads wait for something that happens once. A wait takes no timer of Go's, whose first use opens two
// descriptors in the host's process for good, and it can end when a signal arrives at the thread.
package latch

import "sync/atomic"

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

// spare is how many processors of the Go scheduler may still be kept by threads that wait for a short time.
var spare atomic.Int32

// Spare lets n threads at a time keep the processor that they run on through a wait of a few milliseconds. Without it none does.
func Spare(n int) { spare.Store(int32(n)) }
