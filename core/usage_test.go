package core

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAMeasureComparesStrictlyAndOnlyWithALimit(t *testing.T) {
	u := Usage{ResidentBytes: 100 << 20, PeakResidentBytes: 120 << 20, UserTimeNs: 1_500_000_000, SystemTimeNs: 500_000_000}
	assert.Equal(t, Measure{
		MemoryBytes: 100 << 20, MemoryMB: 100, CPUTimeSeconds: 2, PeakMemoryBytes: 120 << 20,
	}, MeasureAgainst(&u, 0, 0))
	at := MeasureAgainst(&u, 100<<20, 2)
	assert.Equal(t, 100.0, at.MemoryPercent)
	assert.Equal(t, 100.0, at.CPUPercent)
	assert.Zero(t, at.MemoryLimitExceeded+at.CPULimitExceeded)
	above := MeasureAgainst(&u, 100<<20-1, 1)
	assert.EqualValues(t, 1, above.MemoryLimitExceeded)
	assert.EqualValues(t, 1, above.CPULimitExceeded)
	assert.Equal(t, 200.0, above.CPUPercent)
}
