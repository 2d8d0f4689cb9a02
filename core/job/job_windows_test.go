package job

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/windows"

	"libmimir/core"
)

var onWine = windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil

// handles counts the handles of this process. Wine counts none, but gives out the lowest number that is free.
func handles(t *testing.T) uint32 {
	t.Helper()
	if onWine {
		next, err := windows.CreateEvent(nil, 0, 0, nil)
		require.NoError(t, err)
		require.NoError(t, windows.CloseHandle(next))
		return uint32(next) / 4
	}
	var u core.Usage
	require.NoError(t, core.Native().SelfUsage(core.UsageDescriptors, &u))
	return u.Descriptors
}

// notKeptByWine skips what needs a kernel that keeps and reports the limits of job objects: Wine takes them and does nothing.
func notKeptByWine(t *testing.T) {
	t.Helper()
	if onWine {
		t.Skip("Wine does not enforce this: it is shown on Windows")
	}
}

// chore is a job that does one of the chores.
func chore(t *testing.T, name string, args ...string) *Job {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	j, err := New(core.Native(), append([]string{self}, args...))
	require.NoError(t, err)
	require.NoError(t, j.SetEnvironment(append(os.Environ(), choreVariable+"="+name)))
	t.Cleanup(func() { assert.NoError(t, j.Close()) })
	return j
}

func run(t *testing.T, j *Job) core.Verdict {
	t.Helper()
	v, err := j.Run(time.Minute)
	require.NoError(t, err)
	return v
}

func capture2(t *testing.T, j *Job) {
	t.Helper()
	require.NoError(t, j.SetStream(core.StreamOutput, core.ModeCapture, 0))
	require.NoError(t, j.SetStream(core.StreamError, core.ModeCapture, 0))
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

// tempDir is t.TempDir by the calls that Wine has too.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "mimir")
	require.NoError(t, err)
	t.Cleanup(func() {
		files, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, file := range files {
			assert.NoError(t, os.Remove(filepath.Join(dir, file.Name())))
		}
		assert.NoError(t, os.Remove(dir))
	})
	return dir
}

func alive(pid int) bool {
	var u core.Usage
	return core.ReadUsage(core.Native(), int64(pid), core.UsageMemory, &u) == nil
}

func TestACommandThatEndsByItselfHasNoReason(t *testing.T) {
	for _, code := range []int32{0, 1, 77, math.MaxInt32} {
		v := run(t, chore(t, "exit", strconv.Itoa(int(code))))
		assert.Equal(t, code, v.ExitCode)
		assert.Equal(t, core.ReasonNone, v.Reason)
		assert.Zero(t, v.Signal)
		assert.Positive(t, v.WallTimeNs)
		assert.Positive(t, v.PeakMemoryBytes)
	}
}

func TestOutputIsCapturedApart(t *testing.T) {
	j := chore(t, "both")
	capture2(t, j)
	v := run(t, j)
	assert.Equal(t, "out\n", captured(t, j, core.StreamOutput))
	assert.Equal(t, "err\n", captured(t, j, core.StreamError))
	assert.EqualValues(t, 8, v.OutputBytes)
}

func TestErrorOutputCanGoWhereOutputGoes(t *testing.T) {
	j := chore(t, "both")
	require.NoError(t, j.SetStream(core.StreamOutput, core.ModeCapture, 0))
	require.NoError(t, j.SetStream(core.StreamError, core.ModeOutput, 0))
	run(t, j)
	assert.Equal(t, "out\nerr\n", captured(t, j, core.StreamOutput))
}

func TestOutputCanLeadToAHandleOfTheCaller(t *testing.T) {
	name := filepath.Join(tempDir(t), "out")
	file, err := os.Create(name)
	require.NoError(t, err)
	j := chore(t, "both")
	require.NoError(t, j.SetStream(core.StreamOutput, core.ModeDescriptor, int64(file.Fd())))
	require.NoError(t, j.SetStream(core.StreamError, core.ModeNull, 0))
	run(t, j)
	require.NoError(t, file.Close())
	written, err := os.ReadFile(name)
	require.NoError(t, err)
	assert.Equal(t, "out\n", string(written))
}

// pipe makes a pipe whose ends are closed with the test.
func pipe(t *testing.T) (reader, writer *os.File) {
	t.Helper()
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = reader.Close(), writer.Close() })
	return reader, writer
}

// relayed makes a job whose counted output leads to a pipe.
func relayed(t *testing.T, name string, args ...string) (*Job, *os.File) {
	t.Helper()
	reader, writer := pipe(t)
	j := chore(t, name, args...)
	require.NoError(t, j.SetStream(core.StreamOutput, core.ModeDescriptor, int64(writer.Fd())))
	require.NoError(t, j.SetLimit(core.LimitOutput, 100_000_000))
	require.NoError(t, j.SetLimit(core.LimitWallTime, uint64(20*time.Second)))
	return j, reader
}

func TestCountedOutputGoesWhereItLeadsAndTheCallersHandleCanBeClosed(t *testing.T) {
	reader, writer := pipe(t)
	j := chore(t, "write", "3000000")
	require.NoError(t, j.SetStream(core.StreamOutput, core.ModeDescriptor, int64(writer.Fd())))
	require.NoError(t, j.SetLimit(core.LimitOutput, 100_000_000))
	require.NoError(t, j.Start())
	require.NoError(t, writer.Close())
	written, err := io.ReadAll(reader)
	require.NoError(t, err)
	assert.Len(t, written, 3_000_000)
	v, err := j.Wait(Forever)
	require.NoError(t, err)
	assert.Equal(t, core.ReasonNone, v.Reason)
	assert.EqualValues(t, 3_000_000, v.OutputBytes)
}

func TestLimitsHoldAlthoughNobodyReadsWhatIsCounted(t *testing.T) {
	j, _ := relayed(t, "write", "90000000")
	require.NoError(t, j.SetLimit(core.LimitWallTime, 500e6))
	begun := time.Now()
	v := run(t, j)
	assert.Equal(t, core.ReasonWallTime, v.Reason)
	assert.Less(t, time.Since(begun), 10*time.Second)
	assert.Less(t, v.OutputBytes, uint64(10_000_000), "what is not read is not taken from the command")
}

func TestACommandWhoseCountedOutputNobodyCanReadIsTold(t *testing.T) {
	j, reader := relayed(t, "write", "90000000")
	require.NoError(t, reader.Close())
	v := run(t, j)
	assert.Equal(t, core.ReasonNone, v.Reason)
	assert.EqualValues(t, 3, v.ExitCode)
}

func TestMoreOutputThanAPipeHoldsIsCaptured(t *testing.T) {
	j := chore(t, "write", "3000000")
	capture2(t, j)
	assert.Zero(t, run(t, j).ExitCode)
	assert.Len(t, captured(t, j, core.StreamOutput), 3_000_000)
}

func TestInputLargerThanAPipeIsReadToTheEnd(t *testing.T) {
	for _, size := range []int{0, 1, 64 << 10, 64<<10 + 1, 5 << 20} {
		input := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
		j := chore(t, "cat")
		capture2(t, j)
		require.NoError(t, j.SetInput(input))
		run(t, j)
		assert.True(t, captured(t, j, core.StreamOutput) == string(input), "%d bytes", size)
	}
}

func TestACommandThatDoesNotReadItsInputEndsByItself(t *testing.T) {
	j := chore(t, "exit", "0")
	require.NoError(t, j.SetInput(make([]byte, 1<<20)))
	assert.Zero(t, run(t, j).ExitCode)
}

func TestArgumentsArriveAsTheyWereGiven(t *testing.T) {
	args := []string{"", "a b", `c"d`, `e\`, `f\\"g`, "é😀", "%PATH%", "^&|<>", `\\server\share\`, "*", "'h'"}
	j := chore(t, "args", args...)
	capture2(t, j)
	assert.Zero(t, run(t, j).ExitCode)
	assert.Equal(t, args, strings.Split(captured(t, j, core.StreamOutput), "\n"))
}

func TestABatchFileGetsItsArgumentsAndRunsNoneOfThem(t *testing.T) {
	dir := tempDir(t)
	script := filepath.Join(dir, "two words.cmd")
	require.NoError(t, os.WriteFile(script, []byte("@echo off\r\necho [%1]\r\nexit 5\r\n"), 0o644))
	j, err := New(core.Native(), []string{script, "x & echo owned"})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, j.Close()) })
	capture2(t, j)
	assert.EqualValues(t, 5, run(t, j).ExitCode)
	assert.NotContains(t, captured(t, j, core.StreamOutput), "\nowned")
}

func TestDirectoryAndEnvironmentAreTheCommands(t *testing.T) {
	dir := tempDir(t)
	j := chore(t, "where")
	capture2(t, j)
	require.NoError(t, j.SetDirectory(dir))
	require.NoError(t, j.SetEnvironment([]string{"b=2", choreVariable + "=where", "A=x", "SystemRoot=" + os.Getenv("SystemRoot"), "a=y é"}))
	run(t, j)
	got := strings.Split(captured(t, j, core.StreamOutput), "\n")
	assert.Equal(t, dir, got[0])
	assert.Equal(t, "y é", got[1], "of two variables of one name the last counts")
}

func TestAProgramIsFoundByPathAndExtension(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	program, err := os.ReadFile(self)
	require.NoError(t, err)
	dir := tempDir(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tool.exe"), program, 0o755))
	environment := []string{choreVariable + "=exit", "SystemRoot=" + os.Getenv("SystemRoot"), "Path=" + dir}
	for _, name := range []string{"tool", "tool.exe", "TOOL"} {
		j, err := New(core.Native(), []string{name, "9"})
		require.NoError(t, err)
		require.NoError(t, j.SetEnvironment(environment))
		assert.EqualValues(t, 9, run(t, j).ExitCode, name)
		require.NoError(t, j.Close())
	}
}

func TestACommandThatSleepsIsEndedForItsWallTime(t *testing.T) {
	j := chore(t, "sleep")
	require.NoError(t, j.SetLimit(core.LimitWallTime, 200e6))
	v := run(t, j)
	assert.Equal(t, core.ReasonWallTime, v.Reason)
	assert.EqualValues(t, -1, v.ExitCode)
	assert.EqualValues(t, 9, v.Signal)
}

func TestACommandThatSpinsIsEndedForItsCPUTime(t *testing.T) {
	notKeptByWine(t)
	j := chore(t, "spin")
	require.NoError(t, j.SetLimit(core.LimitCPUTime, 500e6))
	v := run(t, j)
	assert.Equal(t, core.ReasonCPUTime, v.Reason)
	assert.GreaterOrEqual(t, v.UserTimeNs+v.SystemTimeNs, uint64(450e6))
}

func TestACommandThatWritesMoreOutputThanItsLimitIsEndedForIt(t *testing.T) {
	for _, mode := range []core.StreamMode{core.ModeCapture, core.ModeNull} {
		j := chore(t, "write", "100000000")
		require.NoError(t, j.SetStream(core.StreamOutput, mode, 0))
		require.NoError(t, j.SetLimit(core.LimitOutput, 100_000))
		v := run(t, j)
		assert.Equal(t, core.ReasonOutput, v.Reason)
		assert.EqualValues(t, 100_000, v.OutputBytes)
	}
}

func TestACommandThatTakesMoreMemoryThanItsLimitIsEndedForIt(t *testing.T) {
	notKeptByWine(t)
	j := chore(t, "fill", "400")
	capture2(t, j)
	require.NoError(t, j.SetLimit(core.LimitMemory, 128<<20))
	v := run(t, j)
	assert.Equal(t, core.ReasonMemory, v.Reason)
	assert.NotZero(t, v.ExitCode)
	assert.LessOrEqual(t, v.PeakMemoryBytes, uint64(200<<20))
}

func TestACommandBelowItsMemoryLimitIsNotEnded(t *testing.T) {
	j := chore(t, "fill", "30")
	capture2(t, j)
	require.NoError(t, j.SetLimit(core.LimitMemory, 512<<20))
	v := run(t, j)
	assert.Equal(t, core.ReasonNone, v.Reason)
	assert.Equal(t, "30", captured(t, j, core.StreamOutput))
	assert.Greater(t, v.PeakMemoryBytes, uint64(30<<20))
}

func TestACommandWithMoreProcessesThanItsLimitIsEndedForIt(t *testing.T) {
	notKeptByWine(t)
	j := chore(t, "family", "8", "stay")
	capture2(t, j)
	require.NoError(t, j.SetLimit(core.LimitProcesses, 3))
	assert.Equal(t, core.ReasonProcesses, run(t, j).Reason)
}

func TestCPURateHoldsTheCommandBack(t *testing.T) {
	notKeptByWine(t)
	j := chore(t, "spin")
	require.NoError(t, j.SetLimit(core.LimitCPURate, 100))
	require.NoError(t, j.SetLimit(core.LimitWallTime, 3e9))
	v := run(t, j)
	assert.Equal(t, core.ReasonWallTime, v.Reason)
	assert.Less(t, v.UserTimeNs+v.SystemTimeNs, uint64(1500e6))
}

func TestTheWholeTreeIsGoneWhenTheWaitReturns(t *testing.T) {
	j := chore(t, "family", "3")
	capture2(t, j)
	v := run(t, j)
	assert.Zero(t, v.ExitCode)
	assert.Equal(t, core.ReasonNone, v.Reason)
	pids := strings.Fields(captured(t, j, core.StreamOutput))
	require.Len(t, pids, 3)
	for _, pid := range pids {
		assert.False(t, alive(number(pid)), pid)
	}
	assert.GreaterOrEqual(t, v.PeakProcesses, uint32(1))
}

func TestKillEndsTheTreeAndGivesItsReason(t *testing.T) {
	j := chore(t, "family", "2", "stay")
	capture2(t, j)
	require.NoError(t, j.Start())
	require.Eventually(t, func() bool {
		n, err := j.Read(core.StreamOutput, nil)
		return err == nil && n > 0
	}, time.Minute, time.Millisecond)
	require.NoError(t, j.Kill())
	v, err := j.Wait(time.Minute)
	require.NoError(t, err)
	assert.Equal(t, core.ReasonKilled, v.Reason)
	assert.EqualValues(t, 9, v.Signal)
	for _, pid := range strings.Fields(captured(t, j, core.StreamOutput)) {
		assert.False(t, alive(number(pid)))
	}
}

func TestSignalsThatCanBeActedOutAre(t *testing.T) {
	j := chore(t, "sleep")
	require.NoError(t, j.Start())
	assert.NoError(t, j.Signal(0))
	assert.ErrorIs(t, j.Signal(2), core.StatusENOTSUP)
	assert.ErrorIs(t, j.Signal(-1), core.StatusEINVAL)
	pid, err := j.PID()
	require.NoError(t, err)
	assert.NoError(t, core.Native().KillGroup(pid, 0), "a command leads its group")
	require.NoError(t, core.Native().KillGroup(pid, 15))
	v, err := j.Wait(time.Minute)
	require.NoError(t, err)
	assert.EqualValues(t, 15, v.Signal)
	assert.Equal(t, core.ReasonNone, v.Reason)
	assert.ErrorIs(t, j.Signal(9), core.StatusESRCH)
	assert.ErrorIs(t, core.Native().KillGroup(pid, 0), core.StatusESRCH)
}

func TestGraceEndsACommandThatDoesNotHear(t *testing.T) {
	j := chore(t, "sleep")
	require.NoError(t, j.SetOption(core.OptionGrace, 300e6))
	require.NoError(t, j.SetLimit(core.LimitWallTime, 100e6))
	assert.Equal(t, core.ReasonWallTime, run(t, j).Reason)
}

func TestUsageIsThatOfTheTree(t *testing.T) {
	j := chore(t, "family", "2", "stay")
	capture2(t, j)
	require.NoError(t, j.Start())
	require.Eventually(t, func() bool {
		u, err := j.Usage()
		return err == nil && u.ResidentBytes > 1<<20 && u.Threads >= 3
	}, time.Minute, time.Millisecond)
}

func TestAWaitThatEndsEarlyLeavesTheWatchdogBehind(t *testing.T) {
	j := chore(t, "sleep")
	require.NoError(t, j.SetLimit(core.LimitWallTime, 300e6))
	_, err := j.Run(10 * time.Millisecond)
	assert.ErrorIs(t, err, core.StatusETIMEDOUT)
	v, err := j.Wait(time.Minute)
	require.NoError(t, err)
	assert.Equal(t, core.ReasonWallTime, v.Reason)
}

func TestWhatCannotBeStartedSaysWhy(t *testing.T) {
	dir := tempDir(t)
	plain := filepath.Join(dir, "plain.exe")
	require.NoError(t, os.WriteFile(plain, []byte("x"), 0o644))
	self, err := os.Executable()
	require.NoError(t, err)
	for name, test := range map[string]struct {
		args   []string
		change func(*Job) error
		status core.Status
		step   string
	}{
		"missing program":   {[]string{"no-such-program-here"}, nil, core.StatusENOENT, "find program"},
		"missing file":      {[]string{dir + `\missing.exe`}, nil, core.StatusENOENT, "find program"},
		"not a program":     {[]string{plain}, nil, core.StatusEOS, "CreateProcess"},
		"missing directory": {[]string{self}, func(j *Job) error { return j.SetDirectory(dir + `\missing`) }, core.StatusENOENT, "find directory"},
		"closed handle":     {[]string{self}, func(j *Job) error { return j.SetStream(1, core.ModeDescriptor, 987_652) }, core.StatusEOS, "connect streams"},
		"another user":      {[]string{self}, func(j *Job) error { return j.SetUser(core.User{}) }, core.StatusENOTSUP, "start job"},
		"too many letters":  {[]string{self, strings.Repeat("x", 32_767)}, nil, core.StatusEINVAL, "check command"},
	} {
		j, err := New(core.Native(), test.args)
		require.NoError(t, err)
		if test.change != nil {
			require.NoError(t, test.change(j), name)
		}
		err = j.Start()
		var e *core.Error
		require.ErrorAs(t, err, &e, name)
		assert.Equal(t, test.status, e.Status, "%s: %s", name, e)
		assert.Equal(t, test.step, e.Step, "%s: %s", name, e)
		require.NoError(t, j.Close())
	}
}

func TestLimitsThatWindowsLacksAreRefused(t *testing.T) {
	j := chore(t, "exit", "0")
	for _, limit := range []core.Limit{core.LimitAddressSpace, core.LimitOpenFiles, core.LimitFileSize} {
		assert.ErrorIs(t, j.SetLimit(limit, 1<<20), core.StatusENOTSUP, limit)
	}
}

func TestAThousandJobsLeaveNoHandleBehind(t *testing.T) {
	many := 1000
	if testing.Short() {
		many = 50
	}
	one := func() {
		j, err := New(core.Native(), []string{os.Getenv("SystemRoot") + `\system32\cmd.exe`, "/c", "exit 3"})
		require.NoError(t, err)
		require.NoError(t, j.SetStream(core.StreamOutput, core.ModeCapture, 0))
		require.NoError(t, j.SetInput([]byte("x")))
		v, err := j.Run(time.Minute)
		if onWine && errors.Is(err, windows.ERROR_INTERNAL_ERROR) {
			t.Log("Wine loses a process at its start now and then")
		} else {
			assert.NoError(t, err)
			assert.EqualValues(t, 3, v.ExitCode)
		}
		assert.NoError(t, j.Close())
	}
	four := func(n int) {
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range n / 4 {
					one()
				}
			})
		}
		all.Wait()
	}
	four(16) // what the runtime opens for its threads
	before := handles(t)
	four(many)
	// The runtime keeps a few handles for each thread that it has come to need.
	assert.LessOrEqual(t, handles(t), before+40, "%d jobs", many)
}

func TestJobsDieWithTheirHost(t *testing.T) {
	host := choreCommand("host")
	output, err := host.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, host.Start())
	line, err := bufio.NewReader(output).ReadString('\n')
	require.NoError(t, err)
	pid := number(strings.TrimSpace(line))
	require.True(t, alive(pid))
	require.NoError(t, host.Process.Kill())
	_ = host.Wait()
	assert.Eventually(t, func() bool { return !alive(pid) }, time.Minute, 10*time.Millisecond)
}

func TestACommandStartsInTheClassThatItWasGiven(t *testing.T) {
	for p, want := range map[core.Priority]core.Priority{
		core.PriorityLow: core.PriorityLow, 12: core.PriorityBelowNormal, core.PriorityAboveNormal: core.PriorityAboveNormal,
	} {
		j := chore(t, "priority")
		capture2(t, j)
		require.NoError(t, j.SetPriority(p))
		run(t, j)
		assert.Equal(t, strconv.Itoa(int(want)), captured(t, j, core.StreamOutput))
	}
	j := chore(t, "exit", "0")
	for _, p := range []core.Priority{-21, 20} {
		assert.ErrorIs(t, j.SetPriority(p), core.StatusEINVAL, p)
	}
}

func TestNoneOfAJobChangesItsClass(t *testing.T) {
	notKeptByWine(t)
	j := chore(t, "raise")
	capture2(t, j)
	require.NoError(t, j.SetPriority(core.PriorityLow))
	v := run(t, j)
	assert.Equal(t, "permission denied 19 19", captured(t, j, core.StreamOutput))
	assert.Zero(t, v.ExitCode)
}

func TestACommandIsKeptFromTheDesktopWhenItIsAskedForAlone(t *testing.T) {
	for asked, want := range map[uint64]string{0: "true", 1: "false"} {
		j := chore(t, "desktop")
		capture2(t, j)
		require.NoError(t, j.SetOption(core.OptionNoDesktop, asked))
		assert.Zero(t, run(t, j).ExitCode)
		if !onWine { // which takes the restriction and does nothing, and has no clipboard without a screen
			assert.Equal(t, want, captured(t, j, core.StreamOutput), "the clipboard can be opened and emptied")
		}
	}
	assert.ErrorIs(t, chore(t, "exit", "0").SetOption(core.OptionNoDesktop, 2), core.StatusEINVAL)
}
