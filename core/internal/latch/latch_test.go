package latch

import (
	"math"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestAWaitEndsWhenItIsOpenedAndNotBefore(t *testing.T) {
	var l Latch
	assert.False(t, l.IsOpen())
	assert.Equal(t, TimedOut, l.Wait(0, false))
	assert.Equal(t, TimedOut, l.Wait(time.Millisecond, true))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { assert.Equal(t, Opened, l.Wait(math.MaxInt64, false)) })
	}
	Sleep(5 * time.Millisecond)
	l.Open()
	all.Wait()
	assert.True(t, l.IsOpen())
	assert.Equal(t, Opened, l.Wait(0, false))
}
