package monitor

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"libmimir/core"
)

// told is a source that tells what a test makes it.
type told struct {
	reads atomic.Uint64
	read  func(n uint64, r *Reading) error
}

func (s *told) Read(r *Reading) error { return s.read(s.reads.Add(1), r) }

func memory(bytes uint64, r *Reading) error {
	r.takeMemory(bytes, 1000)
	return nil
}

func started(t *testing.T, source Source, interval time.Duration, capacity int) *Monitor {
	t.Helper()
	m, err := New(source, interval, capacity)
	require.NoError(t, err)
	t.Cleanup(m.Close)
	return m
}

func samples(t *testing.T, m *Monitor, first uint64) (all []Sample) {
	t.Helper()
	require.NoError(t, m.History(first, func(s *Sample) bool {
		all = append(all, *s)
		return true
	}))
	return all
}

func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	require.Eventually(t, holds, 20*time.Second, time.Millisecond)
}

func TestTheOwnProcessIsSampledFromTheStartOn(t *testing.T) {
	source, err := Process(core.Native(), 0)
	require.NoError(t, err)
	m := started(t, source, 5*time.Millisecond, 1000)
	first := samples(t, m, 1)[0]
	assert.EqualValues(t, 1, first.Number)
	assert.Greater(t, first.MemoryBytes, uint64(1<<20))
	assert.InDelta(t, time.Now().UnixNano(), first.TimeNs, float64(time.Minute))
	_, read := first.Value(MetricCPUPercent)
	assert.False(t, read, "there is nothing before the first sample")

	stop := time.Now().Add(300 * time.Millisecond)
	for n := 0; time.Now().Before(stop); n++ {
		_ = n * n
	}
	eventually(t, func() bool {
		s, err := m.Latest()
		require.NoError(t, err)
		return s.CPUTimeNs > first.CPUTimeNs && s.Number > 10
	})
	most := 0.0
	for i, s := range samples(t, m, 1) {
		if i > 0 {
			require.NotZero(t, s.Fields&(1<<MetricCPUPercent))
			require.Greater(t, s.Number, samples(t, m, 1)[i-1].Number)
		}
		require.GreaterOrEqual(t, s.ElapsedNs, (s.Number-1)*uint64(5*time.Millisecond), "no sample comes before its time")
		most = max(most, s.CPUPercent)
	}
	assert.Greater(t, most, 10.0)
}

// sleeper is a process that ends with the test at the latest.
func sleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	command := exec.Command(os.Args[0], "-test.run=^TestAProcessThatEndsEndsItsMonitorAndLeavesItsSamples$")
	command.Env = append(os.Environ(), "MIMIR_TEST_ROLE=sleep")
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	return command
}

func TestAProcessThatEndsEndsItsMonitorAndLeavesItsSamples(t *testing.T) {
	if os.Getenv("MIMIR_TEST_ROLE") == "sleep" {
		time.Sleep(time.Minute)
		return
	}
	command := sleeper(t)
	source, err := Process(core.Native(), int64(command.Process.Pid))
	require.NoError(t, err)
	m := started(t, source, 2*time.Millisecond, 100)
	eventually(t, func() bool { return len(samples(t, m, 1)) > 3 })
	require.NoError(t, command.Process.Kill())
	_ = command.Wait()

	event, err := m.Next(20*time.Second, false)
	require.NoError(t, err)
	assert.Equal(t, EventEnded, event.Kind)
	_, err = m.Next(Forever, false)
	assert.ErrorIs(t, err, core.StatusESRCH)
	latest, err := m.Latest()
	require.NoError(t, err)
	assert.Equal(t, event.Number, latest.Number)
	summary, err := m.Summarize(MetricMemoryBytes, Forever)
	require.NoError(t, err)
	assert.Greater(t, summary.Samples, uint64(3))
	assert.Greater(t, summary.Least, 0.0)

	_, err = Process(core.Native(), int64(command.Process.Pid))
	assert.ErrorIs(t, err, core.StatusESRCH)
}

// reborn is an adapter on which the process gets a new start with its n-th reading.
type reborn struct {
	core.Adapter
	starts atomic.Uint64
	after  uint64
}

func (r *reborn) StartOf(int64) (uint64, error) {
	if r.starts.Add(1) > r.after {
		return 2, nil
	}
	return 1, nil
}

func TestAnotherProcessUnderTheSameIdIsNotSampled(t *testing.T) {
	command := sleeper(t)
	source, err := Process(&reborn{Adapter: core.Native(), after: 4}, int64(command.Process.Pid))
	require.NoError(t, err)
	m := started(t, source, time.Millisecond, 100)
	event, err := m.Next(20*time.Second, false)
	require.NoError(t, err)
	assert.Equal(t, EventEnded, event.Kind)
	assert.Len(t, samples(t, m, 1), 3)
}

func TestTheSystemIsSampled(t *testing.T) {
	m := started(t, System(core.Native()), 20*time.Millisecond, 100)
	eventually(t, func() bool {
		s, err := m.Latest()
		if errors.Is(err, core.StatusENOTSUP) {
			t.Skip("there is no reading of the system here")
		}
		require.NoError(t, err)
		return s.Fields&(1<<MetricCPUPercent) != 0
	})
	for _, s := range samples(t, m, 1) {
		require.Greater(t, s.MemoryBytes, uint64(16<<20))
		require.Greater(t, s.MemoryPercent, 0.0)
		require.LessOrEqual(t, s.MemoryPercent, 100.0)
		require.GreaterOrEqual(t, s.CPUPercent, 0.0)
		require.LessOrEqual(t, s.CPUPercent, 100.0)
		require.NotZero(t, s.Processes)
	}
}

// madeUp is a job that a test makes up.
type madeUp struct {
	limit  uint64
	looked *atomic.Bool
}

func (m madeUp) Usage() (core.Usage, error) {
	u := core.Usage{Fields: uint32(core.UsageMemory | core.UsageThreads)}
	if m.looked.Load() {
		u.ResidentBytes, u.Threads = 250, 3
	}
	return u, nil
}

func (m madeUp) Processes() int          { return 2 }
func (m madeUp) Limit(core.Limit) uint64 { return m.limit }

func TestAJobIsSampledAgainstItsLimit(t *testing.T) {
	var looked atomic.Bool
	source, err := Job(core.Native(), madeUp{1000, &looked})
	require.NoError(t, err)
	m := started(t, source, time.Millisecond, 10)
	latest, err := m.Latest()
	require.NoError(t, err)
	assert.Zero(t, latest.Fields, "what nobody has looked at is not 0")
	looked.Store(true)
	eventually(t, func() bool {
		s, _ := m.Latest()
		return s.MemoryPercent == 25 && s.Threads == 3 && s.Processes == 2
	})
	source, err = Job(core.Native(), madeUp{core.Unlimited, &looked})
	require.NoError(t, err)
	m = started(t, source, time.Hour, 10)
	latest, err = m.Latest()
	require.NoError(t, err)
	assert.Greater(t, latest.MemoryPercent, 0.0)
	assert.Less(t, latest.MemoryPercent, 0.01, "of the memory that there is")
}

func TestTheOldestSamplesMakeRoom(t *testing.T) {
	m := started(t, &told{read: func(n uint64, r *Reading) error { return memory(n, r) }}, time.Millisecond, 7)
	eventually(t, func() bool {
		s, err := m.Latest()
		require.NoError(t, err)
		return s.MemoryBytes > 30
	})
	all := samples(t, m, 1)
	assert.Len(t, all, 7)
	for i := range all[1:] {
		assert.Equal(t, all[i].MemoryBytes+1, all[i+1].MemoryBytes, "oldest first, and none left out")
	}
	middle := all[3].Number
	assert.GreaterOrEqual(t, samples(t, m, middle)[0].Number, middle)
	assert.Empty(t, samples(t, m, 1<<62))
	count := 0
	require.NoError(t, m.History(1, func(*Sample) bool { count++; return count < 2 }))
	assert.Equal(t, 2, count)
}

func TestASampleThatFailsIsLeftOut(t *testing.T) {
	broken := core.Errorf(core.StatusENOMEM, "open", "no descriptor is left")
	m := started(t, &told{read: func(n uint64, r *Reading) error {
		if n%2 == 0 {
			return broken
		}
		return memory(n, r)
	}}, time.Millisecond, 100)
	eventually(t, func() bool { return len(samples(t, m, 1)) > 3 })
	all := samples(t, m, 1)
	for i := range all[1:] {
		assert.Greater(t, all[i+1].Number, all[i].Number+1)
	}
	_, err := m.Next(0, false)
	assert.ErrorIs(t, err, core.StatusETIMEDOUT, "it has not ended")
}

func TestASourceThatCannotBeReadMakesNoMonitor(t *testing.T) {
	for _, status := range []core.Status{core.StatusEPERM, core.StatusESRCH} {
		_, err := New(&told{read: func(uint64, *Reading) error { return core.Errorf(status, "read", "") }}, time.Second, 10)
		assert.ErrorIs(t, err, status)
	}
	for _, refused := range []struct {
		interval time.Duration
		capacity int
	}{{0, 10}, {-1, 10}, {ShortestInterval - 1, 10}, {time.Second, 0}, {time.Second, -1}, {time.Second, LargestHistory + 1}} {
		_, err := New(&told{read: func(uint64, *Reading) error { return nil }}, refused.interval, refused.capacity)
		assert.ErrorIs(t, err, core.StatusEINVAL, "%v", refused)
	}
}

func TestAlertsAreRaisedAndCleared(t *testing.T) {
	var level atomic.Uint64
	m := started(t, &told{read: func(_ uint64, r *Reading) error { return memory(level.Load(), r) }}, time.Millisecond, 100)
	high, err := m.AddAlert(Rule{Metric: MetricMemoryBytes, Threshold: 500, Clear: 300})
	require.NoError(t, err)
	low, err := m.AddAlert(Rule{Metric: MetricMemoryPercent, Side: AlertBelow, Threshold: 10, Clear: 10})
	require.NoError(t, err)
	next := func(alert uint32, kind EventKind, value, threshold float64) {
		t.Helper()
		e, err := m.Next(20*time.Second, false)
		require.NoError(t, err)
		assert.Equal(t, []any{alert, kind, value, threshold}, []any{e.Alert, e.Kind, e.Value, e.Threshold})
		assert.Zero(t, e.Lost)
		assert.Equal(t, e.TimeNs, samples(t, m, e.Number)[0].TimeNs)
	}
	next(low, EventRaised, 0, 10)
	level.Store(501)
	for range 2 { // of one sample, or of two
		e, err := m.Next(20*time.Second, false)
		require.NoError(t, err)
		if e.Alert == low {
			assert.Equal(t, EventCleared, e.Kind)
		} else {
			assert.Equal(t, Event{Kind: EventRaised, Metric: MetricMemoryBytes, Alert: high, TimeNs: e.TimeNs, Number: e.Number, Value: 501,
				Threshold: 500}, e)
		}
	}
	level.Store(400) // not enough to clear it
	_, err = m.Next(30*time.Millisecond, false)
	assert.ErrorIs(t, err, core.StatusETIMEDOUT)
	level.Store(300)
	next(high, EventCleared, 300, 300)
	require.NoError(t, m.RemoveAlert(high))
	level.Store(1000)
	_, err = m.Next(30*time.Millisecond, false)
	assert.ErrorIs(t, err, core.StatusETIMEDOUT)
	assert.ErrorIs(t, m.RemoveAlert(high), core.StatusENOENT)
}

func TestNoEventOfARemovedAlertIsTold(t *testing.T) {
	m := started(t, &told{read: func(n uint64, r *Reading) error { return memory(n%2*100, r) }}, time.Millisecond, 10)
	hovering, err := m.AddAlert(Rule{Metric: MetricMemoryBytes, Threshold: 50, Clear: 50})
	require.NoError(t, err)
	eventually(t, func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.queue.length > 5
	})
	require.NoError(t, m.RemoveAlert(hovering))
	_, err = m.Next(0, false)
	assert.ErrorIs(t, err, core.StatusETIMEDOUT)
}

func TestCPUTimeThatGoesBackHasNoPercentage(t *testing.T) {
	m := started(t, &told{read: func(n uint64, r *Reading) error {
		r.CPUTimeNs = []uint64{5e6, 6e6, 1e6, 2e6}[min(n-1, 3)] // as of a job, one of whose processes nobody has waited for
		r.mark(MetricCPUTimeNs)
		return nil
	}}, time.Millisecond, 10)
	eventually(t, func() bool { return len(samples(t, m, 1)) >= 4 })
	for i, s := range samples(t, m, 1)[:4] {
		_, read := s.Value(MetricCPUPercent)
		assert.Equal(t, i == 1 || i == 3, read, "sample %d", i)
	}
}

func TestEventsThatNobodyAsksForAreCounted(t *testing.T) {
	m := started(t, &told{read: func(n uint64, r *Reading) error { return memory(n%2*100, r) }}, time.Millisecond, 10)
	_, err := m.AddAlert(Rule{Metric: MetricMemoryBytes, Threshold: 50, Clear: 50})
	require.NoError(t, err)
	eventually(t, func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.queue.lost >= 5
	})
	first, err := m.Next(0, false)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, first.Lost, uint32(5))
	second, err := m.Next(0, false)
	require.NoError(t, err)
	assert.NotEqual(t, first.Kind, second.Kind, "those that are kept follow each other")
}

func TestWhoWaitsForAnEventIsWokenByIt(t *testing.T) {
	var level atomic.Uint64
	m := started(t, &told{read: func(_ uint64, r *Reading) error { return memory(level.Load(), r) }}, time.Millisecond, 10)
	_, err := m.AddAlert(Rule{Metric: MetricMemoryBytes, Threshold: 1, Clear: 1})
	require.NoError(t, err)
	var got atomic.Int32
	var waiting sync.WaitGroup
	for range 4 {
		waiting.Go(func() {
			for {
				_, err := m.Next(Forever, false)
				if errors.Is(err, core.StatusESTATE) {
					return
				}
				if assert.NoError(t, err) {
					got.Add(1)
				}
			}
		})
	}
	for i := range 6 {
		level.Store(uint64(2 - i%2*2))
		eventually(t, func() bool { return got.Load() == int32(i+1) })
	}
	m.Close()
	waiting.Wait()
}

func TestAClosedMonitorSaysSo(t *testing.T) {
	source := &told{read: func(n uint64, r *Reading) error { return memory(n, r) }}
	m := started(t, source, time.Millisecond, 10)
	m.Close()
	m.Close()
	reads := source.reads.Load()
	_, err := m.Latest()
	assert.ErrorIs(t, err, core.StatusESTATE)
	_, err = m.Summarize(MetricMemoryBytes, Forever)
	assert.ErrorIs(t, err, core.StatusESTATE)
	_, err = m.AddAlert(Rule{})
	assert.ErrorIs(t, err, core.StatusESTATE)
	assert.ErrorIs(t, m.RemoveAlert(1), core.StatusESTATE)
	assert.ErrorIs(t, m.History(1, nil), core.StatusESTATE)
	_, err = m.Next(Forever, false)
	assert.ErrorIs(t, err, core.StatusESTATE)
	time.Sleep(20 * time.Millisecond)
	assert.Equal(t, reads, source.reads.Load(), "it is not read any more")
}

// alone waits until no monitor of an earlier test is read any more, and counts threads from then on.
func alone(t *testing.T, reserve func() error, release func()) {
	t.Helper()
	idle := func() bool {
		theSampler.mu.Lock()
		defer theSampler.mu.Unlock()
		return !theSampler.running
	}
	eventually(t, idle)
	formerReserve, formerRelease := core.ReserveThread, core.ReleaseThread
	core.ReserveThread, core.ReleaseThread = reserve, release
	t.Cleanup(func() {
		eventually(t, idle)
		core.ReserveThread, core.ReleaseThread = formerReserve, formerRelease
	})
}

func TestManyMonitorsTakeOneGoroutineThatEndsWithThem(t *testing.T) {
	var reserved atomic.Int32
	alone(t, func() error { reserved.Add(1); return nil }, func() { reserved.Add(-1) })
	before := runtime.NumGoroutine()
	sources := make([]*told, 200)
	monitors := make([]*Monitor, len(sources))
	for i := range sources {
		sources[i] = &told{read: func(n uint64, r *Reading) error { return memory(n, r) }}
		var err error
		monitors[i], err = New(sources[i], time.Duration(1+i%9)*time.Millisecond, 10)
		require.NoError(t, err)
	}
	assert.EqualValues(t, 1, reserved.Load())
	for _, s := range sources {
		eventually(t, func() bool { return s.reads.Load() > 3 })
	}
	assert.LessOrEqual(t, runtime.NumGoroutine(), before+2) // and one of assert's
	var closing sync.WaitGroup
	for _, m := range monitors {
		closing.Go(m.Close)
	}
	closing.Wait()
	eventually(t, func() bool { return reserved.Load() == 0 })
	m := started(t, sources[0], time.Millisecond, 10)
	eventually(t, func() bool { return len(samples(t, m, 1)) > 3 })
}

func TestWithoutAThreadThereIsNoMonitor(t *testing.T) {
	alone(t, func() error { return core.Errorf(core.StatusENOMEM, "start thread", "none is left") }, func() {})
	_, err := New(&told{read: func(n uint64, r *Reading) error { return memory(n, r) }}, time.Second, 10)
	assert.ErrorIs(t, err, core.StatusENOMEM)
}

func TestEverythingCanBeAskedAtOnce(t *testing.T) {
	m := started(t, &told{read: func(n uint64, r *Reading) error { return memory(n%100, r) }}, time.Millisecond, 50)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 200 {
				number, err := m.AddAlert(Rule{Metric: MetricMemoryBytes, Threshold: 10, Clear: 5})
				assert.NoError(t, err)
				_, err = m.Summarize(MetricMemoryBytes, 20*time.Millisecond)
				assert.NoError(t, err)
				_, _ = m.Next(100*time.Microsecond, true)
				_ = samples(t, m, 1)
				assert.NoError(t, m.RemoveAlert(number))
			}
		})
	}
	all.Wait()
}

func TestAMonitorHasRoomForSoManyAlerts(t *testing.T) {
	m := started(t, &told{read: func(n uint64, r *Reading) error { return memory(n, r) }}, time.Hour, 10)
	for range mostAlerts {
		_, err := m.AddAlert(Rule{Metric: MetricThreads, Threshold: 1, Clear: 1})
		require.NoError(t, err)
	}
	_, err := m.AddAlert(Rule{Metric: MetricThreads, Threshold: 1, Clear: 1})
	assert.ErrorIs(t, err, core.StatusENOMEM)
}
