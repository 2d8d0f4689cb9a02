package job

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"libmimir/core"
)

// The mechanisms by which limits of memory and processes are kept. Control groups need to be writable, as they are for root
// on the machines of continuous integration.
var mechanisms = map[string]core.Adapter{"watchdog": core.NativeWithoutGroups(), "native": core.Native()}

// grouped reports whether a job has its limit kept by a control group.
func grouped(t *testing.T, j *Job, limit core.Limit) bool {
	t.Helper()
	kept, err := j.Enforcement(limit)
	require.NoError(t, err)
	return kept == core.EnforcementKernel
}

func newJob(t *testing.T, args ...string) *Job {
	t.Helper()
	return newJobOf(t, core.NativeWithoutGroups(), args...)
}

func newJobOf(t *testing.T, a core.Adapter, args ...string) *Job {
	t.Helper()
	j, err := New(a, args)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, j.Close()) })
	return j
}

func run(t *testing.T, j *Job) core.Verdict {
	t.Helper()
	v, err := j.Run(time.Minute)
	require.NoError(t, err)
	return v
}

func captured(t *testing.T, j *Job, stream core.Stream) string {
	t.Helper()
	n, err := j.Read(stream, nil)
	require.NoError(t, err)
	b := make([]byte, n)
	_, err = j.Read(stream, b)
	require.NoError(t, err)
	return string(b)
}

func capture2(t *testing.T, j *Job) {
	t.Helper()
	require.NoError(t, j.SetStream(core.StreamOutput, core.ModeCapture, 0))
	require.NoError(t, j.SetStream(core.StreamError, core.ModeCapture, 0))
}

func python(t *testing.T, program string) *Job {
	t.Helper()
	return newJob(t, "python3", "-S", "-c", program)
}

func TestACommandThatEndsByItselfHasNoReason(t *testing.T) {
	for _, code := range []int{0, 1, 77} {
		v := run(t, newJob(t, "sh", "-c", fmt.Sprintf("exit %d", code)))
		assert.EqualValues(t, code, v.ExitCode)
		assert.Equal(t, core.ReasonNone, v.Reason)
		assert.Zero(t, v.Signal)
		assert.Positive(t, v.WallTimeNs)
	}
}

func TestASignalFromElsewhereIsNoReason(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGXCPU, syscall.SIGXFSZ} {
		v := run(t, newJob(t, "sh", "-c", fmt.Sprintf("kill -%d $$", signal)))
		assert.Equal(t, core.ReasonNone, v.Reason, signal)
		assert.EqualValues(t, signal, v.Signal)
		assert.EqualValues(t, -1, v.ExitCode)
	}
}

func TestASignalOfALimitThatWasNotUsedUpIsNoReason(t *testing.T) {
	j := newJob(t, "sh", "-c", "kill -XCPU $$")
	require.NoError(t, j.SetLimit(core.LimitCPUTime, 100e9))
	assert.Equal(t, core.ReasonNone, run(t, j).Reason)
}

func TestOutputIsCapturedApart(t *testing.T) {
	j := newJob(t, "sh", "-c", "echo out; echo err >&2")
	capture2(t, j)
	v := run(t, j)
	assert.Equal(t, "out\n", captured(t, j, core.StreamOutput))
	assert.Equal(t, "err\n", captured(t, j, core.StreamError))
	assert.EqualValues(t, 8, v.OutputBytes)
}

func TestErrorOutputCanGoWhereOutputGoes(t *testing.T) {
	j := newJob(t, "sh", "-c", "echo a; echo b >&2; echo c")
	require.NoError(t, j.SetStream(core.StreamOutput, core.ModeCapture, 0))
	require.NoError(t, j.SetStream(core.StreamError, core.ModeOutput, 0))
	run(t, j)
	assert.Equal(t, "a\nb\nc\n", captured(t, j, core.StreamOutput))
}

func TestMoreOutputThanAPipeHoldsIsCaptured(t *testing.T) {
	j := newJob(t, "sh", "-c", "head -c 3000000 /dev/zero")
	capture2(t, j)
	run(t, j)
	assert.Len(t, captured(t, j, core.StreamOutput), 3000000)
}

func TestInputLargerThanAPipeIsReadToTheEnd(t *testing.T) {
	for _, size := range []int{0, 1, 64 << 10, 64<<10 + 1, 5 << 20} {
		input := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
		j := newJob(t, "cat")
		capture2(t, j)
		require.NoError(t, j.SetInput(input))
		run(t, j)
		assert.True(t, captured(t, j, core.StreamOutput) == string(input), "%d bytes", size)
	}
}

func TestACommandThatDoesNotReadItsInputEndsByItself(t *testing.T) {
	j := newJob(t, "true")
	require.NoError(t, j.SetInput(make([]byte, 1<<20)))
	assert.Zero(t, run(t, j).ExitCode)
}

func TestDirectoryAndEnvironmentAreTheCommands(t *testing.T) {
	dir := t.TempDir()
	j := newJob(t, "sh", "-c", "pwd; echo $A-$HOME")
	capture2(t, j)
	require.NoError(t, j.SetDirectory(dir))
	require.NoError(t, j.SetEnvironment([]string{"A=b", "PATH=" + os.Getenv("PATH")}))
	run(t, j)
	assert.Equal(t, dir+"\nb-\n", captured(t, j, core.StreamOutput))
}

func TestLimitsAreInForceBeforeTheFirstInstruction(t *testing.T) {
	j := newJob(t, "cat", "/proc/self/limits")
	capture2(t, j)
	require.NoError(t, j.SetLimit(core.LimitMemory, 160<<20))
	require.NoError(t, j.SetLimit(core.LimitAddressSpace, 300<<20))
	require.NoError(t, j.SetLimit(core.LimitCPUTime, 2_500_000_000))
	require.NoError(t, j.SetLimit(core.LimitOpenFiles, 17))
	require.NoError(t, j.SetLimit(core.LimitFileSize, 4096))
	v := run(t, j)
	assert.Zero(t, v.ExitCode)
	text := strings.Join(strings.Fields(captured(t, j, core.StreamOutput)), " ")
	for _, row := range []string{
		"Max data size 178257920 178257920", "Max address space 314572800 314572800", "Max cpu time 3 4 seconds",
		"Max open files 17 17", "Max file size 4096 4096",
	} {
		assert.Contains(t, text, row)
	}
	for limit, want := range map[core.Limit]core.Enforcement{
		core.LimitMemory: core.EnforcementWatchdog, core.LimitAddressSpace: core.EnforcementKernel,
		core.LimitCPUTime: core.EnforcementKernel, core.LimitOpenFiles: core.EnforcementKernel,
		core.LimitFileSize: core.EnforcementKernel, core.LimitWallTime: core.EnforcementNone,
	} {
		kept, err := j.Enforcement(limit)
		require.NoError(t, err)
		assert.Equal(t, want, kept, limit)
	}
}

func TestACommandThatTouchesMoreMemoryThanItsLimitIsEndedForIt(t *testing.T) {
	const limit = 100 << 20
	for mechanism, adapter := range mechanisms {
		for _, step := range []int{1 << 16, 1 << 20, 1 << 22} {
			j := newJobOf(t, adapter, "python3", "-S", "-c", fmt.Sprintf("b=[]\nwhile True: b.append(bytearray(%d))", step))
			require.NoError(t, j.SetLimit(core.LimitMemory, limit))
			v := run(t, j)
			assert.Equal(t, core.ReasonMemory, v.Reason, "%s, step %d", mechanism, step)
			assert.LessOrEqual(t, v.PeakMemoryBytes, uint64(limit*110/100), "%s, step %d", mechanism, step)
		}
	}
}

func TestMemoryOfTheWholeTreeCounts(t *testing.T) {
	for mechanism, adapter := range mechanisms {
		j := newJobOf(t, adapter, "python3", "-S", "-c",
			"import os,time\nfor _ in range(3):\n if os.fork()==0: break\nb=bytearray(b'x')*(60<<20)\ntime.sleep(20)")
		require.NoError(t, j.SetLimit(core.LimitMemory, 150<<20))
		v := run(t, j)
		assert.Equal(t, core.ReasonMemory, v.Reason, mechanism)
		assert.GreaterOrEqual(t, v.PeakProcesses, uint32(2), mechanism)
	}
}

func TestACommandThatAsksForFarMoreThanItsLimitIsRefusedAndEndsByItself(t *testing.T) {
	j := python(t, "try: bytearray(10<<30)\nexcept MemoryError: print('refused')")
	capture2(t, j)
	require.NoError(t, j.SetLimit(core.LimitMemory, 100<<20))
	v := run(t, j)
	assert.Equal(t, core.ReasonNone, v.Reason)
	assert.Equal(t, "refused\n", captured(t, j, core.StreamOutput))
}

func TestACommandThatSpinsIsEndedForItsCPUTime(t *testing.T) {
	for _, limit := range []uint64{300_000_000, 1_000_000_000} {
		for name, program := range map[string]string{
			"default": "while True: pass",
			"ignores": "import signal\nsignal.signal(signal.SIGXCPU,signal.SIG_IGN)\nwhile True: pass",
			"forks":   "import os\nos.fork()\nwhile True: pass",
		} {
			j := python(t, program)
			require.NoError(t, j.SetLimit(core.LimitCPUTime, limit))
			v := run(t, j)
			assert.Equal(t, core.ReasonCPUTime, v.Reason, name)
			assert.Less(t, v.UserTimeNs+v.SystemTimeNs, limit+1_200_000_000, name)
		}
	}
}

func TestACommandThatSleepsIsEndedForItsWallTime(t *testing.T) {
	j := newJob(t, "sleep", "60")
	require.NoError(t, j.SetLimit(core.LimitWallTime, 200e6))
	v := run(t, j)
	assert.Equal(t, core.ReasonWallTime, v.Reason)
	assert.EqualValues(t, syscall.SIGKILL, v.Signal)
	assert.GreaterOrEqual(t, v.WallTimeNs, uint64(200e6))
}

func TestACommandThatWritesALargerFileThanItsLimitIsEndedForIt(t *testing.T) {
	dir := t.TempDir()
	j := newJob(t, "dd", "if=/dev/zero", "of=file", "bs=1000", "count=100")
	capture2(t, j)
	require.NoError(t, j.SetDirectory(dir))
	require.NoError(t, j.SetLimit(core.LimitFileSize, 5500))
	v := run(t, j)
	assert.Equal(t, core.ReasonFileSize, v.Reason)
	st, err := os.Stat(filepath.Join(dir, "file"))
	require.NoError(t, err)
	assert.LessOrEqual(t, st.Size(), int64(5500))
}

func TestACommandThatWritesMoreOutputThanItsLimitIsEndedForIt(t *testing.T) {
	j := newJob(t, "sh", "-c", "yes & yes >&2")
	capture2(t, j)
	require.NoError(t, j.SetLimit(core.LimitOutput, 100_000))
	v := run(t, j)
	assert.Equal(t, core.ReasonOutput, v.Reason)
	assert.EqualValues(t, 100_000, v.OutputBytes)
	assert.Equal(t, 100_000, len(captured(t, j, core.StreamOutput))+len(captured(t, j, core.StreamError)))
}

func TestAnOutputLimitHoldsForOutputThatIsNotCaptured(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	defer file.Close()
	j := newJob(t, "yes")
	require.NoError(t, j.SetStream(core.StreamOutput, core.ModeDescriptor, int64(file.Fd())))
	require.NoError(t, j.SetLimit(core.LimitOutput, 12_345))
	assert.Equal(t, core.ReasonOutput, run(t, j).Reason)
	st, err := file.Stat()
	require.NoError(t, err)
	assert.EqualValues(t, 12_345, st.Size())
}

func TestLimitsHoldThoughNobodyReadsWhereOutputIsPassedOn(t *testing.T) {
	read, write, err := os.Pipe()
	require.NoError(t, err)
	defer read.Close()
	defer write.Close()
	j := newJob(t, "yes")
	require.NoError(t, j.SetStream(core.StreamOutput, core.ModeDescriptor, int64(write.Fd())))
	require.NoError(t, j.SetLimit(core.LimitOutput, 1<<30))
	require.NoError(t, j.SetLimit(core.LimitWallTime, 300e6))
	v := run(t, j)
	assert.Equal(t, core.ReasonWallTime, v.Reason)
	assert.Less(t, v.WallTimeNs, uint64(5e9))
}

func TestACommandWhoseReaderHasGoneFindsOut(t *testing.T) {
	read, write, err := os.Pipe()
	require.NoError(t, err)
	defer write.Close()
	j := newJob(t, "yes")
	require.NoError(t, j.SetStream(core.StreamOutput, core.ModeDescriptor, int64(write.Fd())))
	require.NoError(t, j.SetLimit(core.LimitOutput, 1<<40))
	require.NoError(t, read.Close())
	assert.EqualValues(t, syscall.SIGPIPE, run(t, j).Signal)
}

func TestAnOutputLimitHoldsForOutputThatIsThrownAway(t *testing.T) {
	j := newJob(t, "yes")
	require.NoError(t, j.SetStream(core.StreamOutput, core.ModeNull, 0))
	require.NoError(t, j.SetLimit(core.LimitOutput, 1<<20))
	assert.Equal(t, core.ReasonOutput, run(t, j).Reason)
}

func TestACommandWithMoreProcessesThanItsLimitIsEndedForIt(t *testing.T) {
	for mechanism, adapter := range mechanisms {
		j := newJobOf(t, adapter, "sh", "-c", "for i in 1 2 3 4 5 6 7 8; do sleep 60 & done; wait")
		require.NoError(t, j.SetStream(core.StreamError, core.ModeNull, 0))
		require.NoError(t, j.SetLimit(core.LimitProcesses, 5))
		v := run(t, j)
		assert.Equal(t, core.ReasonProcesses, v.Reason, mechanism)
		if grouped(t, j, core.LimitProcesses) {
			assert.LessOrEqual(t, v.PeakProcesses, uint32(5), mechanism)
		} else {
			assert.Greater(t, v.PeakProcesses, uint32(5), mechanism)
		}
	}
}

func TestTheWholeGroupIsGoneWhenTheWaitReturns(t *testing.T) {
	for name, limit := range map[string]uint64{"ended by its limit": 300e6, "ended by itself": 20e9} {
		script := "sleep 61 & sleep 62 & sh -c 'trap \"\" TERM; sleep 63' & echo started; "
		if limit < 1e9 {
			script += "wait"
		}
		j := newJob(t, "sh", "-c", script)
		capture2(t, j)
		require.NoError(t, j.SetLimit(core.LimitWallTime, limit))
		v := run(t, j)
		pid, err := j.PID()
		require.NoError(t, err)
		assert.Less(t, v.WallTimeNs, uint64(5e9), name)
		assert.Equal(t, "started\n", captured(t, j, core.StreamOutput))
		assert.Empty(t, liveInGroup(t, pid), name)
	}
}

// liveInGroup lists the processes of a group that have not ended.
func liveInGroup(t *testing.T, group int64) (live []string) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		if err != nil {
			continue
		}
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if fields[2] == strconv.FormatInt(group, 10) && fields[0] != "Z" && fields[0] != "X" {
			live = append(live, string(text))
		}
	}
	return live
}

func TestAGrandchildThatHoldsThePipeDoesNotDelayTheReturn(t *testing.T) {
	j := newJob(t, "sh", "-c", "sleep 60 & echo done")
	capture2(t, j)
	v := run(t, j)
	assert.Equal(t, "done\n", captured(t, j, core.StreamOutput))
	assert.Less(t, v.WallTimeNs, uint64(5e9))
}

func TestDescriptorsOfTheCallerEndWithTheStart(t *testing.T) {
	file, err := os.Open("/dev/null")
	require.NoError(t, err)
	defer file.Close()
	// A descriptor that would be inherited, as C programs open them.
	fd, err := syscall.Dup(int(file.Fd()))
	require.NoError(t, err)
	defer syscall.Close(fd)
	j := newJob(t, "ls", "/proc/self/fd")
	capture2(t, j)
	run(t, j)
	assert.Equal(t, []string{"0", "1", "2", "3"}, strings.Fields(captured(t, j, core.StreamOutput)), "3 is ls's own")
}

func TestKillGivesItsReason(t *testing.T) {
	j := newJob(t, "sleep", "60")
	require.NoError(t, j.Start())
	require.NoError(t, j.Kill())
	v, err := j.Wait(Forever)
	require.NoError(t, err)
	assert.Equal(t, core.ReasonKilled, v.Reason)
	require.NoError(t, j.Kill(), "a job that has ended is left as it is")
	again, err := j.Wait(0)
	require.NoError(t, err)
	assert.Equal(t, v, again)
}

func TestASignalReachesTheGroupAndNobodyAfterTheEnd(t *testing.T) {
	j := newJob(t, "sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.02; done")
	capture2(t, j)
	require.NoError(t, j.Start())
	require.Eventually(t, func() bool { n, err := j.Read(core.StreamOutput, nil); return err == nil && n > 0 }, 10*time.Second, time.Millisecond)
	require.NoError(t, j.Signal(int32(syscall.SIGTERM)))
	v, err := j.Wait(Forever)
	require.NoError(t, err)
	assert.EqualValues(t, 7, v.ExitCode)
	assert.Equal(t, core.ReasonNone, v.Reason)
	assert.ErrorIs(t, j.Signal(0), core.StatusESRCH)
}

func TestAWaitThatEndsEarlyLeavesTheWatchdogBehind(t *testing.T) {
	j := newJob(t, "sleep", "60")
	require.NoError(t, j.SetLimit(core.LimitWallTime, 300e6))
	_, err := j.Run(20 * time.Millisecond)
	require.ErrorIs(t, err, core.StatusETIMEDOUT)
	pid, err := j.PID()
	require.NoError(t, err)
	// Nobody waits: the limit holds all the same.
	require.Eventually(t, func() bool { return len(liveInGroup(t, pid)) == 0 }, 10*time.Second, 10*time.Millisecond)
	v, err := j.Wait(Forever)
	require.NoError(t, err)
	assert.Equal(t, core.ReasonWallTime, v.Reason)
}

func TestManyWaitersGetTheSameVerdict(t *testing.T) {
	j := newJob(t, "sh", "-c", "sleep 0.1; exit 3")
	require.NoError(t, j.Start())
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			v, err := j.Wait(Forever)
			assert.NoError(t, err)
			assert.EqualValues(t, 3, v.ExitCode)
		})
	}
	all.Wait()
}

func TestCloseEndsAJobThatRuns(t *testing.T) {
	j, err := New(core.Native(), []string{"sleep", "60"})
	require.NoError(t, err)
	require.NoError(t, j.Start())
	pid, err := j.PID()
	require.NoError(t, err)
	waited := make(chan error)
	go func() { _, err := j.Wait(Forever); waited <- err }()
	require.NoError(t, j.Close())
	assert.NoError(t, <-waited, "a wait of another goroutine returns")
	assert.Empty(t, liveInGroup(t, pid))
	assert.NoError(t, j.Close())
}

func TestWhatCannotBeStartedSaysWhy(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	require.NoError(t, os.WriteFile(plain, []byte("x"), 0o644))
	for name, test := range map[string]struct {
		args   []string
		change func(*Job) error
		status core.Status
		step   string
	}{
		"missing program":    {args: []string{"no-such-program-here"}, status: core.StatusENOENT, step: "find program"},
		"missing file":       {args: []string{dir + "/missing"}, status: core.StatusENOENT, step: "execve"},
		"not executable":     {args: []string{plain}, status: core.StatusEPERM, step: "execve"},
		"a directory":        {args: []string{dir}, status: core.StatusEPERM, step: "execve"},
		"missing directory":  {args: []string{"true"}, change: func(j *Job) error { return j.SetDirectory(dir + "/missing") }, status: core.StatusENOENT, step: "chdir"},
		"closed descriptor":  {args: []string{"true"}, change: func(j *Job) error { return j.SetStream(1, core.ModeDescriptor, 987) }, status: core.StatusEOS, step: "connect streams"},
		"above a hard limit": {args: []string{"true"}, change: func(j *Job) error { return j.SetLimit(core.LimitOpenFiles, 1<<40) }, status: core.StatusELIMIT, step: "check limit"},
	} {
		j := newJob(t, test.args...)
		if test.change != nil {
			require.NoError(t, test.change(j), name)
		}
		err := j.Start()
		var e *core.Error
		require.ErrorAs(t, err, &e, name)
		assert.Equal(t, test.status, e.Status, name)
		assert.Equal(t, test.step, e.Step, name)
		_, err = j.Wait(Forever)
		assert.ErrorIs(t, err, core.StatusESTATE, name)
	}
}

func TestBadPreparationIsRefusedAndChangesNothing(t *testing.T) {
	for _, args := range [][]string{nil, {""}, {"a\x00b"}} {
		_, err := New(core.Native(), args)
		assert.ErrorIs(t, err, core.StatusEINVAL, "%q", args)
	}
	j := newJob(t, "true")
	for name, act := range map[string]func() error{
		"unknown limit":       func() error { return j.SetLimit(99, 1) },
		"empty directory":     func() error { return j.SetDirectory("") },
		"environment":         func() error { return j.SetEnvironment([]string{"novalue"}) },
		"unknown stream":      func() error { return j.SetStream(3, core.ModeNull, 0) },
		"unknown mode":        func() error { return j.SetStream(1, 9, 0) },
		"captured input":      func() error { return j.SetStream(0, core.ModeCapture, 0) },
		"output to itself":    func() error { return j.SetStream(1, core.ModeOutput, 0) },
		"negative descriptor": func() error { return j.SetStream(1, core.ModeDescriptor, -1) },
		"read of no capture":  func() error { _, err := j.Read(1, nil); return err },
	} {
		assert.ErrorIs(t, act(), core.StatusEINVAL, name)
	}
	for name, act := range map[string]func() error{
		"wait": func() error { _, err := j.Wait(0); return err }, "kill": j.Kill,
		"pid": func() error { _, err := j.PID(); return err }, "signal": func() error { return j.Signal(0) },
		"usage": func() error { _, err := j.Usage(); return err },
	} {
		assert.ErrorIs(t, act(), core.StatusESTATE, name)
	}
	assert.Zero(t, run(t, j).ExitCode)
	assert.ErrorIs(t, j.SetLimit(core.LimitMemory, 1), core.StatusESTATE)
	assert.ErrorIs(t, j.Start(), core.StatusESTATE)
}

func TestThePeakIsTheCommandsAndNotThatOfItsParent(t *testing.T) {
	// The parent's own peak is made large; a clone that shares its memory starts the kernel's count there.
	ballast := make([]byte, 100<<20)
	for i := 0; i < len(ballast); i += 4096 {
		ballast[i] = 1
	}
	v := run(t, newJob(t, "sleep", "0.1"))
	assert.Less(t, v.PeakMemoryBytes, uint64(50<<20))
	assert.Positive(t, v.PeakMemoryBytes)
	assert.EqualValues(t, 1, v.PeakIsSampled)
	large := python(t, "b=bytearray(700<<20)")
	v = run(t, large)
	assert.Greater(t, v.PeakMemoryBytes, uint64(700<<20))
	assert.Less(t, v.PeakMemoryBytes, uint64(800<<20))
	assert.Zero(t, v.PeakIsSampled)
	ballast[0] = 2
}

func TestManyJobsLeaveNothingBehind(t *testing.T) {
	descriptors := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(entries)
	}
	one := func(i int) {
		j, err := New(core.Native(), []string{"sh", "-c", "echo $0; exit $0", strconv.Itoa(i % 200)})
		assert.NoError(t, err)
		assert.NoError(t, j.SetStream(core.StreamOutput, core.ModeCapture, 0))
		v, err := j.Run(Forever)
		assert.NoError(t, err)
		assert.EqualValues(t, i%200, v.ExitCode)
		assert.Equal(t, strconv.Itoa(i%200)+"\n", captured(t, j, core.StreamOutput))
		assert.NoError(t, j.Close())
	}
	one(0)
	before := descriptors()
	var all sync.WaitGroup
	for thread := range 8 {
		all.Go(func() {
			for i := range 40 {
				one(thread*40 + i)
			}
		})
	}
	all.Wait()
	assert.LessOrEqual(t, descriptors(), before)
	var status syscall.WaitStatus
	_, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
	assert.Equal(t, syscall.ECHILD, err, "no zombie is left")
}

// escapes are ways in which processes get away from who kills groups, sessions or children. Each leaves a sleep of its own
// length, by which survivors are looked for.
var escapes = map[string]string{
	"a session of its own":       "import os\nif os.fork()==0:\n os.setsid()\n os.execvp('sleep',['sleep','LENGTH'])",
	"a daemon":                   "import os\nif os.fork()==0:\n os.setsid()\n if os.fork(): os._exit(0)\n os.closerange(0,100)\n os.execve('/bin/sleep',['sleep','LENGTH'],{})",
	"a group of its own":         "import os\nif os.fork()==0:\n os.setpgid(0,0)\n os.execvp('sleep',['sleep','LENGTH'])",
	"SIGTERM and SIGHUP ignored": "import os,signal\nsignal.signal(15,signal.SIG_IGN);signal.signal(1,signal.SIG_IGN)\nif os.fork()==0:\n os.setsid()\n os.execvp('sleep',['sleep','LENGTH'])",
	"stopped":                    "import os,signal\np=os.fork()\nif p==0:\n os.setsid()\n os.execvp('sleep',['sleep','LENGTH'])\nos.kill(p,signal.SIGSTOP)",
	"two hundred":                "import os\nfor i in range(200):\n if os.fork()==0:\n  os.setsid()\n  os.execvp('sleep',['sleep','LENGTH'])",
	"a bomb":                     "import os,time\nos.setsid() if os.getpid()!=os.getpgrp() else None\nfor i in range(7): os.fork()\nos.execvp('sleep',['sleep','LENGTH'])",
}

func survivors(t *testing.T, length string) (alive []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && bytes.Contains(text, []byte(length)) && bytes.HasPrefix(text, []byte("sleep")) {
			alive = append(alive, file)
		}
	}
	return alive
}

func TestNoDescendantSurvivesAJobHoweverItGetsAway(t *testing.T) {
	for name, program := range escapes {
		for i, end := range []string{"", "\nimport time; time.sleep(60)"} {
			length := fmt.Sprintf("7%d%06d", i, os.Getpid())
			j := python(t, strings.ReplaceAll(program, "LENGTH", length)+end)
			require.NoError(t, j.SetStream(core.StreamError, core.ModeNull, 0))
			require.NoError(t, j.SetLimit(core.LimitWallTime, 700e6))
			v := run(t, j)
			if end != "" && name != "a bomb" {
				assert.Equal(t, core.ReasonWallTime, v.Reason, name)
			}
			assert.Empty(t, survivors(t, length), name)
		}
	}
}

func TestAProcessOfAnotherJobIsLeftAlone(t *testing.T) {
	other := newJob(t, "sleep", "60")
	require.NoError(t, other.Start())
	mine := newJob(t, "sh", "-c", "setsid sleep 61 & exit 0")
	run(t, mine)
	assert.NoError(t, other.Signal(0))
	pid, err := other.PID()
	require.NoError(t, err)
	assert.Len(t, liveInGroup(t, pid), 1)
}

func TestAJobInAJobIsEndedWithItAndApartFromIt(t *testing.T) {
	if os.Getenv("MIMIR_TEST_ROLE") == "inner" {
		j, err := New(core.Native(), []string{"sh", "-c", "setsid sleep " + os.Getenv("LENGTH") + "1 & sleep 60"})
		if err == nil {
			_ = j.SetLimit(core.LimitWallTime, 300e6)
			v, err := j.Run(time.Minute)
			fmt.Println("inner", v.Reason, err)
		}
		_ = syscall.Exec("/bin/sleep", []string{"sleep", os.Getenv("LENGTH") + "2"}, os.Environ())
	}
	length := fmt.Sprintf("8%06d", os.Getpid())
	j := newJob(t, os.Args[0], "-test.run=^TestAJobInAJobIsEndedWithItAndApartFromIt$")
	require.NoError(t, j.SetEnvironment(append(os.Environ(), "MIMIR_TEST_ROLE=inner", "LENGTH="+length)))
	capture2(t, j)
	require.NoError(t, j.Start())
	require.Eventually(t, func() bool { return len(survivors(t, length+"2")) == 1 }, 20*time.Second, 10*time.Millisecond)
	assert.Contains(t, captured(t, j, core.StreamOutput), "inner walltime <nil>")
	assert.Empty(t, survivors(t, length+"1"), "the inner job ended its own")
	require.NoError(t, j.Kill())
	_, err := j.Wait(Forever)
	require.NoError(t, err)
	assert.Empty(t, survivors(t, length))
}

func TestCPURateHoldsTheCommandBack(t *testing.T) {
	j := newJobOf(t, core.Native(), "python3", "-S", "-c", "import time\nwhile time.process_time()<0.3: pass")
	err := j.SetLimit(core.LimitCPURate, 250)
	if core.StatusOf(err) == core.StatusENOTSUP {
		t.Skip("no control group of the CPU controller can be written here")
	}
	require.NoError(t, err)
	v := run(t, j)
	assert.Zero(t, v.ExitCode)
	assert.Greater(t, v.WallTimeNs, uint64(600e6), "0.3 s of CPU time at a quarter of a CPU take 1.2 s")
}

func TestControlGroupsAreRemoved(t *testing.T) {
	start := time.Now()
	j := newJobOf(t, core.Native(), "true")
	require.NoError(t, j.SetLimit(core.LimitMemory, 100<<20))
	require.NoError(t, j.SetLimit(core.LimitProcesses, 10))
	run(t, j)
	if !grouped(t, j, core.LimitMemory) {
		t.Skip("no control group of the memory controller can be written here")
	}
	// Those of other programs come and go: each is seen for a moment.
	assert.Eventually(t, func() bool { return emptyGroups(t, start) == 0 }, 5*time.Second, 20*time.Millisecond)
}

// emptyGroups counts those made since a time.
func emptyGroups(t *testing.T, since time.Time) (left int) {
	t.Helper()
	require.NoError(t, filepath.WalkDir("/sys/fs/cgroup", func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.IsDir() && strings.HasPrefix(entry.Name(), "libmimir-") {
			info, err := entry.Info()
			text, errRead := os.ReadFile(filepath.Join(path, "cgroup.procs"))
			if err == nil && errRead == nil && len(text) == 0 && info.ModTime().After(since) {
				left++
			}
		}
		return nil
	}))
	return left
}

func TestGraceAsksBeforeItKills(t *testing.T) {
	for name, test := range map[string]struct {
		trap   string
		code   int32
		signal int32
	}{
		"who obeys":      {"trap 'exit 5' TERM", 5, 0},
		"who ignores it": {"trap '' TERM", -1, int32(syscall.SIGKILL)},
	} {
		j := newJob(t, "sh", "-c", test.trap+"; while :; do sleep 0.01; done")
		require.NoError(t, j.SetLimit(core.LimitWallTime, 300e6))
		require.NoError(t, j.SetOption(core.OptionGrace, 400e6))
		v := run(t, j)
		assert.Equal(t, core.ReasonWallTime, v.Reason, name)
		assert.Equal(t, test.code, v.ExitCode, name)
		assert.Equal(t, test.signal, v.Signal, name)
	}
}

func TestOptionsAreTheCommands(t *testing.T) {
	read, write, err := os.Pipe()
	require.NoError(t, err)
	defer read.Close()
	fd, err := syscall.Dup(int(write.Fd()))
	require.NoError(t, err)
	defer syscall.Close(fd)
	defer write.Close()
	j := newJob(t, "python3", "-S", "-c", fmt.Sprintf("import os\nprint(oct(os.umask(0)), os.getsid(0)==os.getpid(), os.fstat(%d) is not None)", fd))
	capture2(t, j)
	require.NoError(t, j.SetOption(core.OptionUmask, 0o027))
	require.NoError(t, j.SetOption(core.OptionNewSession, 1))
	require.NoError(t, j.SetOption(core.OptionKeepDescriptor, uint64(fd)))
	run(t, j)
	assert.Equal(t, "0o27 True True\n", captured(t, j, core.StreamOutput))
	for option, value := range map[core.Option]uint64{
		0: 1, 8: 1, core.OptionUmask: 0o1000, core.OptionNewSession: 2, core.OptionKeepDescriptor: 2,
	} {
		assert.ErrorIs(t, newJob(t, "true").SetOption(option, value), core.StatusEINVAL, option)
	}
}

func TestACommandAndItsDescendantsHaveThePriorityThatItWasGiven(t *testing.T) {
	own, err := core.ReadPriority(core.Native(), 0)
	require.NoError(t, err)
	j := newJob(t, "sh", "-c", "nice; sh -c nice; setsid -w nice")
	capture2(t, j)
	require.NoError(t, j.SetPriority(core.PriorityBelowNormal))
	run(t, j)
	assert.Equal(t, "10\n10\n10\n", captured(t, j, core.StreamOutput))
	after, err := core.ReadPriority(core.Native(), 0)
	require.NoError(t, err)
	assert.Equal(t, own, after, "the caller's stays")
	for _, p := range []core.Priority{-21, 20} {
		assert.ErrorIs(t, newJob(t, "true").SetPriority(p), core.StatusEINVAL, p)
	}
	j = newJob(t, "nice")
	capture2(t, j)
	run(t, j)
	assert.Equal(t, fmt.Sprintln(own), captured(t, j, core.StreamOutput))
	assert.ErrorIs(t, newJob(t, "true").SetOption(core.OptionNoDesktop, 1), core.StatusENOTSUP)
}

func TestAPriorityThatTheCallerMayNotGiveIsToldByItsStep(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may give any priority")
	}
	j := newJob(t, "true")
	require.NoError(t, j.SetPriority(core.PriorityHighest))
	err := j.Start()
	require.ErrorIs(t, err, core.StatusEPERM)
	assert.ErrorContains(t, err, "setpriority")
}

func TestACommandRunsAsAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may become another user")
	}
	j := newJob(t, "id")
	capture2(t, j)
	require.NoError(t, j.SetUser(core.User{UID: 12345, GID: 23456, Groups: []uint32{34567}}))
	run(t, j)
	assert.Equal(t, "uid=12345 gid=23456 groups=23456,34567\n", captured(t, j, core.StreamOutput))
}

func TestACommandWithoutANetworkReachesNobody(t *testing.T) {
	j := newJob(t, "python3", "-S", "-c", "import os\nprint(os.getuid(), sorted(os.listdir('/proc/self/net/dev_snmp6')))")
	capture2(t, j)
	require.NoError(t, j.SetOption(core.OptionNoNetwork, 1))
	if err := j.Start(); err != nil {
		t.Skip("this user may make no network namespace: ", err)
	}
	_, err := j.Wait(Forever)
	require.NoError(t, err)
	out := captured(t, j, core.StreamOutput) + captured(t, j, core.StreamError)
	assert.Contains(t, out, fmt.Sprint(os.Getuid()))
	assert.NotContains(t, out, "eth0")
}

func TestAConfinedCommandChangesFilesInItsDirectoriesOnly(t *testing.T) {
	inside, outside := t.TempDir(), t.TempDir()
	j := newJob(t, "sh", "-c", "echo a > "+inside+"/a && mkdir "+inside+"/d && rm "+inside+"/a && ! echo b > "+outside+"/b && cat /etc/passwd > /dev/null")
	require.NoError(t, j.SetStream(core.StreamError, core.ModeNull, 0))
	if err := j.SetWritable([]string{inside}); core.StatusOf(err) == core.StatusENOTSUP {
		t.Skip("the kernel has no Landlock: ", err)
	}
	assert.Zero(t, run(t, j).ExitCode)
	assert.NoFileExists(t, outside+"/b")
}

func TestJobsDieWithTheirHost(t *testing.T) {
	length := fmt.Sprintf("9%06d", os.Getpid())
	if os.Getenv("MIMIR_TEST_ROLE") == "host" {
		j, err := New(core.Native(), []string{"sh", "-c", "setsid sleep " + os.Getenv("LENGTH") + "1 & sleep " + os.Getenv("LENGTH") + "2"})
		if err == nil && j.Start() == nil {
			select {}
		}
		return
	}
	for name, reaped := range map[string]bool{"whose parent knows": true, "whose parent has not waited for it": false} {
		t.Run(name, func(t *testing.T) {
			host := exec.Command(os.Args[0], "-test.run=^TestJobsDieWithTheirHost$")
			host.Env = append(os.Environ(), "MIMIR_TEST_ROLE=host", "LENGTH="+length)
			require.NoError(t, host.Start())
			require.Eventually(t, func() bool { return len(survivors(t, length)) == 2 }, 20*time.Second, 10*time.Millisecond)
			require.NoError(t, host.Process.Kill())
			if reaped {
				_ = host.Wait()
			} else {
				defer host.Wait()
			}
			require.Eventually(t, func() bool { return len(survivors(t, length)) == 0 }, 20*time.Second, 20*time.Millisecond)
		})
	}
}

func TestTheTreeOfARunningProcessIsListedAndKilled(t *testing.T) {
	length := fmt.Sprintf("6%06d", os.Getpid())
	root := exec.Command("sh", "-c", "(sleep "+length+"1 & setsid sleep "+length+"2 & wait) & sleep "+length+"3")
	require.NoError(t, root.Start())
	require.Eventually(t, func() bool { return len(survivors(t, length)) == 3 }, 20*time.Second, 5*time.Millisecond)
	pid := int64(root.Process.Pid)
	children, err := core.Native().Descendants(pid, false)
	require.NoError(t, err)
	all, err := core.Native().Descendants(pid, true)
	require.NoError(t, err)
	assert.Len(t, children, 2)
	assert.Len(t, all, 4)
	require.NoError(t, core.Native().KillTree(pid))
	_ = root.Wait()
	assert.Empty(t, survivors(t, length))
	assert.ErrorIs(t, core.Native().KillTree(pid), core.StatusESRCH)
	for _, bad := range []int64{-1, 0, 1, int64(os.Getpid()), 1 << 40} {
		assert.ErrorIs(t, core.Native().KillTree(bad), core.StatusEINVAL, bad)
	}
}
