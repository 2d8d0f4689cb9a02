package procfs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var recorded = New("testdata/proc")

func TestAStatLineIsReadAfterTheLastParenthesisOfTheName(t *testing.T) {
	s, err := recorded.Stat(1200)
	require.NoError(t, err)
	assert.Equal(t, Stat{
		PID: 1200, Parent: 77, Group: 1200, Session: 1200, State: 'S', UserTicks: 10, SystemTicks: 20,
		ChildUserTicks: 3, ChildSystemTicks: 4, Threads: 1, StartTicks: 5000, VirtualBytes: 8192000, ResidentPages: 500,
	}, s)
}

func TestMemoryIsReadFromStatmAndThePeakFromStatus(t *testing.T) {
	s, err := recorded.Statm(1200)
	require.NoError(t, err)
	assert.Equal(t, Statm{Size: 2000, Resident: 500, Shared: 100}, s)
	peak, err := recorded.PeakResident(1200)
	require.NoError(t, err)
	assert.EqualValues(t, 2100<<10, peak)
}

func TestAProcessWithoutMemoryHasNoPeak(t *testing.T) {
	_, err := recorded.PeakResident(1400)
	assert.ErrorIs(t, err, ErrGone)
}

func TestAProcessThatIsNotThereIsGone(t *testing.T) {
	for name, read := range map[string]func() error{
		"stat":   func() error { _, err := recorded.Stat(99); return err },
		"statm":  func() error { _, err := recorded.Statm(99); return err },
		"status": func() error { _, err := recorded.PeakResident(99); return err },
		"fd":     func() error { _, err := recorded.Descriptors(99); return err },
	} {
		assert.ErrorIs(t, read(), ErrGone, name)
	}
}

func TestSelfIsTheCallersOwnDirectory(t *testing.T) {
	s, err := recorded.Stat(0)
	require.NoError(t, err)
	assert.Equal(t, 77, s.PID)
	assert.True(t, recorded.OwnsAllUsers())
}

func TestAUserNamespaceIsKnownByItsMap(t *testing.T) {
	for text, owns := range map[string]bool{
		"         0          0 4294967295\n": true, "0 1000 1\n": false, "0 0 65536\n": false, "": false,
	} {
		root := t.TempDir()
		require.NoError(t, os.Mkdir(filepath.Join(root, "self"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(root, "self", "uid_map"), []byte(text), 0o644))
		assert.Equal(t, owns, New(root).OwnsAllUsers(), "%q", text)
	}
}

func TestTheSystemsNumbersAreReadFromTheRoot(t *testing.T) {
	m, err := recorded.Meminfo()
	require.NoError(t, err)
	assert.Equal(t, Meminfo{
		Total: 24689836 << 10, Available: 23834352 << 10, SwapTotal: 1048572 << 10, SwapFree: 1040000 << 10,
		Committed: 534564 << 10, CommitLimit: 12344916 << 10,
	}, m)
	s, err := recorded.System()
	require.NoError(t, err)
	assert.Equal(t, System{BootSeconds: 1795644671, CPUs: 2, User: 29812, Kernel: 14902, IdleTime: 312124, Running: 2}, s)
	faults, err := recorded.MajorFaults()
	require.NoError(t, err)
	assert.EqualValues(t, 4321, faults)
	threads, err := recorded.Threads()
	require.NoError(t, err)
	assert.Equal(t, 400, threads)
}

func TestDescriptorsAreCounted(t *testing.T) {
	n, err := recorded.Descriptors(1200)
	require.NoError(t, err)
	assert.Equal(t, 3, n)
}

func TestTextThatIsNotAsDocumentedIsRefused(t *testing.T) {
	for _, text := range []string{"", "\n", "1 2 3\n", "1 2 3 4 5 6 0\n", "1 2 3 4 0 6 7\n", "1 2 3 4 0 6 0", "1 2 3 4 0 6 0\n0", "a b c d e f g\n"} {
		_, ok := ParseStatm([]byte(text))
		assert.False(t, ok, "%q", text)
	}
	for _, text := range []string{"", "1", "1 (a", "1 (a)", "1 (a) S", "1 (a) S 1 2 3", "x (a) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22"} {
		_, ok := ParseStat([]byte(text))
		assert.False(t, ok, "%q", text)
	}
}

func FuzzParsersTakeAnyText(f *testing.F) {
	f.Add([]byte("77 (a) (b)) S 1 77 77 0 -1 4194304 2210 0 0 0 12 5 0 0 20 0 3 0 100 17244160 1802 18446744073709551615 1"))
	f.Add([]byte("1 2 3 4 0 6 0\n"))
	f.Add([]byte("VmHWM:\t  12 kB\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		ParseStatm(text)
		ParseStat(text)
		kibibytes(text, "VmHWM")
		_, _ = parseSystem(text)
	})
}

func TestAGroupOfTheDeadDoesNotLive(t *testing.T) {
	assert.True(t, recorded.GroupLives(1200))
	assert.True(t, recorded.GroupLives(1300))
	assert.False(t, recorded.GroupLives(4711))
	root := t.TempDir()
	require.NoError(t, os.CopyFS(root, os.DirFS("testdata/proc")))
	for _, pid := range []string{"1200", "1201", "1202"} {
		require.NoError(t, os.RemoveAll(filepath.Join(root, pid)))
	}
	assert.False(t, New(root).GroupLives(1200), "only the zombie is left")
}

func TestReadingAProcessDoesNotAllocate(t *testing.T) {
	if !canReadWithoutAllocation {
		t.Skip("recorded trees are read through package os here")
	}
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		_, _ = recorded.Stat(1200)
		_, _ = recorded.Statm(1200)
		_, _ = recorded.PeakResident(1200)
		_, _ = recorded.Stat(99)
		_, _ = recorded.LastPID()
		_, _, _ = recorded.RealtimeLimit(1200)
	}))
}

func TestTheLastProcessIDIsRead(t *testing.T) {
	last, err := recorded.LastPID()
	require.NoError(t, err)
	assert.Equal(t, 1400, last)
}

func TestALimitOfAnotherUsersProcessIsReadFromItsFile(t *testing.T) {
	soft, hard, err := recorded.RealtimeLimit(1200)
	require.NoError(t, err)
	assert.EqualValues(t, 7000000000000000042, soft)
	assert.Equal(t, ^uint64(0), hard)
	for _, text := range []string{"", "Max realtime timeout", "Max realtime timeout x", "Max realtime timeout 1 x"} {
		_, _, err := parseRealtimeLimit([]byte(text))
		assert.ErrorIs(t, err, ErrFormat, "%q", text)
	}
}

func TestChildrenAreListedByThread(t *testing.T) {
	var children []int
	assert.True(t, recorded.EachChild(1200, 1, func(pid int) { children = append(children, pid) }))
	assert.Equal(t, []int{1201, 1300}, children)
	assert.True(t, recorded.EachChild(99, 1, func(int) { t.Error("no such process") }))
	root := t.TempDir()
	require.NoError(t, os.CopyFS(root, os.DirFS("testdata/proc")))
	require.NoError(t, os.Remove(filepath.Join(root, "1200", "task", "1200", "children")))
	assert.False(t, New(root).EachChild(1200, 1, func(int) {}), "a kernel that does not list them")
}
