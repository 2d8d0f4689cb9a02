// Package job runs a command under limits and tells which of them ended it.
//
// A Job is prepared with the Set functions, started once and waited for as often as one likes. The limits are in force before
// the command's first instruction. Those that the operating system keeps, it keeps; the others are kept by a
// watchdog, which is whoever waits: the thread in Run, or a goroutine that Start, or a wait that ends early, leaves behind.
package job
