package job

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"libmimir/core"
)

// These run in a machine of their own, in which control groups are of version 2 and delegated to the test: see
// tests/unified. There is nothing in it but this binary, which plays the commands too.
func unified(t *testing.T, role string) *Job {
	t.Helper()
	if os.Getenv("MIMIR_UNIFIED") == "" {
		t.Skip("needs a delegated control group of version 2: make test-unified")
	}
	j := newJobOf(t, core.Native(), "/test", "-test.run=^TestUnifiedRole$")
	require.NoError(t, j.SetEnvironment([]string{"MIMIR_UNIFIED_ROLE=" + role, "MIMIR_UNIFIED=1"}))
	require.NoError(t, j.SetStream(core.StreamOutput, core.ModeNull, 0))
	require.NoError(t, j.SetStream(core.StreamError, core.ModeNull, 0))
	return j
}

func TestUnifiedRole(t *testing.T) {
	switch os.Getenv("MIMIR_UNIFIED_ROLE") {
	case "eat":
		for kept := [][]byte{}; ; {
			b := make([]byte, 1<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			kept = append(kept, b)
			if len(kept) > 400 {
				os.Exit(3)
			}
		}
	case "spin":
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		}
	case "spin a little":
		var ru syscall.Rusage
		for ru.Utime.Nano() < 300e6 {
			_ = syscall.Getrusage(syscall.RUSAGE_SELF, &ru)
		}
	case "look around":
		c, err := core.Native().Container()
		fmt.Println(c.Kind, c.MemoryLimitBytes, c.CPURateLimit, c.ProcessLimit, c.MemoryUsageBytes < c.MemoryLimitBytes, err)
	case "sleep":
		time.Sleep(time.Minute)
	case "fork":
		for range 20 {
			_, err := syscall.ForkExec("/test", []string{"/test", "-test.run=^TestUnifiedRole$"}, &syscall.ProcAttr{
				Env: []string{"MIMIR_UNIFIED_ROLE=sleep"}, Sys: &syscall.SysProcAttr{Setsid: true},
			})
			if err != nil {
				break
			}
		}
		time.Sleep(time.Minute)
	}
}

func TestUnifiedMemoryEndsTheTree(t *testing.T) {
	j := unified(t, "eat")
	require.NoError(t, j.SetLimit(core.LimitMemory, 120<<20))
	v := run(t, j)
	assert.Equal(t, core.ReasonMemory, v.Reason)
	assert.True(t, grouped(t, j, core.LimitMemory))
	assert.LessOrEqual(t, v.PeakMemoryBytes, uint64(132<<20))
}

func TestUnifiedLimitsAreSeenFromInside(t *testing.T) {
	j := unified(t, "look around")
	require.NoError(t, j.SetStream(core.StreamOutput, core.ModeCapture, 0))
	require.NoError(t, j.SetLimit(core.LimitMemory, 120<<20))
	require.NoError(t, j.SetLimit(core.LimitProcesses, 50))
	require.NoError(t, j.SetLimit(core.LimitCPURate, 750))
	run(t, j)
	assert.Contains(t, captured(t, j, core.StreamOutput), fmt.Sprintln(core.ContainerControlGroup, 120<<20, 750, 50, true, nil))
}

func TestUnifiedProcessesEndTheTree(t *testing.T) {
	j := unified(t, "fork")
	require.NoError(t, j.SetLimit(core.LimitProcesses, 12))
	require.NoError(t, j.SetLimit(core.LimitWallTime, 50e9))
	v := run(t, j)
	assert.Equal(t, core.ReasonProcesses, v.Reason)
	assert.True(t, grouped(t, j, core.LimitProcesses))
	assert.Empty(t, sleepers(t))
}

func TestUnifiedTimesAndRate(t *testing.T) {
	j := unified(t, "spin")
	require.NoError(t, j.SetLimit(core.LimitCPUTime, 400e6))
	require.NoError(t, j.SetLimit(core.LimitMemory, 300<<20))
	assert.Equal(t, core.ReasonCPUTime, run(t, j).Reason)

	j = unified(t, "sleep")
	require.NoError(t, j.SetLimit(core.LimitWallTime, 300e6))
	require.NoError(t, j.SetLimit(core.LimitProcesses, 30))
	assert.Equal(t, core.ReasonWallTime, run(t, j).Reason)

	j = unified(t, "spin a little")
	require.NoError(t, j.SetLimit(core.LimitCPURate, 200))
	v := run(t, j)
	assert.Zero(t, v.ExitCode)
	assert.Greater(t, v.WallTimeNs, uint64(900e6), "0.3 s of CPU time at a fifth of a CPU take 1.5 s")
}

func TestUnifiedKillEndsWhoHasLeft(t *testing.T) {
	j := unified(t, "fork")
	require.NoError(t, j.SetLimit(core.LimitProcesses, 400))
	require.NoError(t, j.Start())
	require.Eventually(t, func() bool { return len(sleepers(t)) == 20 }, time.Minute, 20*time.Millisecond)
	require.NoError(t, j.Kill())
	v, err := j.Wait(Forever)
	require.NoError(t, err)
	assert.Equal(t, core.ReasonKilled, v.Reason)
	assert.Empty(t, sleepers(t))
}

func TestUnifiedGroupsAreRemoved(t *testing.T) {
	j := unified(t, "none")
	require.NoError(t, j.SetLimit(core.LimitMemory, 300<<20))
	run(t, j)
	left, err := filepath.Glob("/sys/fs/cgroup/delegated/libmimir-*")
	require.NoError(t, err)
	assert.Empty(t, left)
}

// sleepers are the processes that "fork" has started and that live.
func sleepers(t *testing.T) (alive []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	require.NoError(t, err)
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), "MIMIR_UNIFIED_ROLE=sleep") {
			alive = append(alive, fmt.Sprint(file))
		}
	}
	return alive
}
