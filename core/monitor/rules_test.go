package monitor

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"libmimir/core"
)

func TestAlertsFollowTheirRules(t *testing.T) {
	const second = time.Second
	for name, c := range map[string]struct {
		rule   Rule
		values []float64 // one each second
		want   []EventKind
	}{
		"above":                     {Rule{Threshold: 5, Clear: 5}, []float64{5, 6, 7, 5, 6}, []EventKind{0, 1, 0, 2, 1}},
		"below":                     {Rule{Side: AlertBelow, Threshold: 5, Clear: 5}, []float64{5, 4, 3, 5, 4}, []EventKind{0, 1, 0, 2, 1}},
		"with a band":               {Rule{Threshold: 5, Clear: 2}, []float64{6, 4, 6, 2.1, 2, 6}, []EventKind{1, 0, 0, 0, 2, 1}},
		"below with a band":         {Rule{Side: AlertBelow, Threshold: 5, Clear: 8}, []float64{4, 6, 4, 8, 4}, []EventKind{1, 0, 0, 2, 1}},
		"after a time":              {Rule{Threshold: 5, Clear: 5, Hold: 2 * second}, []float64{6, 6, 6, 6, 1}, []EventKind{0, 0, 1, 0, 2}},
		"after an interrupted time": {Rule{Threshold: 5, Clear: 5, Hold: 2 * second}, []float64{6, 6, 5, 6, 6, 6}, []EventKind{0, 0, 0, 0, 0, 1}},
		"a time again":              {Rule{Threshold: 5, Clear: 5, Hold: second}, []float64{6, 6, 1, 6, 6}, []EventKind{0, 1, 2, 0, 1}},
		"not a number":              {Rule{Threshold: 5, Clear: 5}, []float64{math.NaN(), 6}, []EventKind{0, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			assert.NoError(t, c.rule.check())
			a := alert{Rule: c.rule}
			for i, value := range c.values {
				assert.Equal(t, c.want[i], a.judge(value, uint64(i)*uint64(second)), "sample %d", i)
			}
		})
	}
}

func TestRulesThatMakeNoSenseAreRefused(t *testing.T) {
	for name, rule := range map[string]Rule{
		"an unknown metric":           {Metric: metricEnd},
		"a negative metric":           {Metric: -1},
		"an unknown side":             {Side: 2},
		"no number":                   {Threshold: math.NaN()},
		"no end":                      {Threshold: math.Inf(1)},
		"no number to clear":          {Clear: math.NaN()},
		"clearing above what is high": {Threshold: 5, Clear: 6},
		"clearing below what is low":  {Side: AlertBelow, Threshold: 5, Clear: 4},
		"a negative time":             {Hold: -1},
	} {
		assert.ErrorIs(t, rule.check(), core.StatusEINVAL, name)
	}
}

func TestASummaryIsWhatStatisticsSay(t *testing.T) {
	assert.Equal(t, Summary{}, summarize(nil))
	assert.Equal(t, Summary{Samples: 1, First: 7, Last: 7, Least: 7, Most: 7, Mean: 7, Median: 7, Percentile95: 7, Percentile99: 7},
		summarize([]point{{3, 7}}))

	// 1 to 100 in any order of values, one each half second, on a straight line.
	var points []point
	for i := range 100 {
		points = append(points, point{10 + float64(i)/2, float64(i + 1)})
	}
	s := summarize(points)
	assert.InDelta(t, math.Sqrt((100*100-1)/12.0), s.Deviation, 1e-9)
	assert.InDelta(t, 2, s.SlopePerSecond, 1e-9)
	s.Deviation, s.SlopePerSecond = 0, 0
	assert.Equal(t, Summary{Samples: 100, DurationNs: 49_500_000_000, First: 1, Last: 100, Least: 1, Most: 100, Mean: 50.5, Median: 50,
		Percentile95: 95, Percentile99: 99}, s)

	points = nil
	for i, value := range rand.Perm(1001) {
		points = append(points, point{float64(i), float64(value)})
	}
	s = summarize(points)
	assert.Equal(t, []float64{0, 1000, 500, 950, 990}, []float64{s.Least, s.Most, s.Median, s.Percentile95, s.Percentile99})
	assert.InDelta(t, 500, s.Mean, 1e-9)
}

func TestTheTrendOfLargeNumbersIsExact(t *testing.T) {
	var points []point
	for i := range 10_000 { // a leak of 1 MB/s in a process of a terabyte, up for a year
		points = append(points, point{3e7 + float64(i), 1e12 + 1e6*float64(i)})
	}
	assert.InDelta(t, 1e6, summarize(points).SlopePerSecond, 1)
	var flat []point
	for i := range 1000 {
		flat = append(flat, point{float64(i), 0.1})
	}
	s := summarize(flat)
	assert.Equal(t, []float64{0.1, 0.1, 0.1}, []float64{s.Least, s.Mean, s.Most})
	assert.InDelta(t, 0, s.SlopePerSecond, 1e-15)
}

func TestEveryMetricHasItsFieldOfASample(t *testing.T) {
	s := Sample{
		CPUPercent: 1, CPUTimeNs: 2, MemoryBytes: 3, MemoryPercent: 4, VirtualBytes: 5, SwapBytes: 6, Threads: 7, Descriptors: 8,
		Processes: 9, RunQueue: 10,
	}
	for m := range metricEnd {
		_, read := s.Value(m)
		assert.False(t, read)
		s.mark(m)
		value, read := s.Value(m)
		assert.True(t, read)
		assert.EqualValues(t, m+1, value)
	}
	_, read := s.Value(metricEnd)
	assert.False(t, read)
}

func TestAQueueGivesWhatItWasGivenLessWhatIsForgottenOrLost(t *testing.T) {
	var q queue
	var want []uint32
	for i := range uint32(500) {
		q.put(Event{Kind: EventRaised, Alert: i % 3, Number: uint64(i)})
		if i%7 == 0 {
			_, found := q.take()
			assert.True(t, found)
		}
	}
	assert.Equal(t, len(q.events), q.length)
	for i := uint32(500 - len(q.events)); i < 500; i++ {
		if i%3 != 1 {
			want = append(want, i)
		}
	}
	q.forget(1)
	var got []uint32
	lost := uint32(0)
	for {
		e, found := q.take()
		if !found {
			break
		}
		got, lost = append(got, uint32(e.Number)), lost+e.Lost
	}
	assert.Equal(t, want, got)
	assert.Positive(t, lost)
}
