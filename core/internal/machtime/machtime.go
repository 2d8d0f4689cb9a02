// Package machtime turns the ticks in which the macOS kernel counts CPU time into nanoseconds.
//
// The kernel counts in ticks of the machine's own counter, 24 MHz on Apple's processors. A program that Rosetta translates is
// told by mach_timebase_info that a tick is a nanosecond, as on Intel, while the kernel's accounts are still in the machine's
// ticks. The sysctl hw.tbfrequency gives the machine's frequency to both.
package machtime

import "math/bits"

// Nanoseconds is how long a number of ticks takes, rounded down. A frequency of 0, which is not known, is taken for that of
// Intel: one tick a nanosecond.
func Nanoseconds(ticks, frequency uint64) uint64 {
	const second = 1_000_000_000
	if frequency == 0 || frequency == second {
		return ticks
	}
	high, low := bits.Mul64(ticks, second)
	if high >= frequency { // more than 584 years
		return ^uint64(0)
	}
	nanoseconds, _ := bits.Div64(high, low, frequency)
	return nanoseconds
}
