package core

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// puppet is a Python process that a test limits from outside and then tells what to do.
type puppet struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

func newPuppet(t *testing.T) *puppet {
	t.Helper()
	p := &puppet{command: exec.Command("python3", "-S", "-u", "-c", `
import os, sys
kept = []
for line in sys.stdin:
    try: print(eval(line))
    except Exception as e: print(type(e).__name__, getattr(e, "errno", None))
`)}
	var err error
	p.in, err = p.command.StdinPipe()
	require.NoError(t, err)
	out, err := p.command.StdoutPipe()
	require.NoError(t, err)
	p.out = bufio.NewReader(out)
	require.NoError(t, p.command.Start())
	t.Cleanup(func() { _ = p.in.Close(); _ = p.command.Wait() })
	p.ask(t, "0") // it runs
	return p
}

func (p *puppet) pid() int64 { return int64(p.command.Process.Pid) }

func (p *puppet) ask(t *testing.T, expression string) string {
	t.Helper()
	_, err := fmt.Fprintln(p.in, expression)
	require.NoError(t, err)
	answer, err := p.out.ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(answer)
}

func TestEachLimitOfARunningProcessIsEnforced(t *testing.T) {
	dir := t.TempDir()
	for limit, test := range map[Limit]struct {
		value         uint64
		within, above string
		refusal       string
	}{
		LimitMemory:       {256 << 20, "len(bytearray(100<<20))", "len(bytearray(300<<20))", "MemoryError None"},
		LimitAddressSpace: {512 << 20, "len(bytearray(100<<20))", "len(bytearray(600<<20))", "MemoryError None"},
		LimitOpenFiles: {20, "len([kept.append(open('/dev/null')) for _ in range(5)])",
			"len([kept.append(open('/dev/null')) for _ in range(20)])", fmt.Sprint("OSError ", int(unix.EMFILE))},
		LimitFileSize: {1000, "open('" + dir + "/a', 'wb', 0).write(b'x' * 999)",
			"[open('" + dir + "/b', 'wb', 0).write(b'x' * 1000) and 0, open('" + dir + "/b', 'ab', 0).write(b'x')]",
			fmt.Sprint("OSError ", int(unix.EFBIG))},
	} {
		p := newPuppet(t)
		kept, err := Native().SetLimit(p.pid(), limit, test.value, test.value)
		require.NoError(t, err, limit)
		assert.Equal(t, EnforcementKernel, kept, limit)
		assert.NotContains(t, p.ask(t, test.within), "Error", limit)
		assert.Equal(t, test.refusal, p.ask(t, test.above), limit)
		value, err := Native().Limit(p.pid(), limit)
		require.NoError(t, err)
		assert.Equal(t, LimitValue{Soft: test.value, Hard: test.value, Enforcement: EnforcementKernel}, value, limit)
	}
}

func TestTheMemoryLimitIsAlsoSetWhereProgramsReadIt(t *testing.T) {
	p := newPuppet(t)
	_, err := Native().SetLimit(p.pid(), LimitMemory, 300<<20, 400<<20)
	require.NoError(t, err)
	assert.Equal(t, fmt.Sprintf("[(%d, %d), (%d, %d)]", 300<<20, 400<<20, 300<<20, 400<<20),
		p.ask(t, "[__import__('resource').getrlimit(r) for r in (__import__('resource').RLIMIT_DATA, __import__('resource').RLIMIT_RSS)]"))
}

func TestCPUTimeEndsAProcessThatSpins(t *testing.T) {
	command := exec.Command("python3", "-S", "-c", "while True: pass")
	require.NoError(t, command.Start())
	_, err := Native().SetLimit(int64(command.Process.Pid), LimitCPUTime, 600_000_000, Unlimited)
	require.NoError(t, err)
	value, err := Native().Limit(int64(command.Process.Pid), LimitCPUTime)
	require.NoError(t, err)
	assert.EqualValues(t, 1_000_000_000, value.Soft, "a part of a second counts as a whole one")
	_ = command.Wait()
	assert.Equal(t, syscall.SIGXCPU, command.ProcessState.Sys().(syscall.WaitStatus).Signal())
}

func TestTheProcessLimitSaysForWhomItHolds(t *testing.T) {
	p := newPuppet(t)
	kept, err := Native().SetLimit(p.pid(), LimitProcesses, 1, 1)
	require.NoError(t, err)
	answer := p.ask(t, "os.waitpid(os.posix_spawn('/bin/true', ['true'], {}), 0)[1]")
	if kept == EnforcementAdvisory {
		assert.Equal(t, "0", answer, "root, or a capability, exempts")
	} else {
		assert.Equal(t, EnforcementKernelPerUser, kept)
		assert.Contains(t, answer, "BlockingIOError")
	}
}

func TestALimitAboveTheHardLimitSaysWhichWhatWasAskedAndWhatIsAllowed(t *testing.T) {
	if _, err := Native().SetLimit(0, LimitOpenFiles, 100, 100); err != nil {
		t.Fatal(err) // this test process needs few
	}
	before, err := Native().Limit(0, LimitOpenFiles)
	require.NoError(t, err)
	_, err = Native().SetLimit(0, LimitOpenFiles, 60, 5000)
	if err == nil {
		t.Skip("this user may raise hard limits: CAP_SYS_RESOURCE")
	}
	assert.ErrorIs(t, err, StatusELIMIT)
	assert.EqualError(t, err, "setrlimit: open files: 5000 was asked, the hard limit allows 100")
	after, err := Native().Limit(0, LimitOpenFiles)
	require.NoError(t, err)
	assert.Equal(t, before, after)
}

func TestBadLimitsAreRefusedAndChangeNothing(t *testing.T) {
	for name, test := range map[string]struct {
		pid        int64
		limit      Limit
		soft, hard uint64
		status     Status
	}{
		"unknown limit":    {0, 0, 1, 1, StatusEINVAL},
		"soft above hard":  {0, LimitFileSize, 2, 1, StatusEINVAL},
		"negative process": {-1, LimitFileSize, 1, 1, StatusEINVAL},
		"huge process":     {1 << 40, LimitFileSize, 1, 1, StatusEINVAL},
		"gone process":     {gone(t), LimitFileSize, 1, 1, StatusESRCH},
		"limit of jobs":    {0, LimitWallTime, 1, 1, StatusENOTSUP},
		"output":           {0, LimitOutput, 1, 1, StatusENOTSUP},
	} {
		before, _ := Native().Limit(0, LimitFileSize)
		_, err := Native().SetLimit(test.pid, test.limit, test.soft, test.hard)
		assert.ErrorIs(t, err, test.status, name)
		after, _ := Native().Limit(0, LimitFileSize)
		assert.Equal(t, before, after, name)
	}
}

// gone is the id of a process that has ended.
func gone(t *testing.T) int64 {
	t.Helper()
	command := exec.Command("true")
	require.NoError(t, command.Run())
	return int64(command.Process.Pid)
}

func TestOwnUsageFollowsWhatTheProcessDoes(t *testing.T) {
	var before, after Usage
	require.NoError(t, Native().SelfUsage(UsageAll, &before))
	ballast, err := unix.Mmap(-1, 0, 64<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	require.NoError(t, err)
	for i := 0; i < len(ballast); i += 4096 {
		ballast[i] = 1
	}
	fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	require.NoError(t, Native().SelfUsage(UsageAll, &after))
	assert.EqualValues(t, UsageAll, after.Fields)
	assert.InDelta(t, 64<<20, int(after.ResidentBytes)-int(before.ResidentBytes), 16<<20)
	assert.GreaterOrEqual(t, after.PeakResidentBytes, after.ResidentBytes)
	assert.GreaterOrEqual(t, after.VirtualBytes, after.ResidentBytes)
	assert.GreaterOrEqual(t, after.UserTimeNs+after.SystemTimeNs, before.UserTimeNs+before.SystemTimeNs)
	assert.Positive(t, after.Threads)
	assert.Equal(t, before.Descriptors+1, after.Descriptors)
	require.NoError(t, unix.Close(fd))
	require.NoError(t, unix.Munmap(ballast))
}

func TestAnotherProcessIsReadAsItSeesItself(t *testing.T) {
	p := newPuppet(t)
	p.ask(t, "kept.append(bytearray(50<<20))")
	p.ask(t, "[i*i for i in range(3000000)] and 0")
	p.ask(t, "kept.append(open('/dev/null'))")
	var u Usage
	require.NoError(t, Native().ProcessUsage(p.pid(), UsageAll, &u))
	assert.EqualValues(t, UsageAll, u.Fields)
	assert.Greater(t, u.ResidentBytes, uint64(50<<20))
	assert.GreaterOrEqual(t, u.PeakResidentBytes, u.ResidentBytes)
	assert.Positive(t, u.UserTimeNs)
	assert.EqualValues(t, 1, u.Threads)
	assert.EqualValues(t, p.ask(t, "len(os.listdir('/proc/self/fd')) - 1"), fmt.Sprint(u.Descriptors))
}

func TestOnlyTheFieldsThatWereAskedForAreRead(t *testing.T) {
	var u Usage
	require.NoError(t, Native().ProcessUsage(int64(os.Getpid()), UsageThreads, &u))
	assert.Equal(t, Usage{Fields: uint32(UsageThreads), Threads: u.Threads}, u)
	for _, fields := range []UsageField{0, 16, 1 << 31} {
		assert.ErrorIs(t, ReadUsage(Native(), 0, fields, &u), StatusEINVAL)
	}
	assert.ErrorIs(t, ReadUsage(Native(), -1, UsageAll, &u), StatusEINVAL)
	assert.ErrorIs(t, ReadUsage(Native(), gone(t), UsageAll, &u), StatusESRCH)
}

func TestReadingOnesOwnUsageDoesNotAllocate(t *testing.T) {
	var u Usage
	require.NoError(t, Native().SelfUsage(UsageMemory|UsageCPU, &u))
	assert.Zero(t, testing.AllocsPerRun(1000, func() { _ = Native().SelfUsage(UsageMemory|UsageCPU, &u) }))
	assert.Zero(t, testing.AllocsPerRun(1000, func() { _, _ = MeasureSelf(1, 1) }))
}

func TestTheSystemIsDescribed(t *testing.T) {
	info, err := ReadSystemInfo(Native())
	require.NoError(t, err)
	uname := func(flag string) string {
		out, err := exec.Command("uname", flag).Output()
		require.NoError(t, err)
		return strings.TrimSpace(string(out))
	}
	assert.Equal(t, PlatformLinux, info.Platform)
	assert.Equal(t, uname("-s"), info.PlatformName)
	assert.Equal(t, uname("-m"), info.Architecture)
	assert.Equal(t, uname("-r"), info.Release)
	assert.Equal(t, uname("-n"), info.Hostname)
	assert.NotEmpty(t, info.Distribution)
	assert.EqualValues(t, os.Getpagesize(), info.PageSizeBytes)
	assert.LessOrEqual(t, info.UsableCPUCount, info.LogicalCPUCount)
	assert.Less(t, info.AvailableMemoryBytes, info.TotalMemoryBytes)
	assert.Greater(t, info.BootTimeSeconds, uint64(1e9))
	_, err = Native().SystemText(0)
	assert.ErrorIs(t, err, StatusEINVAL)
}

func TestTheSystemIsReadFromTheRootThatATestGives(t *testing.T) {
	a := newLinuxAdapter(filepath.Join("internal", "procfs", "testdata"))
	facts, err := a.SystemFacts()
	require.NoError(t, err)
	assert.EqualValues(t, 24689836<<10, facts.TotalMemoryBytes)
	var u Usage
	require.NoError(t, a.ProcessUsage(1200, UsageMemory|UsageCPU|UsageDescriptors, &u))
	assert.EqualValues(t, 500*os.Getpagesize(), u.ResidentBytes)
	assert.EqualValues(t, 2100<<10, u.PeakResidentBytes)
	assert.EqualValues(t, 100e6, u.UserTimeNs)
	assert.EqualValues(t, 3, u.Descriptors)
	name, err := a.SystemText(SystemDistribution)
	require.NoError(t, err)
	assert.Equal(t, "Debian GNU/Linux 12 (bookworm)", name)
}

func TestTheSystemsUseIsReadFromTheRootThatATestGives(t *testing.T) {
	a := newLinuxAdapter(filepath.Join("internal", "procfs", "testdata"))
	u, err := a.SystemUsage()
	require.NoError(t, err)
	assert.Equal(t, SystemUsage{
		Fields:   uint32(SystemUsageThreads)*2 - 1, // all
		RunQueue: 2, UserTimeNs: 298120e6, SystemTimeNs: 149020e6, IdleTimeNs: 3121240e6,
		TotalMemoryBytes: 24689836 << 10, AvailableMemoryBytes: 23834352 << 10,
		SwapTotalBytes: 1048572 << 10, SwapUsedBytes: 8572 << 10, CommittedBytes: 534564 << 10, CommitLimitBytes: 12344916 << 10,
		PageIns: 4321, Processes: 5, Threads: 400,
	}, u)
	container, err := a.Container()
	require.NoError(t, err)
	assert.Equal(t, Container{
		MemoryLimitBytes: Unlimited, MemoryUsageBytes: Unlimited, CPURateLimit: Unlimited, ProcessLimit: Unlimited,
	}, container, "no control group is seen")
}

func TestWhatIsAroundIsReadFromTheRootThatATestGives(t *testing.T) {
	root := t.TempDir()
	id := strings.Repeat("0123456789abcdef", 4)
	for path, text := range map[string]string{
		"proc/self/cgroup": "0::/kubepods/burstable/pod6f2a9c1e-0b7d-4c55-9d3e-2f1a7b8c9d0e/" + id + "\n",
		"var/run/secrets/kubernetes.io/serviceaccount/namespace": "shop", "sys/class/dmi/id/sys_vendor": "Amazon EC2\n",
		"sys/class/dmi/id/product_name": "m5.large\n",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(root, path)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(root, path), []byte(text), 0o644))
	}
	t.Setenv("POD_NAME", "web-0")
	a := newLinuxAdapter(root)
	for item, want := range map[ContainerText]string{
		ContainerTextRuntime: "", ContainerTextID: id, ContainerTextOrchestrator: "kubernetes", ContainerTextPod: "web-0",
		ContainerTextPodUID: "6f2a9c1e-0b7d-4c55-9d3e-2f1a7b8c9d0e", ContainerTextNamespace: "shop", ContainerTextCloud: "aws",
		ContainerTextMachine: "m5.large", ContainerTextService: "",
	} {
		text, err := a.ContainerText(item)
		require.NoError(t, err)
		assert.Equal(t, want, text, "item %d", item)
	}
	for _, item := range []ContainerText{0, -1, ContainerTextService + 1} {
		_, err := a.ContainerText(item)
		assert.ErrorIs(t, err, StatusEINVAL)
	}
}

func TestAGroupIsCreatedAndKilled(t *testing.T) {
	// In a process of its own: the test's would leave its terminal's group.
	if os.Getenv("MIMIR_TEST_ROLE") == "group" {
		id, err := Native().CreateGroup()
		again, errAgain := Native().CreateGroup()
		fmt.Println(id == int64(os.Getpid()), unix.Getpgrp() == os.Getpid(), err, again == id, errAgain)
		return
	}
	command := exec.Command(os.Args[0], "-test.run=^TestAGroupIsCreatedAndKilled$")
	command.Env = append(os.Environ(), "MIMIR_TEST_ROLE=group")
	out, err := command.Output()
	require.NoError(t, err)
	assert.Contains(t, string(out), "true true <nil> true <nil>")

	victim := exec.Command("sh", "-c", "sleep 60 & sleep 60")
	victim.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, victim.Start())
	group := int64(victim.Process.Pid)
	require.NoError(t, Native().KillGroup(group, 0))
	require.NoError(t, Native().KillGroup(group, int32(syscall.SIGKILL)))
	_ = victim.Wait()
	for name, test := range map[string]struct {
		group  int64
		signal int32
		status Status
	}{
		"zero": {0, 9, StatusEINVAL}, "negative": {-5, 9, StatusEINVAL}, "huge": {1 << 40, 9, StatusEINVAL},
		"no signal": {group, 65, StatusEINVAL}, "negative signal": {group, -1, StatusEINVAL}, "no group": {gone(t), 0, StatusESRCH},
	} {
		assert.ErrorIs(t, Native().KillGroup(test.group, test.signal), test.status, name)
	}
}

func TestASignalIsReset(t *testing.T) {
	if os.Getenv("MIMIR_TEST_ROLE") == "signal" {
		signal.Ignore(syscall.SIGUSR1)
		_ = unix.Kill(os.Getpid(), syscall.SIGUSR1)
		fmt.Println("ignored")
		if err := Native().ResetSignal(int32(syscall.SIGUSR1)); err != nil {
			fmt.Println(err)
		}
		_ = unix.Kill(os.Getpid(), syscall.SIGUSR1)
		select {}
	}
	command := exec.Command(os.Args[0], "-test.run=^TestASignalIsReset$")
	command.Env = append(os.Environ(), "MIMIR_TEST_ROLE=signal")
	out, _ := command.Output()
	assert.Contains(t, string(out), "ignored")
	assert.Equal(t, syscall.SIGUSR1, command.ProcessState.Sys().(syscall.WaitStatus).Signal())
	for _, bad := range []int32{-1, 65, int32(syscall.SIGKILL), int32(syscall.SIGSTOP)} {
		assert.ErrorIs(t, Native().ResetSignal(bad), StatusEINVAL, bad)
	}
}
