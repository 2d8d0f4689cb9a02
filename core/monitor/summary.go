package monitor

import (
	"math"
	"slices"
)

// Summary is what a metric came to over some samples.
//
//mimir:struct mimir_summary
type Summary struct {
	_ uint32
	// Samples is how many of them have the metric; without any, all else is 0.
	Samples uint64
	// DurationNs is the time between the first of them and the last.
	DurationNs uint64
	// First is the earliest value.
	First float64
	// Last is the latest value.
	Last float64
	// Least is the smallest value.
	Least float64
	// Most is the largest value.
	Most float64
	// Mean is the sum of the values divided by their number.
	Mean float64
	// Deviation is their standard deviation from the mean, of the samples as a whole (divided by their number).
	Deviation float64
	// Median is the value that half of them are not above (nearest rank).
	Median float64
	// Percentile95 is the value that 95 % of them are not above.
	Percentile95 float64
	// Percentile99 is the value that 99 % of them are not above.
	Percentile99 float64
	// SlopePerSecond is the trend: by how much the metric grows in a second, along the straight line that is nearest to the
	// samples (least squares). 0 for fewer than two samples.
	SlopePerSecond float64
}

// point is a value and when it was read, in seconds.
type point struct{ at, value float64 }

// summarize needs the points in the order of their time, and leaves them in that of their values.
func summarize(points []point) Summary {
	n := len(points)
	if n == 0 {
		return Summary{}
	}
	first, last := points[0], points[n-1]
	s := Summary{
		Samples: uint64(n), DurationNs: uint64(math.Round((last.at - first.at) * 1e9)), First: first.value, Last: last.value,
	}
	var at float64
	for _, p := range points {
		s.Mean += p.value / float64(n)
		at += p.at / float64(n)
	}
	var squares, times, products float64
	for _, p := range points {
		squares += (p.value - s.Mean) * (p.value - s.Mean)
		times += (p.at - at) * (p.at - at)
		products += (p.at - at) * (p.value - s.Mean)
	}
	s.Deviation = math.Sqrt(squares / float64(n))
	if times > 0 {
		s.SlopePerSecond = products / times
	}
	slices.SortFunc(points, func(a, b point) int {
		switch {
		case a.value < b.value:
			return -1
		case a.value > b.value:
			return 1
		}
		return 0
	})
	rank := func(part float64) float64 { return points[int(math.Ceil(part*float64(n)))-1].value }
	s.Least, s.Most = points[0].value, points[n-1].value
	s.Median, s.Percentile95, s.Percentile99 = rank(0.5), rank(0.95), rank(0.99)
	s.Mean = min(max(s.Mean, s.Least), s.Most) // where adding up has rounded
	return s
}
