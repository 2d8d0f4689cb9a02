package core

// Priority is a process's claim to the processors against that of others: a nice value, from -20, the most, to 19, the least.
// Windows has six classes, which are the constants: a number between two of them means the lower, and reads back as it.
//
//mimir:enum mimir_priority MIMIR_PRIORITY_ strip=Priority
type Priority int32

const (
	// PriorityLow is for what may wait until nobody else wants to run. Windows: IDLE_PRIORITY_CLASS.
	PriorityLow Priority = 19
	// PriorityBelowNormal is for work in the background. Windows: BELOW_NORMAL_PRIORITY_CLASS.
	PriorityBelowNormal Priority = 10
	// PriorityNormal is what a process has that nobody has changed. Windows: NORMAL_PRIORITY_CLASS.
	PriorityNormal Priority = 0
	// PriorityAboveNormal, and what is higher, needs a privilege on Unix (CAP_SYS_NICE or RLIMIT_NICE; root).
	// Windows: ABOVE_NORMAL_PRIORITY_CLASS.
	PriorityAboveNormal Priority = -7
	// PriorityHigh is for what must answer at once. Windows: HIGH_PRIORITY_CLASS.
	PriorityHigh Priority = -14
	// PriorityHighest leaves little to others. Windows: REALTIME_PRIORITY_CLASS, which needs a privilege there too.
	PriorityHighest Priority = -20
)

// Class is the class of Windows that a priority means.
func (p Priority) Class() Priority {
	switch {
	case p <= PriorityHighest:
		return PriorityHighest
	case p < PriorityAboveNormal:
		return PriorityHigh
	case p < PriorityNormal:
		return PriorityAboveNormal
	case p < PriorityBelowNormal:
		return PriorityNormal
	case p < PriorityLow:
		return PriorityBelowNormal
	}
	return PriorityLow
}

// CheckPriority fails for a number that is no nice value.
func CheckPriority(p Priority) error {
	if p < PriorityHighest || p > PriorityLow {
		return Errorf(StatusEINVAL, "check priority", "%d is not within %d and %d", int32(p), int32(PriorityHighest), int32(PriorityLow))
	}
	return nil
}

// ReadPriority reads the priority of a process; pid 0 is the caller.
func ReadPriority(a Adapter, pid int64) (Priority, error) {
	if err := checkPID(pid); err != nil {
		return 0, err
	}
	return a.Priority(pid)
}

// SetPriority sets the priority of a process, of all its threads, and with it that of those that it will start; pid 0 is the
// caller.
func SetPriority(a Adapter, pid int64, p Priority) error {
	if err := checkPID(pid); err != nil {
		return err
	}
	if err := CheckPriority(p); err != nil {
		return err
	}
	return a.SetPriority(pid, p)
}
