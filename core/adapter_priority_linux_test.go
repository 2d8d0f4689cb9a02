package core

import (
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestThePriorityOfEachThreadIsSet(t *testing.T) {
	script := "import threading, time\nfor _ in range(7): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\nprint(flush=True)\ntime.sleep(60)"
	command := exec.Command("python3", "-S", "-c", script)
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	defer func() { _ = command.Process.Kill(); _ = command.Wait() }()
	_, err = out.Read(make([]byte, 1))
	require.NoError(t, err)
	pid := command.Process.Pid
	before, err := ReadPriority(Native(), int64(pid))
	require.NoError(t, err)
	wanted := before + 3
	require.NoError(t, SetPriority(Native(), int64(pid), wanted))
	tasks, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(tasks), 8) // an emulator has one of its own
	for _, task := range tasks {
		thread, err := strconv.Atoi(task.Name())
		require.NoError(t, err)
		answer, err := unix.Getpriority(unix.PRIO_PROCESS, thread)
		require.NoError(t, err)
		assert.Equal(t, wanted, kernelNice(answer), "thread %d", thread)
	}
	found, err := ReadPriority(Native(), int64(pid))
	require.NoError(t, err)
	assert.Equal(t, wanted, found)
	if os.Geteuid() != 0 {
		assert.ErrorIs(t, SetPriority(Native(), int64(pid), PriorityHighest), StatusEPERM)
		found, err = ReadPriority(Native(), int64(pid))
		require.NoError(t, err)
		assert.Equal(t, wanted, found, "nothing has changed")
		assert.ErrorIs(t, SetPriority(Native(), 1, PriorityLow), StatusEPERM, "another user's")
	}
}

func TestAProcessOfLowPriorityGetsLittleOfABusyProcessor(t *testing.T) {
	if os.Getenv("MIMIR_EMULATED") != "" {
		t.Skip("emulated processes are not scheduled as they say")
	}
	var processors unix.CPUSet
	require.NoError(t, unix.SchedGetaffinity(0, &processors))
	only := 0
	for !processors.IsSet(only) {
		only++
	}
	var one unix.CPUSet
	one.Set(only)
	busy := func(p Priority) *exec.Cmd {
		command := exec.Command("sh", "-c", "while :; do :; done")
		require.NoError(t, command.Start())
		require.NoError(t, unix.SchedSetaffinity(command.Process.Pid, &one))
		require.NoError(t, SetPriority(Native(), int64(command.Process.Pid), p))
		t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
		return command
	}
	own, err := ReadPriority(Native(), 0)
	require.NoError(t, err)
	if own > PriorityBelowNormal {
		t.Skip("this process has itself a low priority")
	}
	normal, low := busy(own), busy(PriorityLow)
	cpu := func(c *exec.Cmd) (t time.Duration) {
		var u Usage
		if ReadUsage(Native(), int64(c.Process.Pid), UsageCPU, &u) == nil {
			t = time.Duration(u.UserTimeNs + u.SystemTimeNs)
		}
		return t
	}
	require.Eventually(t, func() bool { return cpu(normal)+cpu(low) > time.Second }, time.Minute, 10*time.Millisecond)
	assert.Greater(t, cpu(normal), 4*cpu(low))
}
