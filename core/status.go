package core

import (
	"errors"
	"fmt"
	"syscall"
)

// Status is the outcome of a call. Zero is success; every failure is negative.
// Numbers are part of the C interface: they are never changed and only appended to.
//
//mimir:enum mimir_status MIMIR_ strip=Status
type Status int32

const (
	// StatusOK means that the call did what it was asked.
	StatusOK Status = 0
	// StatusEINVAL means that an argument is not acceptable: NULL where a pointer is needed, a wrong struct size,
	// an unknown constant, a negative or impossible number, text that is not UTF-8.
	StatusEINVAL Status = -1
	// StatusENOTSUP means that this platform cannot do it; the platform table says where it can be done.
	StatusENOTSUP Status = -2
	// StatusEPERM means that the operating system refused for want of permission.
	StatusEPERM Status = -3
	// StatusENOENT means that a file or program does not exist.
	StatusENOENT Status = -4
	// StatusESRCH means that there is no such process or process group, or that it has ended.
	StatusESRCH Status = -5
	// StatusEBADHANDLE means that the handle was never given out, or has been closed.
	StatusEBADHANDLE Status = -6
	// StatusEFORKED means that the caller is a forked child of the process that loaded the library,
	// and that the function needs the whole library: see "After fork" at the top of the header.
	StatusEFORKED Status = -7
	// StatusETIMEDOUT means that the time given ran out first; nothing is lost, call again.
	StatusETIMEDOUT Status = -8
	// StatusEINTR means that a signal arrived at the waiting thread; nothing is lost, call again.
	StatusEINTR Status = -9
	// StatusENOMEM means that the operating system had no memory, process or descriptor left to give.
	StatusENOMEM Status = -10
	// StatusELIMIT means that the limit asked for is above the hard limit, and the caller may not raise it.
	StatusELIMIT Status = -11
	// StatusESTATE means that the call does not fit the state of the object, such as starting a job twice.
	StatusESTATE Status = -12
	// StatusERANGE means that the caller's buffer is too short; the size needed has been stored.
	StatusERANGE Status = -13
	// StatusEOS means any other failure that the operating system reported: see the OS error code.
	StatusEOS Status = -14
	// StatusEINTERNAL means a fault in the library itself; the text of mimir_last_error says where.
	StatusEINTERNAL Status = -15
)

var statusTexts = map[Status]string{
	StatusOK:         "success",
	StatusEINVAL:     "invalid argument",
	StatusENOTSUP:    "not supported on this platform",
	StatusEPERM:      "permission denied",
	StatusENOENT:     "no such file or program",
	StatusESRCH:      "no such process",
	StatusEBADHANDLE: "no such handle",
	StatusEFORKED:    "not available in a forked child",
	StatusETIMEDOUT:  "timed out",
	StatusEINTR:      "interrupted by a signal",
	StatusENOMEM:     "out of memory, processes or descriptors",
	StatusELIMIT:     "above the hard limit",
	StatusESTATE:     "not possible in this state",
	StatusERANGE:     "buffer too short",
	StatusEOS:        "operating system error",
	StatusEINTERNAL:  "internal error",
}

// String is a short English description of the status.
func (s Status) String() string {
	if text, ok := statusTexts[s]; ok {
		return text
	}
	return fmt.Sprintf("status %d", int32(s))
}

// Error makes a Status usable as a target of errors.Is.
func (s Status) Error() string { return s.String() }

// Error is what every failing function of this module returns: the status, the step that failed and, where the
// operating system reported one, its error code.
type Error struct {
	Status Status
	// OSCode is errno on Unix and the Win32 error code on Windows; 0 when the operating system was not the cause.
	OSCode int32
	// Step names what was being done, such as "setrlimit" or "check struct size".
	Step string
	// Text says what was asked and why it failed, for a person.
	Text string
}

func (e *Error) Error() string {
	text := e.Text
	if text == "" {
		text = e.Status.String()
	}
	return e.Step + ": " + text
}

// Is reports whether target is the status of e.
func (e *Error) Is(target error) bool {
	status, ok := target.(Status)
	return ok && status == e.Status
}

// Unwrap gives the operating system's own error.
func (e *Error) Unwrap() error {
	if e.OSCode == 0 {
		return nil
	}
	return syscall.Errno(e.OSCode)
}

// Errorf makes an Error that the operating system had no part in.
func Errorf(status Status, step, format string, args ...any) *Error {
	return &Error{Status: status, Step: step, Text: fmt.Sprintf(format, args...)}
}

// OSError makes an Error from what the operating system answered to step. The text may be empty.
func OSError(err error, step, format string, args ...any) *Error {
	text := fmt.Sprintf(format, args...)
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		if text == "" {
			text = err.Error()
		}
		return &Error{Status: StatusEOS, Step: step, Text: text}
	}
	if text == "" {
		text = errno.Error()
	} else {
		text += ": " + errno.Error()
	}
	return &Error{Status: statusOf(errno), OSCode: int32(errno), Step: step, Text: text}
}

// StatusOf is the status of err, StatusOK for nil and StatusEOS for an error of another module.
func StatusOf(err error) Status {
	if err == nil {
		return StatusOK
	}
	var known *Error
	if errors.As(err, &known) {
		return known.Status
	}
	var status Status
	if errors.As(err, &status) {
		return status
	}
	return StatusEOS
}

// Known reports whether s is a status of this version.
func (s Status) Known() bool {
	_, ok := statusTexts[s]
	return ok
}
