package machtime

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTicksAreTimeByTheMachinesFrequency(t *testing.T) {
	for name, test := range map[string]struct{ ticks, frequency, want uint64 }{
		"Intel":                    {1_500_000_000, 1_000_000_000, 1_500_000_000},
		"Apple":                    {24_000_000, 24_000_000, 1_000_000_000},
		"Apple, one tick":          {1, 24_000_000, 41},
		"Apple, three ticks":       {3, 24_000_000, 125},
		"a frequency of its own":   {10, 19_200_000, 520},
		"a year of 64 CPUs":        {24_000_000 * 86400 * 365 * 64, 24_000_000, 86400 * 365 * 64 * 1_000_000_000},
		"nothing":                  {0, 24_000_000, 0},
		"frequency that is hidden": {77, 0, 77},
		"beyond what fits":         {math.MaxUint64, 24_000_000, math.MaxUint64},
	} {
		assert.Equal(t, test.want, Nanoseconds(test.ticks, test.frequency), name)
	}
}
