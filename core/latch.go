package core

import (
	"math"
	"time"

	"libmimir/core/internal/latch"
)

// Forever is a timeout that does not pass.
const Forever = time.Duration(math.MaxInt64)

// Latch lets goroutines wait for something that happens once, without a timer of Go's: see its package.
type Latch struct{ latch.Latch }

// Wait waits until the latch is open, for timeout at most: StatusETIMEDOUT. With interruptible, a signal that arrives at the
// waiting thread ends the wait too, where the platform can tell: StatusEINTR.
func (l *Latch) Wait(timeout time.Duration, interruptible bool) Status {
	switch l.Latch.Wait(timeout, interruptible) {
	case latch.Opened:
		return StatusOK
	case latch.Interrupted:
		return StatusEINTR
	default:
		return StatusETIMEDOUT
	}
}

// SpareProcessors lets n goroutines at a time keep their processor, one of GOMAXPROCS, while they wait for a short time for a job:
// for hosts whose threads call Go from C, and do so mostly for commands that end soon.
func SpareProcessors(n int) { latch.Spare(n) }
