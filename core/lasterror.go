package core

// LastError is what mimir_last_error tells.
//
//mimir:struct mimir_error
type LastError struct {
	// Status is the failing call's status; 0 when no call of this thread has failed.
	Status Status
	// OSCode is errno on Unix and the Win32 error code on Windows; 0 when the operating system was not the cause.
	OSCode int32
	_      uint32
	// Step names what was being done, such as "setrlimit": UTF-8, cut to fit, zero-terminated.
	Step [64]byte
	// Message is a sentence for a person: UTF-8, cut to fit, zero-terminated.
	Message [432]byte
}
