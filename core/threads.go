package core

// ReserveThread and ReleaseThread bracket what may take a thread of its own for a while: a job, that is left to be watched by a
// goroutine, or the monitors that there are. A host that may run out of threads makes ReserveThread fail when there is none
// left.
var (
	ReserveThread = func() error { return nil }
	ReleaseThread = func() {}
)
