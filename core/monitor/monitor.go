package monitor

import (
	"slices"
	"sync"
	"time"

	"libmimir/core"
)

const (
	// ShortestInterval is the least time between two samples.
	ShortestInterval = time.Millisecond
	// LargestHistory is the most samples that a monitor keeps.
	LargestHistory = 1_000_000
	// mostAlerts is how many alerts a monitor has at most: each is looked at with every sample.
	mostAlerts = 256
	// perSample is what a sample leaves behind, beside what its source does.
	perSample = 512
)

// Forever is a timeout that does not pass.
const Forever = core.Forever

// Monitor reads a source again and again. Its methods may be called from any goroutine.
type Monitor struct {
	source   Source
	interval time.Duration
	begun    time.Time
	due      time.Time // the sampler's

	// reading is held while the source is read: Close waits for it.
	reading sync.Mutex

	mu      sync.Mutex
	history history
	last    Reading // what CPU time is counted from
	alerts  []alert
	numbers uint32
	queue   queue
	news    *core.Latch // opened with each event, at the end and when it is closed
	ended   bool
	closed  bool

	// summing is held by who uses points.
	summing sync.Mutex
	points  *core.Records[point]
}

// New makes the first sample, and others from then on, one each interval. It keeps the last capacity of them.
func New(source Source, interval time.Duration, capacity int) (*Monitor, error) {
	if interval < ShortestInterval {
		return nil, core.Errorf(core.StatusEINVAL, "check interval", "%s is less than %s", interval, ShortestInterval)
	}
	if capacity < 1 || capacity > LargestHistory {
		return nil, core.Errorf(core.StatusEINVAL, "check history", "%d samples are not within 1 and %d", capacity, LargestHistory)
	}
	m := &Monitor{source: source, interval: interval, begun: time.Now(), news: &core.Latch{}}
	var err error
	if m.history, err = newHistory(capacity); err != nil {
		return nil, err
	}
	if m.points, err = core.NewRecords[point](capacity); err != nil {
		m.history.free()
		return nil, err
	}
	if err = m.sample(m.begun); err == nil {
		m.due = m.begun.Add(interval)
		err = theSampler.add(m)
	}
	if err != nil {
		m.history.free()
		m.points.Free()
		return nil, err
	}
	return m, nil
}

// sample makes a sample. Where the source has ended, it says so.
func (m *Monitor) sample(now time.Time) error {
	core.Spend(perSample)
	var r Reading
	m.reading.Lock()
	defer m.reading.Unlock()
	if m.isClosed() {
		return closed
	}
	if err := m.source.Read(&r); err != nil {
		return err
	}
	r.TimeNs = uint64(now.UnixNano())
	r.ElapsedNs = uint64(now.Sub(m.begun))
	r.Number = r.ElapsedNs/uint64(m.interval) + 1
	m.mu.Lock()
	defer m.mu.Unlock()
	m.takeCPUPercent(&r)
	m.last = r
	m.history.put(&r.Sample)
	for i := range m.alerts {
		m.judge(&m.alerts[i], &r.Sample)
	}
	return nil
}

func (m *Monitor) takeCPUPercent(r *Reading) {
	before := &m.last
	if r.Fields&before.Fields&(1<<MetricCPUTimeNs) == 0 || r.CPUTimeNs < before.CPUTimeNs {
		return
	}
	passed := r.ElapsedNs - before.ElapsedNs
	if r.CPUCapacityNs > 0 {
		passed = r.CPUCapacityNs - min(before.CPUCapacityNs, r.CPUCapacityNs)
	}
	if passed > 0 {
		r.CPUPercent = float64(r.CPUTimeNs-before.CPUTimeNs) / float64(passed) * 100
		r.mark(MetricCPUPercent)
	}
}

// judge holds a sample against an alert. The caller holds m.mu, as for tell.
func (m *Monitor) judge(a *alert, s *Sample) {
	value, read := s.Value(a.Metric)
	if !read {
		return
	}
	threshold := a.Threshold
	kind := a.judge(value, s.ElapsedNs)
	if kind == EventCleared {
		threshold = a.Clear
	}
	if kind != 0 {
		m.tell(Event{
			Kind: kind, Metric: a.Metric, Alert: a.number, TimeNs: s.TimeNs, Number: s.Number, Value: value, Threshold: threshold,
		})
	}
}

func (m *Monitor) tell(e Event) {
	m.queue.put(e)
	m.news.Open()
}

// end tells that the source has ended.
func (m *Monitor) end(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	m.ended = true
	m.tell(Event{Kind: EventEnded, TimeNs: uint64(now.UnixNano()), Number: m.last.Number})
}

var closed = core.Errorf(core.StatusESTATE, "find monitor", "the monitor has been closed")

func (m *Monitor) isClosed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.closed
}

// withHistory calls act on a monitor that has not been closed, with m.mu held.
func (m *Monitor) withHistory(act func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return closed
	}
	return act()
}

// Latest is the last sample.
func (m *Monitor) Latest() (s Sample, err error) {
	err = m.withHistory(func() error {
		s = *m.history.at(m.history.length - 1)
		return nil
	})
	return s, err
}

// History gives the samples from the number first on to each, oldest first, until each has had enough. Each must not call the
// monitor.
func (m *Monitor) History(first uint64, each func(*Sample) (more bool)) error {
	return m.withHistory(func() error {
		for i := m.history.from(func(s *Sample) bool { return s.Number >= first }); i < m.history.length; i++ {
			if !each(m.history.at(i)) {
				break
			}
		}
		return nil
	})
}

// Summarize tells what a metric came to over the samples of the time before the last one, or (Forever) all that are kept.
func (m *Monitor) Summarize(metric Metric, window time.Duration) (Summary, error) {
	if err := checkMetric(metric); err != nil {
		return Summary{}, err
	}
	m.summing.Lock()
	defer m.summing.Unlock()
	var points []point
	err := m.withHistory(func() error {
		points = m.points.All()[:0]
		last := m.history.at(m.history.length - 1).ElapsedNs
		i := m.history.from(func(s *Sample) bool { return last-s.ElapsedNs <= uint64(max(window, 0)) })
		for ; i < m.history.length; i++ {
			s := m.history.at(i)
			if value, read := s.Value(metric); read {
				points = append(points, point{float64(s.ElapsedNs) / 1e9, value})
			}
		}
		return nil
	})
	return summarize(points), err
}

// AddAlert has every sample from now on held against a rule, and gives the alert's number.
func (m *Monitor) AddAlert(rule Rule) (number uint32, err error) {
	if err := rule.check(); err != nil {
		return 0, err
	}
	err = m.withHistory(func() error {
		if len(m.alerts) == mostAlerts {
			return core.Errorf(core.StatusENOMEM, "add alert", "the monitor has %d alerts, and no room for more", mostAlerts)
		}
		m.numbers++
		number = m.numbers
		m.alerts = append(m.alerts, alert{Rule: rule, number: number})
		return nil
	})
	return number, err
}

// RemoveAlert takes an alert away. No event of it is told any more, nor that it is cleared, if it was raised.
func (m *Monitor) RemoveAlert(number uint32) error {
	return m.withHistory(func() error {
		i := slices.IndexFunc(m.alerts, func(a alert) bool { return a.number == number })
		if i < 0 {
			return core.Errorf(core.StatusENOENT, "find alert", "the monitor has no alert %d", number)
		}
		m.alerts = slices.Delete(m.alerts, i, i+1)
		m.queue.forget(number)
		return nil
	})
}

// Next waits for the next event, for timeout at most: StatusETIMEDOUT. After the last one, EventEnded, it answers StatusESRCH.
// With interruptible, a signal that arrives at the waiting thread ends the wait too: StatusEINTR.
func (m *Monitor) Next(timeout time.Duration, interruptible bool) (Event, error) {
	until := time.Now().Add(timeout) // of Forever too far, and then far enough
	for {
		event, news, err := m.take()
		if err != nil || event.Kind != 0 {
			return event, err
		}
		left := timeout
		if timeout < Forever {
			left = time.Until(until)
		}
		if left <= 0 {
			return Event{}, noEvent
		}
		if news.Wait(left, interruptible) == core.StatusEINTR {
			return Event{}, interrupted
		}
	}
}

var (
	noEvent     = core.Errorf(core.StatusETIMEDOUT, "wait for event", "nothing has happened")
	interrupted = core.Errorf(core.StatusEINTR, "wait for event", "a signal arrived")
	over        = core.Errorf(core.StatusESRCH, "wait for event", "what the monitor read has ended")
)

// take gives an event, or what will be opened with the next one.
func (m *Monitor) take() (event Event, news *core.Latch, err error) {
	err = m.withHistory(func() error {
		var found bool
		if event, found = m.queue.take(); found {
			return nil
		}
		if m.ended {
			return over
		}
		if m.news.IsOpen() {
			m.news = &core.Latch{}
		}
		news = m.news
		return nil
	})
	return event, news, err
}

// Close ends the monitor. Who waits for an event of it gets StatusESTATE.
func (m *Monitor) Close() {
	m.mu.Lock()
	already := m.closed
	m.closed = true
	m.news.Open()
	m.mu.Unlock()
	if already {
		return
	}
	theSampler.remove(m)
	m.reading.Lock()
	defer m.reading.Unlock()
	m.summing.Lock()
	defer m.summing.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.history.free()
	m.points.Free()
}
