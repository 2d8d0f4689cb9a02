package latch

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func pipe(t *testing.T) (reader, writer int) {
	t.Helper()
	var ends [2]int
	require.NoError(t, unix.Pipe2(ends[:], unix.O_CLOEXEC))
	t.Cleanup(func() { _, _ = unix.Close(ends[0]), unix.Close(ends[1]) })
	return ends[0], ends[1]
}

// tooMany are more descriptors than the system takes.
func tooMany(t *testing.T) []unix.PollFd {
	t.Helper()
	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	return make([]unix.PollFd, limit.Cur+1)
}

func TestAPollEndsWithItsTime(t *testing.T) {
	reader, _ := pipe(t)
	for _, timeout := range []time.Duration{-time.Second, 0, 50 * time.Microsecond, 30 * time.Millisecond} {
		begun := time.Now()
		ready, err := Poll([]unix.PollFd{{Fd: int32(reader), Events: unix.POLLIN}}, timeout)
		assert.NoError(t, err)
		assert.Zero(t, ready)
		assert.GreaterOrEqual(t, time.Since(begun), timeout)
	}
	ready, err := Poll(nil, time.Millisecond)
	assert.NoError(t, err)
	assert.Zero(t, ready)
}

func TestAPollEndsWithWhatItWaitsFor(t *testing.T) {
	reader, writer := pipe(t)
	go func() {
		time.Sleep(10 * time.Millisecond)
		_, _ = unix.Write(writer, []byte{1})
	}()
	fds := []unix.PollFd{{Fd: -1}, {Fd: int32(reader), Events: unix.POLLIN}}
	ready, err := Poll(fds, time.Minute)
	require.NoError(t, err)
	assert.Equal(t, 1, ready)
	assert.EqualValues(t, unix.POLLIN, fds[1].Revents)
	for _, timeout := range []time.Duration{0, time.Minute} {
		ready, err = Poll(fds, timeout)
		assert.NoError(t, err)
		assert.Equal(t, 1, ready, "what is ready already ends it at once")
	}
}

func TestShortPollsThatKeepTheirProcessorEndLikeOthers(t *testing.T) {
	Spare(2)
	defer Spare(0)
	reader, writer := pipe(t)
	poll := func(timeout time.Duration) int {
		for {
			ready, err := Poll([]unix.PollFd{{Fd: int32(reader), Events: unix.POLLIN}}, timeout)
			if err != unix.EINTR { // by which Go asks a thread that keeps its processor to give way
				assert.NoError(t, err)
				return ready
			}
		}
	}
	var polls sync.WaitGroup
	for range 6 { // more than may keep one
		polls.Go(func() {
			begun := time.Now()
			assert.Zero(t, poll(2*time.Millisecond))
			assert.GreaterOrEqual(t, time.Since(begun), 2*time.Millisecond)
		})
	}
	polls.Wait()
	assert.EqualValues(t, 2, spare.Load(), "each gives back what it has taken")
	_, err := unix.Write(writer, []byte{1})
	require.NoError(t, err)
	assert.Equal(t, 1, poll(4*time.Millisecond))
	_, err = Poll(tooMany(t), time.Millisecond)
	assert.Equal(t, unix.EINVAL, err)
	assert.EqualValues(t, 2, spare.Load())
}

func TestAPollThatCannotBeSaysSo(t *testing.T) {
	for _, timeout := range []time.Duration{0, time.Minute} {
		_, err := Poll(tooMany(t), timeout)
		assert.Equal(t, unix.EINVAL, err)
	}
}

func TestGoroutinesRunAndGarbageIsCollectedWhileManyPoll(t *testing.T) {
	reader, writer := pipe(t)
	var polls sync.WaitGroup
	for range 4 * runtime.GOMAXPROCS(0) {
		polls.Add(1)
		go func() {
			defer polls.Done()
			var deep func(n int) int
			deep = func(n int) int { // with stacks of many sizes, which the collector may want to move
				if n > 0 {
					return deep(n - 1)
				}
				ready, err := Poll([]unix.PollFd{{Fd: int32(reader), Events: unix.POLLIN}}, time.Minute)
				assert.NoError(t, err)
				return ready
			}
			assert.Equal(t, 1, deep(1000))
		}()
	}
	for range 20 {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	_, err := unix.Write(writer, []byte{1})
	require.NoError(t, err)
	polls.Wait()
}
