package core

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"

	"libmimir/core/internal/jobobject"
	"libmimir/core/internal/pdh"
)

func onWine() bool {
	return windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil
}

// inChild runs the test again in a process of its own, for what cannot be undone, and reports whether this is that process.
func inChild(t *testing.T) bool {
	t.Helper()
	if os.Getenv("MIMIR_CHILD") == t.Name() {
		return true
	}
	self, err := os.Executable()
	require.NoError(t, err)
	c := exec.Command(self, "-test.run", "^"+t.Name()+"$", "-test.v")
	c.Env = append(os.Environ(), "MIMIR_CHILD="+t.Name())
	output, err := c.CombinedOutput()
	assert.NoError(t, err, string(output))
	return false
}

// sleeper is a process that sleeps until the test ends. It runs when this returns: Wine loses one that is ended as it starts.
func sleeper(t *testing.T) int64 {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	c := exec.Command(self, "-test.run", "^TestSleeper$")
	c.Env = append(os.Environ(), "MIMIR_CHILD=sleep")
	output, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	_, err = output.Read(make([]byte, 1))
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	return int64(c.Process.Pid)
}

func TestSleeper(t *testing.T) {
	if os.Getenv("MIMIR_CHILD") != "sleep" {
		t.Skip("is what other tests start")
	}
	fmt.Println("ready")
	time.Sleep(time.Hour)
}

func TestTheSystemIsDescribed(t *testing.T) {
	info, err := ReadSystemInfo(native)
	require.NoError(t, err)
	assert.Equal(t, PlatformWindows, info.Platform)
	assert.Equal(t, "Windows", info.PlatformName)
	assert.Positive(t, info.LogicalCPUCount)
	assert.LessOrEqual(t, info.UsableCPUCount, info.LogicalCPUCount)
	assert.EqualValues(t, 4096, info.PageSizeBytes)
	assert.Greater(t, info.TotalMemoryBytes, info.AvailableMemoryBytes)
	assert.Less(t, info.BootTimeSeconds, uint64(time.Now().Unix()+1))
	assert.Regexp(t, `^\d+\.\d+\.\d+$`, info.Release)
	assert.True(t, strings.HasPrefix(info.Distribution, "Windows"), info.Distribution)
	assert.NotEmpty(t, info.Hostname)
	assert.Contains(t, []string{"AMD64", "ARM64", "x86"}, info.Architecture)
}

func TestTheSystemsUseIsReadAndGoesOn(t *testing.T) {
	first, err := native.SystemUsage()
	require.NoError(t, err)
	wanted := SystemUsageCPU | SystemUsageMemory | SystemUsageCommit | SystemUsageProcesses | SystemUsageThreads
	if !onWine() { // which has few performance counters
		wanted |= SystemUsageQueue | SystemUsagePaging
	}
	assert.Equal(t, wanted, SystemUsageField(first.Fields)&wanted)
	assert.Greater(t, first.TotalMemoryBytes, first.AvailableMemoryBytes)
	assert.LessOrEqual(t, first.CommittedBytes, first.CommitLimitBytes)
	assert.Positive(t, first.Processes)
	assert.GreaterOrEqual(t, first.Threads, first.Processes)
	time.Sleep(300 * time.Millisecond)
	second, err := native.SystemUsage()
	require.NoError(t, err)
	assert.Greater(t, second.UserTimeNs+second.SystemTimeNs+second.IdleTimeNs, first.UserTimeNs+first.SystemTimeNs+first.IdleTimeNs)
}

func TestCountersFillInWhatIsThere(t *testing.T) {
	var u SystemUsage
	assert.Zero(t, fromCounters(nil, &u))
	fields := fromCounters(map[string]pdh.Value{queueCounter: {First: 7}, pageReadsCounter: {First: 99}, pagingCounter: {First: 10, Second: 1000}}, &u)
	assert.Equal(t, SystemUsageQueue|SystemUsagePaging|SystemUsageSwap, fields)
	assert.Equal(t, SystemUsage{RunQueue: 7, PageIns: 99, SwapUsedBytes: 10 * 4096, SwapTotalBytes: 1000 * 4096}, u)
}

func TestTheJobAroundTheCallerIsTold(t *testing.T) {
	if !inChild(t) {
		return
	}
	before, err := native.Container()
	require.NoError(t, err)
	assert.NotEqual(t, ContainerWindows, before.Kind)
	outer, err := jobobject.New("")
	require.NoError(t, err)
	require.NoError(t, outer.SetLimits(&jobobject.Limits{JobMemory: 1 << 36, ProcessMemory: 1 << 37, Processes: 50, CPURate: 0}))
	require.NoError(t, outer.Assign(windows.CurrentProcess()))
	found, err := native.Container()
	require.NoError(t, err)
	assert.Equal(t, ContainerJobObject, found.Kind)
	if !onWine() { // which does not tell the limits of a job
		assert.EqualValues(t, 1<<36, found.MemoryLimitBytes)
		assert.EqualValues(t, 50, found.ProcessLimit)
		assert.Less(t, found.MemoryUsageBytes, found.MemoryLimitBytes)
		_, err = native.SetLimit(0, LimitProcesses, 20, 20)
		require.NoError(t, err)
		again, err := native.Container()
		require.NoError(t, err)
		assert.EqualValues(t, 50, again.ProcessLimit, "the limits that the caller has given itself are not around it")
	}
}

func TestAContainerIsKnownByItsRegistry(t *testing.T) {
	const path = `SOFTWARE\libmimir-test`
	assert.False(t, saysContainer(registry.CURRENT_USER, path))
	key, _, err := registry.CreateKey(registry.CURRENT_USER, path, registry.ALL_ACCESS)
	require.NoError(t, err)
	defer func() {
		require.NoError(t, key.Close())
		require.NoError(t, registry.DeleteKey(registry.CURRENT_USER, path))
	}()
	assert.False(t, saysContainer(registry.CURRENT_USER, path))
	for value, is := range map[uint32]bool{0: false, 1: true, 2: true} {
		require.NoError(t, key.SetDWordValue("ContainerType", value))
		assert.Equal(t, is, saysContainer(registry.CURRENT_USER, path), "%d", value)
	}
	require.NoError(t, key.SetStringValue("ContainerType", "1"))
	assert.False(t, saysContainer(registry.CURRENT_USER, path))
}

func TestUsageOfTheCallerAndOfAnotherProcessIsRead(t *testing.T) {
	var own, other Usage
	require.NoError(t, ReadUsage(native, 0, UsageAll, &own))
	assert.EqualValues(t, UsageAll, own.Fields)
	assert.Greater(t, own.ResidentBytes, uint64(1<<20))
	assert.GreaterOrEqual(t, own.PeakResidentBytes, own.ResidentBytes)
	assert.Greater(t, own.VirtualBytes, own.ResidentBytes)
	assert.Positive(t, own.Threads)
	if !onWine() { // which counts no handles
		assert.Positive(t, own.Descriptors)
	}
	require.NoError(t, ReadUsage(native, sleeper(t), UsageAll, &other))
	assert.EqualValues(t, UsageAll, other.Fields)
	assert.Positive(t, other.ResidentBytes)
	assert.Greater(t, other.VirtualBytes, other.ResidentBytes)
	assert.ErrorIs(t, ReadUsage(native, 999_999_996, UsageAll, &other), StatusESRCH)
}

func TestThePriorityIsAClass(t *testing.T) {
	other := sleeper(t)
	for _, pid := range []int64{0, ownPID(), other} {
		process, err := openOrSelf(pid, windows.PROCESS_QUERY_LIMITED_INFORMATION)
		require.NoError(t, err)
		for p, class := range priorityClasses {
			if p == PriorityHighest { // needs a privilege
				continue
			}
			require.NoError(t, SetPriority(native, pid, p))
			found, err := windows.GetPriorityClass(process)
			require.NoError(t, err)
			assert.Equal(t, class, found)
			read, err := ReadPriority(native, pid)
			require.NoError(t, err)
			assert.Equal(t, p, read)
		}
		require.NoError(t, SetPriority(native, pid, 3))
		read, err := ReadPriority(native, pid)
		require.NoError(t, err)
		assert.Equal(t, PriorityNormal, read, "a number between two classes means the lower")
		closeUnlessSelf(process)
	}
}

func TestAClassThatIsNotHadIsToldAndTheFormerOneStays(t *testing.T) {
	other := sleeper(t)
	require.NoError(t, SetPriority(native, other, PriorityBelowNormal))
	err := SetPriority(native, other, PriorityHighest)
	read, readErr := ReadPriority(native, other)
	require.NoError(t, readErr)
	if err == nil {
		assert.Equal(t, PriorityHighest, read, "who has the privilege has the class")
		return
	}
	assert.ErrorIs(t, err, StatusEPERM)
	assert.Equal(t, PriorityBelowNormal, read)
}

// amounts are values that each limit can have without harm.
var amounts = map[Limit]uint64{
	LimitMemory: 1 << 40, LimitAddressSpace: 1 << 40, LimitCPUTime: 3600e9, LimitWallTime: 3600e9, LimitProcesses: 1000,
	LimitOpenFiles: 1000, LimitFileSize: 1 << 40, LimitOutput: 1 << 40, LimitCPURate: 500,
}

func TestWhatIsSupportedCanBeSetAndWhatIsNotIsRefused(t *testing.T) {
	other := sleeper(t)
	for _, limit := range Limits {
		if limit == LimitCPURate && onWine() { // Wine refuses what Windows takes
			continue
		}
		kept, err := Supports(native, limit, ScopeProcess)
		require.NoError(t, err)
		got, err := native.SetLimit(other, limit, amounts[limit], amounts[limit])
		assert.Equal(t, kept, got, limit)
		if kept == EnforcementNone {
			assert.ErrorIs(t, err, StatusENOTSUP, limit)
			_, err = native.Limit(other, limit)
			assert.ErrorIs(t, err, StatusENOTSUP, limit)
			continue
		}
		require.NoError(t, err, limit)
		value, err := native.Limit(other, limit)
		require.NoError(t, err, limit)
		assert.Equal(t, LimitValue{amounts[limit], amounts[limit], kept}, value, limit)
	}
	for _, limit := range Limits {
		kept, err := Supports(native, limit, ScopeJob)
		require.NoError(t, err)
		if limit == LimitCPURate && onWine() {
			continue
		}
		command := Command{Args: []string{os.Getenv("SystemRoot") + `\system32\cmd.exe`, "/c", "exit 0"}, Env: os.Environ()}
		command.Limits.Set(limit, amounts[limit])
		child, err := native.Start(&command)
		if kept == EnforcementNone {
			assert.ErrorIs(t, err, StatusENOTSUP, limit)
			continue
		}
		require.NoError(t, err, limit)
		assert.Equal(t, kept, child.Enforcement(limit), limit)
		require.NoError(t, child.Close())
	}
}

func TestALimitOfTheCallerHoldsAndIsNotRaisedAboveItsHardOne(t *testing.T) {
	if !inChild(t) {
		return
	}
	value, err := native.Limit(0, LimitProcesses)
	require.NoError(t, err)
	_, err = native.SetLimit(0, LimitMemory, 1<<34, 1<<35)
	require.NoError(t, err)
	again, err := native.Limit(0, LimitProcesses)
	require.NoError(t, err)
	assert.Equal(t, value, again, "one limit does not change another")
	value, err = native.Limit(ownPID(), LimitMemory)
	require.NoError(t, err)
	assert.Equal(t, LimitValue{1 << 34, 1 << 35, EnforcementKernel}, value)
	_, err = native.SetLimit(0, LimitMemory, 1<<35, 1<<35)
	require.NoError(t, err)
	_, err = native.SetLimit(0, LimitMemory, 1<<36, 1<<36)
	assert.ErrorIs(t, err, StatusELIMIT)
	_, err = native.SetLimit(0, LimitMemory, 2, 1)
	assert.ErrorIs(t, err, StatusEINVAL)
	if onWine() {
		return // which keeps no limit
	}
	_, err = native.SetLimit(0, LimitProcesses, 1, 1)
	require.NoError(t, err)
	assert.Error(t, exec.Command(os.Getenv("SystemRoot")+`\system32\cmd.exe`, "/c", "exit 0").Run())
}

func TestLimitsOfAProcessThatIsGoneAreNobodys(t *testing.T) {
	_, err := native.Limit(999_999_996, LimitMemory)
	assert.ErrorIs(t, err, StatusESRCH)
	_, err = native.SetLimit(999_999_996, LimitMemory, 1<<30, 1<<30)
	assert.ErrorIs(t, err, StatusESRCH)
	_, err = native.Limit(-1, LimitMemory)
	assert.ErrorIs(t, err, StatusEINVAL)
	_, err = native.Limit(0, 99)
	assert.ErrorIs(t, err, StatusEINVAL)
}

func TestAGroupIsWhatItsLeaderStarts(t *testing.T) {
	if !inChild(t) {
		return
	}
	self := ownPID()
	assert.ErrorIs(t, native.KillGroup(self, 0), StatusESRCH, "before it leads one")
	before := sleeper(t)
	group, err := native.CreateGroup()
	require.NoError(t, err)
	assert.Equal(t, self, group)
	again, err := native.CreateGroup()
	require.NoError(t, err)
	assert.Equal(t, group, again)
	assert.NoError(t, native.KillGroup(group, 0))
	assert.ErrorIs(t, native.KillGroup(before, 0), StatusESRCH)
	assert.ErrorIs(t, native.KillGroup(group, 2), StatusENOTSUP)
	assert.ErrorIs(t, native.KillGroup(0, 0), StatusEINVAL)
	assert.ErrorIs(t, native.KillGroup(group, 65), StatusEINVAL)
}

// TestGroupLeader is a leader of a group that starts a sleeper and waits.
func TestGroupLeader(t *testing.T) {
	if os.Getenv("MIMIR_CHILD") != "leader" {
		t.Skip("is what other tests start")
	}
	_, err := native.CreateGroup()
	require.NoError(t, err)
	_ = sleeper(t)
	fmt.Println("leads")
	time.Sleep(time.Hour)
}

func TestKillingAGroupEndsItsLeaderAndWhatThatHasStarted(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	leader := exec.Command(self, "-test.run", "^TestGroupLeader$")
	leader.Env = append(os.Environ(), "MIMIR_CHILD=leader")
	output, err := leader.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, leader.Start())
	pid := int64(leader.Process.Pid)
	var children []int64
	require.Eventually(t, func() bool {
		children, err = native.Descendants(pid, true)
		return err == nil && len(children) == 1
	}, time.Minute, time.Millisecond)
	line, err := bufio.NewReader(output).ReadString('\n') // its sleeper runs
	require.NoError(t, err)
	require.Contains(t, line, "leads")
	require.NoError(t, native.KillGroup(pid, 9))
	_ = leader.Wait()
	assert.Equal(t, 137, leader.ProcessState.ExitCode())
	var u Usage
	assert.Eventually(t, func() bool { return ReadUsage(native, children[0], UsageMemory, &u) != nil }, time.Minute, time.Millisecond)
}

func TestTheTreeOfARunningProcessIsListedAndKilled(t *testing.T) {
	pid := sleeper(t)
	found, err := ListDescendants(native, 0, false)
	require.NoError(t, err)
	assert.Contains(t, found, pid)
	require.NoError(t, native.KillTree(pid))
	var u Usage
	assert.ErrorIs(t, ReadUsage(native, pid, UsageMemory, &u), StatusESRCH)
	assert.ErrorIs(t, native.KillTree(999_999_996), StatusESRCH)
	assert.ErrorIs(t, native.KillTree(ownPID()), StatusEINVAL)
	assert.ErrorIs(t, native.KillTree(0), StatusEINVAL)
	_, err = native.Descendants(999_999_996, true)
	assert.ErrorIs(t, err, StatusESRCH)
}

func TestSignalsAreNotThere(t *testing.T) {
	assert.ErrorIs(t, native.ResetSignal(0), StatusENOTSUP)
	assert.ErrorIs(t, native.ResetSignal(-1), StatusEINVAL)
}
