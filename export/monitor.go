package main

// #include "libmimir.h"
import "C"

import (
	"unsafe"

	"libmimir/core"
	"libmimir/core/job"
	"libmimir/core/monitor"
)

// perMonitor is about what a monitor leaves behind.
const perMonitor = 8 << 10

// mimir_monitor_create makes a monitor of a target, a MIMIR_MONITOR_* constant, with its id. It makes the first sample at once,
// and others from then on, one each interval_ns nanoseconds, in a thread of the library that all monitors share; history is how many
// samples are kept, of which the oldest make room. Memory is taken for those that there are: 112 bytes each.
//
// Returns: MIMIR_OK; MIMIR_EINVAL for an unknown target, a number that cannot be a process id, an interval below a millisecond,
// a history of 0 or above 1,000,000 samples, or when monitor is NULL; MIMIR_ESRCH when the process or job has ended;
// MIMIR_EBADHANDLE and MIMIR_ESTATE of a job that is not there or has not been started; MIMIR_EPERM when nothing of the process
// may be read; MIMIR_ENOTSUP where the target cannot be read; MIMIR_ENOMEM when the system has no thread or memory left.
//
//mimir:forked refuse
//export mimirgo_monitor_create
func mimirgo_monitor_create(target C.int32_t, id, interval_ns, history C.uint64_t, monitor_ *C.uint64_t) (status C.int32_t) {
	defer guard(&status)
	if monitor_ == nil {
		return null("monitor")
	}
	spend(perMonitor)
	source, st := sourceOf(monitor.Target(target), id)
	if st != ok {
		return st
	}
	m, err := monitor.New(source, duration(interval_ns), int(min(uint64(history), maxBytes)))
	if err != nil {
		return fail(err)
	}
	*monitor_ = C.uint64_t(handles.put(m))
	return ok
}

func sourceOf(target monitor.Target, id C.uint64_t) (source monitor.Source, status C.int32_t) {
	var err error
	switch target {
	case monitor.TargetProcess:
		source, err = monitor.Process(core.Native(), int64(min(uint64(id), maxBytes)))
	case monitor.TargetJob:
		status = with(id, func(j *job.Job) error {
			source, err = monitor.Job(core.Native(), j)
			return nil
		})
	case monitor.TargetSystem:
		source = monitor.System(core.Native())
		if id != 0 {
			err = core.Errorf(core.StatusEINVAL, "check target", "the id of the system is 0, not %d", uint64(id))
		}
	default:
		err = core.Errorf(core.StatusEINVAL, "check target", "%d is not a target", int32(target))
	}
	if err != nil {
		status = fail(err)
	}
	return source, status
}

// mimir_monitor_latest stores the last sample.
//
// Returns: MIMIR_OK; MIMIR_EBADHANDLE; MIMIR_EINVAL when sample is NULL or sample->size is wrong.
//
//mimir:forked refuse
//export mimirgo_monitor_latest
func mimirgo_monitor_latest(monitor_ C.uint64_t, sample *C.mimir_sample) (status C.int32_t) {
	defer guard(&status)
	if st := check_mimir_sample(sample); st != ok {
		return st
	}
	return with(monitor_, func(m *monitor.Monitor) error {
		s, err := m.Latest()
		if err == nil {
			store_mimir_sample(sample, &s)
		}
		return err
	})
}

// mimir_monitor_history stores up to length samples, oldest first, from the number first on (1: from the oldest that is kept),
// and how many they are. samples[0].size is to be set: it is that of each. To get what is new each time, ask from the
// number behind the last one's. With a length of 0 it stores how many there are.
//
// Returns: MIMIR_OK; MIMIR_EBADHANDLE; MIMIR_EINVAL when stored is NULL, samples is NULL with a length above 0, samples[0].size is
// wrong, or a length is more than memory.
//
//mimir:forked refuse
//export mimirgo_monitor_history
func mimirgo_monitor_history(monitor_, first C.uint64_t, samples *C.mimir_sample, length C.uint64_t, stored *C.uint64_t) (status C.int32_t) {
	defer guard(&status)
	if stored == nil {
		return null("stored")
	}
	var size uintptr
	if length > 0 {
		if st := check_mimir_sample(samples); st != ok {
			return st
		}
		size = uintptr(samples.size)
		if uint64(length) > maxBytes/uint64(size) {
			return fail(core.Errorf(core.StatusEINVAL, "check arguments", "%d samples are more than memory", uint64(length)))
		}
	}
	return with(monitor_, func(m *monitor.Monitor) error {
		var count C.uint64_t
		err := m.History(uint64(first), func(s *monitor.Sample) bool {
			if length > 0 {
				place := (*C.mimir_sample)(unsafe.Add(unsafe.Pointer(samples), uintptr(count)*size))
				place.size = C.uint32_t(size)
				store_mimir_sample(place, s)
			}
			count++
			return length == 0 || count < length
		})
		if err == nil {
			*stored = count
		}
		return err
	})
}

// mimir_monitor_summarize stores what a metric, a MIMIR_METRIC_* constant, came to over the samples of the window_ns nanoseconds
// before the last one (MIMIR_UNLIMITED: over all that are kept). Samples without the metric are left out.
//
// Returns: MIMIR_OK; MIMIR_EBADHANDLE; MIMIR_EINVAL for an unknown metric, or when summary is NULL or summary->size is wrong.
//
//mimir:forked refuse
//export mimirgo_monitor_summarize
func mimirgo_monitor_summarize(monitor_ C.uint64_t, metric C.int32_t, window_ns C.uint64_t, summary *C.mimir_summary) (status C.int32_t) {
	defer guard(&status)
	if st := check_mimir_summary(summary); st != ok {
		return st
	}
	return with(monitor_, func(m *monitor.Monitor) error {
		s, err := m.Summarize(monitor.Metric(metric), duration(window_ns))
		if err == nil {
			store_mimir_summary(summary, &s)
		}
		return err
	})
}

// mimir_monitor_add_alert has every sample from now on held against a rule, and stores the alert's number. The alert is raised
// (MIMIR_EVENT_RAISED) once a metric, a MIMIR_METRIC_* constant, has been beyond the threshold, on the side that is a MIMIR_ALERT_*
// constant, at every sample for hold_ns nanoseconds (0: at one sample), and cleared (MIMIR_EVENT_CLEARED) once it is back at
// clear: the threshold itself, or a number on its quiet side, so that a metric that hovers about the threshold raises one alert
// and not many.
//
// Returns: MIMIR_OK; MIMIR_EBADHANDLE; MIMIR_EINVAL for an unknown metric or side, what is not a finite number, a number to clear
// that is beyond the threshold, or when alert is NULL; MIMIR_ENOMEM when the monitor has 256 alerts.
//
//mimir:forked refuse
//export mimirgo_monitor_add_alert
func mimirgo_monitor_add_alert(monitor_ C.uint64_t, metric, side C.int32_t, threshold, clear_ C.double, hold_ns C.uint64_t, alert *C.uint32_t) (status C.int32_t) {
	defer guard(&status)
	if alert == nil {
		return null("alert")
	}
	spend(perCall)
	return with(monitor_, func(m *monitor.Monitor) error {
		number, err := m.AddAlert(monitor.Rule{
			Metric: monitor.Metric(metric), Side: monitor.AlertSide(side), Threshold: float64(threshold), Clear: float64(clear_),
			Hold: duration(hold_ns),
		})
		if err == nil {
			*alert = C.uint32_t(number)
		}
		return err
	})
}

// mimir_monitor_remove_alert takes an alert away, by its number. No event of it is told any more, nor that it is cleared, if it
// was raised.
//
// Returns: MIMIR_OK; MIMIR_EBADHANDLE; MIMIR_ENOENT when the monitor has no such alert.
//
//mimir:forked refuse
//export mimirgo_monitor_remove_alert
func mimirgo_monitor_remove_alert(monitor_ C.uint64_t, alert C.uint32_t) (status C.int32_t) {
	defer guard(&status)
	return with(monitor_, func(m *monitor.Monitor) error { return m.RemoveAlert(uint32(alert)) })
}

// mimir_monitor_next waits for the next event, for timeout_ns nanoseconds at most (0: does not wait; MIMIR_UNLIMITED: as long as it
// takes), and stores it. Each event is told once, to one of the threads that wait.
//
// Returns: MIMIR_OK; MIMIR_ETIMEDOUT when there is none; MIMIR_EINTR when a signal arrived at this thread; MIMIR_ESRCH when the
// last one, MIMIR_EVENT_ENDED, has been told; MIMIR_ESTATE when the monitor is closed meanwhile; MIMIR_EBADHANDLE; MIMIR_EINVAL
// when event is NULL or event->size is wrong.
//
//mimir:forked refuse
//export mimirgo_monitor_next
func mimirgo_monitor_next(monitor_, timeout_ns C.uint64_t, event *C.mimir_event) (status C.int32_t) {
	defer guard(&status)
	if st := check_mimir_event(event); st != ok {
		return st
	}
	return with(monitor_, func(m *monitor.Monitor) error {
		e, err := m.Next(duration(timeout_ns), true)
		if err == nil {
			store_mimir_event(event, &e)
		}
		return err
	})
}

// mimir_monitor_close ends a monitor and gives its handle back. Threads that wait for an event of it return.
//
// Returns: MIMIR_OK; MIMIR_EBADHANDLE when it is closed already.
//
//mimir:forked refuse
//export mimirgo_monitor_close
func mimirgo_monitor_close(monitor_ C.uint64_t) (status C.int32_t) {
	defer guard(&status)
	m, found := take[*monitor.Monitor](uint64(monitor_))
	if !found {
		return staleHandle(uint64(monitor_))
	}
	m.Close()
	return ok
}
