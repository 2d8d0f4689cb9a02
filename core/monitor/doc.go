// Package monitor reads what a process, a job or the system uses, again and again, keeps the readings, tells what they come to
// over a time, and raises alerts.
//
// A Monitor is made of a Source and reads it from then on until it is closed, or until what it reads has ended. All monitors
// are read by one goroutine. Nobody is called back: events are queued, and Next waits for them.
package monitor
