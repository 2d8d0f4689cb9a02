package monitor

import (
	"errors"
	"slices"
	"sync"
	"time"

	"libmimir/core"
)

// sampler reads all monitors, each at its time, in one goroutine that lives as long as there are any.
type sampler struct {
	mu       sync.Mutex
	monitors []*Monitor
	running  bool
	changed  *core.Latch // opened when the sampler has to look at its monitors anew
}

var theSampler = sampler{changed: &core.Latch{}}

func (s *sampler) add(m *Monitor) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.running {
		if err := core.ReserveThread(); err != nil {
			return err
		}
		s.running = true
		go s.run()
	}
	s.monitors = append(s.monitors, m)
	s.changed.Open()
	return nil
}

func (s *sampler) remove(m *Monitor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.monitors, m); i >= 0 {
		s.monitors = slices.Delete(s.monitors, i, i+1)
		s.changed.Open()
	}
}

func (s *sampler) run() {
	for {
		next, changed := s.next()
		if next == nil {
			return
		}
		if wait := time.Until(next.due); wait > 0 {
			changed.Wait(wait, false)
			continue
		}
		s.sample(next)
	}
}

// next is the monitor that is due first, or nil when there is none any more, and the sampler's end.
func (s *sampler) next() (*Monitor, *core.Latch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.monitors) == 0 {
		s.running = false
		core.ReleaseThread()
		return nil, nil
	}
	if s.changed.IsOpen() {
		s.changed = &core.Latch{}
	}
	first := s.monitors[0]
	for _, m := range s.monitors[1:] {
		if m.due.Before(first.due) {
			first = m
		}
	}
	return first, s.changed
}

func (s *sampler) sample(m *Monitor) {
	now := time.Now()
	err := m.sample(now)
	if errors.Is(err, core.StatusESRCH) {
		s.remove(m)
		m.end(now)
	}
	// Times that have passed meanwhile are left out: two samples in a row would tell nothing.
	behind := time.Since(m.due)
	m.due = m.due.Add(m.interval * (1 + behind/m.interval))
}
