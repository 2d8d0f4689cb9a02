//go:build linux || darwin

package core

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The same on each system: a wrong unit is wrong by a factor of 1024.
func TestThePeakOfThisProcessIsInBytes(t *testing.T) {
	const touched = 96 << 20
	ballast, err := unix.Mmap(-1, 0, touched, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	require.NoError(t, err)
	for i := 0; i < len(ballast); i += 4096 {
		ballast[i] = 1
	}
	var u Usage
	require.NoError(t, Native().SelfUsage(UsageMemory, &u))
	require.NoError(t, unix.Munmap(ballast))
	assert.Greater(t, u.PeakResidentBytes, uint64(touched))
	assert.Less(t, u.PeakResidentBytes, uint64(touched)*100)
}
