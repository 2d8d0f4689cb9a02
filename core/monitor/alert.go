package monitor

import (
	"math"
	"time"

	"libmimir/core"
)

// AlertSide is on which side of its threshold a metric raises an alert.
//
//mimir:enum mimir_alert_side MIMIR_ALERT_ strip=Alert
type AlertSide int32

const (
	// AlertAbove raises an alert when the metric is more than the threshold.
	AlertAbove AlertSide = 0
	// AlertBelow raises an alert when the metric is less than the threshold.
	AlertBelow AlertSide = 1
)

// Rule is when an alert is raised and cleared.
type Rule struct {
	Metric    Metric
	Side      AlertSide
	Threshold float64
	// Clear is where the metric has to come back to for the alert to be cleared: the threshold, or a number on its quiet side,
	// so that a metric that hovers about the threshold raises one alert and not many.
	Clear float64
	// Hold is for how long the metric has to be beyond the threshold, at every sample, before the alert is raised.
	Hold time.Duration
}

func (r *Rule) check() error {
	if err := checkMetric(r.Metric); err != nil {
		return err
	}
	if r.Side != AlertAbove && r.Side != AlertBelow {
		return core.Errorf(core.StatusEINVAL, "check side", "%d is not a side", int32(r.Side))
	}
	if !isFinite(r.Threshold) || !isFinite(r.Clear) {
		return core.Errorf(core.StatusEINVAL, "check threshold", "%g, cleared at %g: a number is wanted", r.Threshold, r.Clear)
	}
	if r.beyond(r.Clear) {
		return core.Errorf(core.StatusEINVAL, "check threshold", "%g cannot clear an alert whose threshold is %g: it would raise it",
			r.Clear, r.Threshold)
	}
	if r.Hold < 0 {
		return core.Errorf(core.StatusEINVAL, "check hold", "%s is less than nothing", r.Hold)
	}
	return nil
}

func isFinite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

func (r *Rule) beyond(value float64) bool {
	if r.Side == AlertBelow {
		return value < r.Threshold
	}
	return value > r.Threshold
}

func (r *Rule) clears(value float64) bool {
	if r.Side == AlertBelow {
		return value >= r.Clear
	}
	return value <= r.Clear
}

// alert is a rule and what has become of it.
type alert struct {
	Rule
	number uint32
	raised bool
	// since is the ElapsedNs of the first of the samples beyond the threshold that have followed each other up to now.
	since   uint64
	waiting bool
}

// judge tells what a value means: EventRaised, EventCleared, or 0.
func (a *alert) judge(value float64, elapsed uint64) EventKind {
	if a.raised {
		if a.clears(value) {
			a.raised = false
			return EventCleared
		}
		return 0
	}
	if !a.beyond(value) {
		a.waiting = false
		return 0
	}
	if !a.waiting {
		a.waiting, a.since = true, elapsed
	}
	if elapsed-a.since < uint64(a.Hold) {
		return 0
	}
	a.raised, a.waiting = true, false
	return EventRaised
}

// EventKind is what a monitor has to tell.
//
//mimir:enum mimir_event_kind MIMIR_EVENT_ strip=Event
type EventKind int32

const (
	// EventRaised means that a metric has been beyond the threshold of an alert for as long as it must.
	EventRaised EventKind = 1
	// EventCleared means that the metric of an alert that was raised has come back.
	EventCleared EventKind = 2
	// EventEnded means that what the monitor reads has ended. It is the last event, and the samples stay.
	EventEnded EventKind = 3
)

// Event is what a monitor has to tell.
//
//mimir:struct mimir_event
type Event struct {
	// Kind is what has happened, a MIMIR_EVENT_* constant.
	Kind EventKind
	// Metric is that of the alert. Of EventEnded it is 0, and so are the alert, the value and the threshold.
	Metric Metric
	// Alert is the alert's number, as mimir_monitor_add_alert gave it.
	Alert uint32
	// Lost is how many events before this one nobody has asked for in time: the last 64 are kept.
	Lost uint32
	_    uint32
	// TimeNs is that of the sample: nanoseconds since 1970.
	TimeNs uint64
	// Number is that of the sample; of EventEnded the last one's.
	Number uint64
	// Value is what the metric was then.
	Value float64
	// Threshold is the alert's: where it is raised, or where it is cleared.
	Threshold float64
}

// queue is the events that nobody has asked for yet.
type queue struct {
	events [64]Event
	first  int
	length int
	lost   uint32 // before the first
}

func (q *queue) put(e Event) {
	if q.length == len(q.events) {
		q.drop()
		q.lost++
	}
	q.events[(q.first+q.length)%len(q.events)] = e
	q.length++
}

func (q *queue) take() (Event, bool) {
	if q.length == 0 {
		return Event{}, false
	}
	e := q.events[q.first]
	e.Lost, q.lost = q.lost, 0
	q.drop()
	return e, true
}

func (q *queue) drop() {
	q.first = (q.first + 1) % len(q.events)
	q.length--
}

// forget takes out the events of an alert.
func (q *queue) forget(alert uint32) {
	kept := 0
	for i := range q.length {
		if e := q.events[(q.first+i)%len(q.events)]; e.Alert != alert {
			q.events[(q.first+kept)%len(q.events)] = e
			kept++
		}
	}
	q.length = kept
}
