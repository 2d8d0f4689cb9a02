package tree

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"libmimir/core/internal/procfs"
	"libmimir/core/internal/rlimit"
)

// recorded copies the recorded /proc, in which 1200 leads: 1201 is its child, 1202 an orphan of its group, 1300 a child in a
// group of its own, 1400 a zombie.
func recorded(t *testing.T) (string, procfs.FS) {
	t.Helper()
	root := t.TempDir()
	require.NoError(t, os.CopyFS(root, os.DirFS("../procfs/testdata/proc")))
	return root, procfs.New(root)
}

var mark = Mark{Soft: 7000000000000000042, Hard: 7000000000000000042}

// marked makes a tree in which some processes bear the mark.
func marked(fs procfs.FS, pids ...int) *Tree {
	tree := New(fs, fs.LastPID, 1200, mark)
	tree.limits = func(pid int) (uint64, uint64, error) {
		for _, p := range pids {
			if p == pid {
				return mark.Soft, mark.Hard, nil
			}
		}
		if _, err := fs.Stat(pid); err != nil {
			return 0, 0, procfs.ErrGone
		}
		return rlimit.Infinity, rlimit.Infinity, nil
	}
	return tree
}

func members(tree *Tree) (pids []int) {
	for _, m := range tree.members {
		if m.alive {
			pids = append(pids, m.pid)
		}
	}
	return pids
}

func TestAMarkedTreeHoldsWhoeverBearsTheMark(t *testing.T) {
	_, fs := recorded(t)
	tree := marked(fs, 1200, 1201, 1202, 1400)
	sum := tree.Update()
	assert.Equal(t, []int{1200, 1201, 1202}, members(tree), "the orphan too; the zombie is no process any more")
	assert.EqualValues(t, 850, sum.ResidentPages)
	assert.EqualValues(t, 10+3+30+7+9, sum.UserTicks)
	assert.Equal(t, 3, sum.Processes)
}

func TestAProcessThatWasNotThereYetIsLookedAtAgain(t *testing.T) {
	root, fs := recorded(t)
	tree := marked(fs, 1200, 1399)
	require.NoError(t, os.WriteFile(filepath.Join(root, "loadavg"), []byte("0 0 0 1/1 1399\n"), 0o644))
	tree.limits = func(int) (uint64, uint64, error) { return 0, 0, procfs.ErrGone }
	assert.Equal(t, 1, tree.Update().Processes)
	require.NoError(t, os.Rename(filepath.Join(root, "1300"), filepath.Join(root, "1399")))
	require.NoError(t, os.WriteFile(filepath.Join(root, "1399", "status"), []byte("Tgid:\t1399\n"), 0o644))
	tree.limits = marked(fs, 1200, 1399).limits
	assert.Equal(t, 2, tree.Update().Processes, "no new id was given out since")
}

func TestNumbersThatStartAnewAreNotMissed(t *testing.T) {
	root, fs := recorded(t)
	tree := marked(fs, 1200, 77)
	require.NoError(t, os.CopyFS(filepath.Join(root, "77"), os.DirFS(filepath.Join(root, "1201"))))
	require.NoError(t, os.WriteFile(filepath.Join(root, "77", "status"), []byte("Tgid:\t77\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(root, "loadavg"), []byte("0 0 0 1/1 80\n"), 0o644))
	tree.Update()
	assert.Equal(t, []int{1200, 77}, members(tree))
}

func TestAThreadIsNoProcess(t *testing.T) {
	root, fs := recorded(t)
	require.NoError(t, os.WriteFile(filepath.Join(root, "1201", "status"), []byte("Tgid:\t1200\n"), 0o644))
	tree := marked(fs, 1200, 1201)
	assert.Equal(t, 1, tree.Update().Processes)
}

func TestATreeWithoutAMarkIsFollowedThroughChildrenOfAnyGroup(t *testing.T) {
	_, fs := recorded(t)
	tree := New(fs, fs.LastPID, 1200, Mark{})
	sum := tree.Update()
	assert.ElementsMatch(t, []int{1200, 1201, 1300}, members(tree))
	assert.EqualValues(t, 20+4+5+2, sum.SystemTicks)
}

func TestAKernelThatDoesNotListChildrenIsLookedThrough(t *testing.T) {
	root, fs := recorded(t)
	for _, pid := range []string{"1200", "1201", "1202", "1300", "1400"} {
		require.NoError(t, os.Remove(filepath.Join(root, pid, "task", pid, "children")))
	}
	tree := New(fs, fs.LastPID, 1200, Mark{})
	tree.Update()
	tree.Update()
	assert.ElementsMatch(t, []int{1200, 1201, 1202, 1300}, members(tree))

	// One that came later, in a group of its own.
	require.NoError(t, os.CopyFS(filepath.Join(root, "1350"), os.DirFS(filepath.Join(root, "1300"))))
	rewrite(t, filepath.Join(root, "1350", "stat"), "1300 ", "1350 ")
	rewrite(t, filepath.Join(root, "1350", "stat"), " 1200 ", " 1300 ")
	rewrite(t, filepath.Join(root, "1350", "status"), "1300", "1350")
	tree.Update()
	assert.ElementsMatch(t, []int{1200, 1201, 1202, 1300, 1350}, members(tree))
}

func TestAProcessIDUsedAnewIsNoMember(t *testing.T) {
	root, fs := recorded(t)
	tree := marked(fs, 1200, 1201)
	before := tree.Update()
	assert.Equal(t, 2, before.Processes)
	stat := filepath.Join(root, "1201", "stat")
	require.NoError(t, os.WriteFile(stat, []byte("1201 (x) R 1 9 9 0 -1 0 0 0 0 0 99 99 0 0 20 0 1 0 777777 4096 250 18446744073709551615 1\n"), 0o644))
	after := tree.Update()
	assert.Equal(t, 1, after.Processes)
	assert.GreaterOrEqual(t, after.UserTicks, before.UserTicks, "CPU time never falls")
}

func TestWhenNoneWasStartedSinceTheLeaderNobodyIsKilled(t *testing.T) {
	root, fs := recorded(t)
	killed := 0
	end := func() {
		marked(fs, 1200).End(func() { killed++ }, func(time.Duration) { t.Error("there is nobody to wait for") })
	}
	end()
	assert.Equal(t, 1, killed, "others were started since, which may be of its group")
	loadavg := filepath.Join(root, "loadavg")
	require.NoError(t, os.WriteFile(loadavg, []byte("0 0 0 1/1 1200\n"), 0o644))
	end()
	assert.Equal(t, 1, killed)
	require.NoError(t, os.Remove(loadavg))
	end()
	assert.Equal(t, 2, killed, "what is not known is not assumed")
}

func TestWhereOnlyStrangersWereStartedOneLookIsEnough(t *testing.T) {
	_, fs := recorded(t)
	looks := func(leader, last int, gone ...int) (asked int) {
		tree := New(fs, func() (int, error) { asked++; return last, nil }, leader, mark)
		tree.limits = func(pid int) (uint64, uint64, error) {
			if slices.Contains(gone, pid) {
				return 0, 0, procfs.ErrGone
			}
			return 1, 1, nil
		}
		tree.End(func() {}, func(time.Duration) { t.Error("there is nobody to wait for") })
		return asked
	}
	assert.Equal(t, 1, looks(1200, 1400))
	assert.Equal(t, 2, looks(1200, 1400, 1300), "what is gone may have left a child")
	assert.Equal(t, 2, looks(1200, 1100), "the numbers have started anew")
	assert.Equal(t, 2, looks(1200, 1201+mostLooks), "of so many not all were looked at")
}

// sleeping starts a process and records it: its id, and a function that tells how it ended and takes it off the record.
func sleeping(t *testing.T, root string) (pid int, ended func() string) {
	t.Helper()
	sleeper := exec.Command("sleep", "1000")
	require.NoError(t, sleeper.Start())
	t.Cleanup(func() { _, _ = sleeper.Process.Kill(), sleeper.Wait() })
	pid = sleeper.Process.Pid
	folder := filepath.Join(root, strconv.Itoa(pid))
	require.NoError(t, os.Mkdir(folder, 0o755))
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "stat"), stat, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "status"), fmt.Appendf(nil, "Tgid:\t%d\n", pid), 0o644))
	return pid, func() string {
		_ = sleeper.Wait()
		require.NoError(t, os.RemoveAll(folder))
		return sleeper.ProcessState.String()
	}
}

func setLastPID(t *testing.T, root string, pid int) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(root, "loadavg"), fmt.Appendf(nil, "0 0 0 1/1 %d\n", pid), 0o644))
}

// A process forks and ends before it is looked at, and what it has left has a higher id than the last one then.
func TestTheChildOfOneThatWasFoundGoneIsKilled(t *testing.T) {
	root, fs := recorded(t)
	pid, ended := sleeping(t, root)
	setLastPID(t, root, pid-1)
	tree := New(fs, fs.LastPID, pid-5, mark)
	tree.limits = func(asked int) (uint64, uint64, error) {
		if _, err := fs.Stat(asked); err == nil && asked == pid {
			return mark.Soft, mark.Hard, nil
		}
		setLastPID(t, root, pid) // while others are looked at, the child comes to be
		return 0, 0, procfs.ErrGone
	}
	how := ""
	tree.End(func() {}, func(time.Duration) { how = ended() })
	assert.Equal(t, "signal: killed", how)
}

func TestAMemberIsKilledThoughTheNumbersHaveStartedAnew(t *testing.T) {
	root, fs := recorded(t)
	pid, ended := sleeping(t, root)
	setLastPID(t, root, pid)
	tree := New(fs, fs.LastPID, pid+1000, mark) // whose numbers have started anew since
	tree.limits = func(asked int) (uint64, uint64, error) {
		if _, err := fs.Stat(asked); err == nil && asked == pid {
			return mark.Soft, mark.Hard, nil
		}
		return 0, 0, procfs.ErrGone
	}
	tree.Update()
	setLastPID(t, root, pid+2000)
	how := ""
	tree.End(func() {}, func(time.Duration) { how = ended() })
	assert.Equal(t, "signal: killed", how)
}

func TestMarksAreOfTheirHostAndUnlikeEachOther(t *testing.T) {
	seen := map[Mark]bool{}
	digits, ok := HostPrefix()
	require.True(t, ok)
	for range 1000 {
		m, ok := NewMark()
		require.True(t, ok)
		assert.False(t, seen[m])
		seen[m] = true
		assert.Len(t, strconv.FormatUint(m.Soft, 10), 19)
		assert.Equal(t, fmt.Sprint(digits), strconv.FormatUint(m.Soft, 10)[:12])
		assert.Less(t, m.Soft, uint64(1)<<63)
	}
}

func TestAnInnerMarkIsKnownByItsSoftLimitAndItsOuterJobByTheHardOne(t *testing.T) {
	inner := Mark{Soft: lowestInner*jobsPerHost + 5, Hard: mark.Hard, inner: true}
	assert.True(t, inner.matches(inner.Soft, mark.Hard))
	assert.False(t, inner.matches(mark.Soft, mark.Hard))
	assert.True(t, mark.matches(inner.Soft, mark.Hard), "the outer job knows the inner one's processes for its own")
	assert.Less(t, inner.Soft, mark.Hard, "a limit can be lowered without privilege")
}

// ticking gives a tree clocks that a test sets.
func ticking(tree *Tree) map[int]uint64 {
	clocks := map[int]uint64{}
	tree.clock = func(pid int) (uint64, bool) {
		ns, ok := clocks[pid]
		return ns, ok
	}
	return clocks
}

// rewrite replaces a text in a recorded file.
func rewrite(t *testing.T, path, old, replacement string) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(text), old)
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(text), old, replacement, 1)), 0o644))
}

func TestWhoHasNotRunIsNotReadAgain(t *testing.T) {
	root, fs := recorded(t)
	tree := marked(fs, 1200, 1201)
	clocks := ticking(tree)
	clocks[1200], clocks[1201] = 0, 5
	before := tree.Update()
	assert.True(t, before.LeaderRan, "it was not known before, though its clock has not moved since")
	s, err := fs.Stat(1201)
	require.NoError(t, err)
	rewrite(t, filepath.Join(root, "1201", "stat"), fmt.Sprintf(" %d ", s.ResidentPages), " 123456 ")
	require.NoError(t, os.WriteFile(filepath.Join(root, "1201", "statm"), []byte("200000 123456 1 1 0 1 0\n"), 0o644))

	sum := tree.Update()
	assert.False(t, sum.LeaderRan)
	assert.Equal(t, before.ResidentPages, sum.ResidentPages, "its clock stands")
	assert.Equal(t, before.ResidentPages, tree.ResidentPages())

	clocks[1201] = 6
	grown := before.ResidentPages - s.ResidentPages + 123456
	assert.Equal(t, grown, tree.ResidentPages(), "it has run")
	assert.Equal(t, grown, tree.Update().ResidentPages)
	assert.False(t, tree.Update().LeaderRan)
	clocks[1200] = 1
	assert.True(t, tree.Update().LeaderRan)
}

func TestWhoseClockCannotBeReadIsReadEachTime(t *testing.T) {
	root, fs := recorded(t)
	tree := marked(fs, 1200, 1201)
	ticking(tree)
	assert.Equal(t, 2, tree.Update().Processes)
	require.NoError(t, os.RemoveAll(filepath.Join(root, "1201")))
	assert.Equal(t, 1, tree.Update().Processes)
}

func TestAClockThatStandsStillHidesNothingForLong(t *testing.T) {
	root, fs := recorded(t)
	tree := marked(fs, 1200, 1201)
	clocks := ticking(tree)
	clocks[1200], clocks[1201] = 7, 7
	assert.Equal(t, 2, tree.Update().Processes)
	require.NoError(t, os.RemoveAll(filepath.Join(root, "1201")))
	for range thorough {
		tree.Update()
	}
	assert.Equal(t, 1, tree.Update().Processes)
}

func TestTheClockOfAProcessIsItsCPUTime(t *testing.T) {
	before, ok := cpuTime(os.Getpid())
	require.True(t, ok)
	for begun := time.Now(); time.Since(begun) < 20*time.Millisecond; {
		continue
	}
	after, ok := cpuTime(os.Getpid())
	require.True(t, ok)
	assert.Greater(t, after, before+uint64(time.Millisecond))
	_, ok = cpuTime(1 << 22) // more than there can be
	assert.False(t, ok)

	sleeper := exec.Command("sleep", "1000")
	require.NoError(t, sleeper.Start())
	defer func() { _ = sleeper.Process.Kill(); _ = sleeper.Wait() }()
	require.Eventually(t, func() bool {
		before, _ = cpuTime(sleeper.Process.Pid)
		time.Sleep(30 * time.Millisecond)
		after, ok = cpuTime(sleeper.Process.Pid)
		return ok && before > 0 && after == before
	}, 10*time.Second, time.Millisecond, "one that sleeps uses none")
}
