package libproc

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func answer(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name + ".bin")
	require.NoError(t, err)
	return b
}

func TestAProcessIsReadFromTaskAllInfo(t *testing.T) {
	b := answer(t, "taskallinfo")
	who, task, err := DecodeTaskAllInfo(b)
	require.NoError(t, err)
	assert.Equal(t, Identity{PID: 4242, Parent: 4141, Group: 4040, Started: 1700000000_654321}, who)
	assert.Equal(t, Task{Resident: 73400320, Virtual: 418000000000, UserTicks: 36000000, SystemTicks: 12000000, Threads: 12}, task)
	alone, err := DecodeTaskInfo(b[SizeofBSDInfo:])
	require.NoError(t, err)
	assert.Equal(t, task, alone)
	b[offBSDStatus] = zombie
	who, _, err = DecodeTaskAllInfo(b)
	require.NoError(t, err)
	assert.True(t, who.Ended)
}

func TestAnAccountIsReadFromRusageInfoAlsoOfALaterVersion(t *testing.T) {
	b := answer(t, "rusage")
	want := Rusage{
		UserTicks: 36000001, SystemTicks: 12000001, ChildUserTicks: 24000000, ChildSystemTicks: 6000000,
		Resident: 73400321, Footprint: 52428800, PeakFootprint: 62914560,
	}
	for _, tail := range []int{0, 160} {
		usage, err := DecodeRusage(append(b[:len(b):len(b)], make([]byte, tail)...))
		require.NoError(t, err)
		assert.Equal(t, want, usage)
	}
}

func TestProcessesAreReadFromTheSysctl(t *testing.T) {
	b := answer(t, "processes")
	want := []Identity{
		{PID: 4242, Parent: 4141, Group: 4040, Started: 1700000001_000005},
		{PID: 4243, Parent: 4242, Group: 4040, Started: 1700000002_999999, Nice: -3},
		{PID: 4244, Parent: 4242, Group: 4244, Started: 1700000003_000000, Nice: 19, Ended: true},
	}
	assert.Equal(t, want, DecodeKinfo(b))
	assert.Equal(t, want[:1], DecodeKinfo(b[:2*SizeofKinfoProc-1]), "a part of one is none")
	assert.Empty(t, DecodeKinfo(nil))
}

func TestListsAreReadToTheirEnd(t *testing.T) {
	assert.Equal(t, 4, CountDescriptors(answer(t, "descriptors")))
	assert.Equal(t, []int{4242, 4243, 77}, DecodePIDs(answer(t, "pids")), "0 is no process")
	assert.Equal(t, []int{4242}, DecodePIDs(answer(t, "pids")[:7]))
}

func TestAvailableMemoryIsWhatIsFreeAndWhatIsInactive(t *testing.T) {
	pages, err := DecodePages(answer(t, "vmstatistics"))
	require.NoError(t, err)
	assert.Equal(t, Pages{Available: 250000, Ins: 123456}, pages)
}

func TestTheTimesOfCPUsAndTheSwapSpaceAreRead(t *testing.T) {
	load, err := DecodeCPULoad(answer(t, "cpuload"))
	require.NoError(t, err)
	assert.Equal(t, CPULoad{User: 1030, System: 200, Idle: 4000000000}, load)
	total, used, err := DecodeSwap(answer(t, "swapusage"))
	require.NoError(t, err)
	assert.EqualValues(t, 2<<30, total)
	assert.EqualValues(t, 512<<20, used)
}

func TestAnAnswerThatIsTooShortIsAnError(t *testing.T) {
	for length := range SizeofTaskInfo {
		_, err := DecodeTaskInfo(make([]byte, length))
		assert.ErrorIs(t, err, ErrShort)
	}
	_, _, err := DecodeTaskAllInfo(answer(t, "taskallinfo")[:SizeofTaskAllInfo-1])
	assert.ErrorIs(t, err, ErrShort)
	_, err = DecodeRusage(answer(t, "rusage")[:SizeofRusageInfo4-1])
	assert.ErrorIs(t, err, ErrShort)
	_, err = DecodePages(make([]byte, 39))
	assert.ErrorIs(t, err, ErrShort)
	_, err = DecodeCPULoad(make([]byte, 15))
	assert.ErrorIs(t, err, ErrShort)
	_, _, err = DecodeSwap(make([]byte, 31))
	assert.ErrorIs(t, err, ErrShort)
}
