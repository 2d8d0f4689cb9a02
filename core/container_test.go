package core

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// contained is an adapter in a container that a test makes up.
type contained struct {
	Adapter
	container Container
	failure   error
}

func (c contained) Container() (Container, error) { return c.container, c.failure }

func (c contained) SystemFacts() (SystemFacts, error) {
	return SystemFacts{UsableCPUCount: 4, TotalMemoryBytes: 8000, AvailableMemoryBytes: 5000}, nil
}

func TestAContainerLeavesWhatItsLimitsAndTheSystemLeave(t *testing.T) {
	const no = Unlimited
	for name, c := range map[string]struct {
		around Container
		want   [3]uint64 // CPU rate, memory, available memory
	}{
		"no limits":                  {Container{MemoryLimitBytes: no, MemoryUsageBytes: 100, CPURateLimit: no}, [3]uint64{4000, 8000, 5000}},
		"less than the system":       {Container{MemoryLimitBytes: 2000, MemoryUsageBytes: 500, CPURateLimit: 1500}, [3]uint64{1500, 2000, 1500}},
		"more than the system":       {Container{MemoryLimitBytes: 9000, MemoryUsageBytes: 500, CPURateLimit: 64000}, [3]uint64{4000, 8000, 5000}},
		"a use that is not told":     {Container{MemoryLimitBytes: 2000, MemoryUsageBytes: no, CPURateLimit: no}, [3]uint64{4000, 2000, 5000}},
		"what can be given up":       {Container{MemoryLimitBytes: 2000, MemoryUsageBytes: 1800, ReclaimableBytes: 800, CPURateLimit: no}, [3]uint64{4000, 2000, 1000}},
		"more given up than used":    {Container{MemoryLimitBytes: 2000, MemoryUsageBytes: 100, ReclaimableBytes: 800, CPURateLimit: no}, [3]uint64{4000, 2000, 2000}},
		"a limit below what is used": {Container{MemoryLimitBytes: 200, MemoryUsageBytes: 500, CPURateLimit: no}, [3]uint64{4000, 200, 0}},
	} {
		found, err := ReadContainer(contained{container: c.around})
		require.NoError(t, err)
		assert.Equal(t, c.want, [3]uint64{found.UsableCPURate, found.UsableMemoryBytes, found.AvailableMemoryBytes}, name)
	}
	_, err := ReadContainer(contained{failure: Errorf(StatusENOTSUP, "find container", "")})
	assert.ErrorIs(t, err, StatusENOTSUP)
}
