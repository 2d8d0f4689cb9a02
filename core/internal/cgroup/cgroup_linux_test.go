package cgroup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// recorded makes a root with the files given by their paths; a text of "dir" makes a directory.
func recorded(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for path, text := range files {
		path = filepath.Join(root, path)
		if text == "dir" {
			require.NoError(t, os.MkdirAll(path, 0o755))
			continue
		}
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return root
}

func number64(n uint64) *uint64 { return &n }

const splitMounts = `32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,nosuid shared:10 - cgroup cgroup rw,memory
39 31 0:36 /outer /sys/fs/cgroup/pids rw,nosuid - cgroup cgroup rw,pids
`

func TestGroupsOfVersion1AreMadeBelowTheCallersOwn(t *testing.T) {
	root := recorded(t, map[string]string{
		"proc/self/cgroup":              "9:cpu,cpuacct:/a\n4:memory:/jobs/one\n3:pids:/outer/here\n0::/\n",
		"proc/self/mountinfo":           splitMounts,
		"sys/fs/cgroup/memory/jobs/one": "dir",
		"sys/fs/cgroup/pids/here":       "dir",
		"sys/fs/cgroup/cpu,cpuacct/a":   "dir",
	})
	parents := Find(root)
	for _, c := range []Controller{Memory, PIDs, CPU} {
		assert.True(t, parents.Has(c), c)
	}
	group, err := parents.New("job", Limits{MemoryBytes: number64(1 << 20), Processes: number64(7), CPUMillis: number64(1500)})
	require.NoError(t, err)
	assert.Equal(t, -1, group.Unified())
	assert.Len(t, group.Split(), 3)
	for file, want := range map[string]string{
		"memory/jobs/one/job/memory.limit_in_bytes": "1048576", "memory/jobs/one/job/memory.memsw.limit_in_bytes": "1048576",
		"pids/here/job/pids.max": "7", "cpu,cpuacct/a/job/cpu.cfs_quota_us": "150000", "cpu,cpuacct/a/job/cpu.cfs_period_us": "100000",
	} {
		text, err := os.ReadFile(filepath.Join(root, "sys/fs/cgroup", file))
		require.NoError(t, err, file)
		assert.Equal(t, want, string(text), file)
	}
	assert.Equal(t, Events{}, group.Events())
	require.NoError(t, os.WriteFile(root+"/sys/fs/cgroup/memory/jobs/one/job/memory.oom_control",
		[]byte("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"), 0o644))
	require.NoError(t, os.WriteFile(root+"/sys/fs/cgroup/pids/here/job/pids.events", []byte("max 3\n"), 0o644))
	assert.Equal(t, Events{OOMKills: 2, ProcessesRefused: 3}, group.Events())
	assert.False(t, group.Kill(), "version 1 has no such file")
}

const unifiedMount = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"

func TestAGroupOfVersion2IsMadeInTheNearestDelegatedParent(t *testing.T) {
	const slice = "sys/fs/cgroup/user.slice/user@1000.service/app.slice"
	root := recorded(t, map[string]string{
		"proc/self/cgroup":                                                  "0::/user.slice/user@1000.service/app.slice/shell.scope\n",
		"proc/self/mountinfo":                                               unifiedMount,
		slice + "/cgroup.procs":                                             "",
		slice + "/cgroup.subtree_control":                                   "cpu memory pids\n",
		slice + "/shell.scope/cgroup.procs":                                 "1\n",
		slice + "/shell.scope/cgroup.subtree_control":                       "\n",
		"sys/fs/cgroup/user.slice/user@1000.service/cgroup.procs":           "",
		"sys/fs/cgroup/user.slice/user@1000.service/cgroup.subtree_control": "cpu memory pids\n",
	})
	parents := Find(root)
	assert.True(t, parents.Has(Memory) && parents.Has(PIDs) && parents.Has(CPU))
	group, err := parents.New("job", Limits{MemoryBytes: number64(1 << 20), Processes: number64(7), CPUMillis: number64(250)})
	require.NoError(t, err)
	assert.Positive(t, group.Unified())
	assert.Empty(t, group.Split())
	for file, want := range map[string]string{
		"memory.max": "1048576", "memory.swap.max": "0", "memory.oom.group": "1", "pids.max": "7", "cpu.max": "25000 100000",
	} {
		text, err := os.ReadFile(filepath.Join(root, slice, "job", file))
		require.NoError(t, err, file)
		assert.Equal(t, want, string(text), file)
	}
	require.NoError(t, os.WriteFile(filepath.Join(root, slice, "job", "memory.events"), []byte("low 0\noom 1\noom_kill 1\noom_group_kill 1\n"), 0o644))
	assert.EqualValues(t, 1, group.Events().OOMKills)
	assert.True(t, group.Kill())
	killed, err := os.ReadFile(filepath.Join(root, slice, "job", "cgroup.kill"))
	require.NoError(t, err)
	assert.Equal(t, "1", string(killed))
}

func TestWhatCannotBeWrittenIsNotOffered(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"no files at all":         {},
		"no controllers":          {"proc/self/cgroup": "0::/a\n", "proc/self/mountinfo": unifiedMount, "sys/fs/cgroup/a/cgroup.procs": "", "sys/fs/cgroup/a/cgroup.subtree_control": ""},
		"not mounted":             {"proc/self/cgroup": "4:memory:/a\n", "proc/self/mountinfo": ""},
		"outside of what is seen": {"proc/self/cgroup": "3:pids:/elsewhere\n", "proc/self/mountinfo": splitMounts, "sys/fs/cgroup/pids": "dir"},
		"garbage":                 {"proc/self/cgroup": "x\n::\n", "proc/self/mountinfo": "- - -\n1 2\n"},
	} {
		parents := Find(recorded(t, files))
		assert.False(t, parents.Has(Memory) || parents.Has(PIDs) || parents.Has(CPU), name)
		_, err := parents.New("job", Limits{MemoryBytes: number64(1)})
		assert.ErrorIs(t, err, ErrUnavailable, name)
	}
}

func TestARealGroupIsMadeAndRemoved(t *testing.T) {
	parents := Find("")
	if !parents.Has(Memory) {
		t.Skip("no control group of the memory controller can be written here")
	}
	group, err := parents.New("libmimir-test-"+strings.ReplaceAll(t.Name(), "/", "-"), Limits{MemoryBytes: number64(64 << 20)})
	require.NoError(t, err)
	dirs := []string{group.unified, group.split[Memory]}
	assert.Zero(t, group.Events())
	group.Close()
	for _, dir := range dirs {
		if dir != "" {
			assert.NoDirExists(t, dir)
		}
	}
}

func TestTheLeastLimitsOfAllGroupsAboveHold(t *testing.T) {
	root := recorded(t, map[string]string{
		"proc/self/cgroup":                                 "0::/pod/container/inner\n",
		"proc/self/mountinfo":                              unifiedMount,
		"sys/fs/cgroup/pod/memory.max":                     "2000000\n",
		"sys/fs/cgroup/pod/memory.current":                 "1500000\n",
		"sys/fs/cgroup/pod/cpu.max":                        "max 100000\n",
		"sys/fs/cgroup/pod/pids.max":                       "70\n",
		"sys/fs/cgroup/pod/container/memory.max":           "1000000\n",
		"sys/fs/cgroup/pod/container/memory.current":       "900000\n",
		"sys/fs/cgroup/pod/container/memory.stat":          "anon 5\nactive_file 300000\ninactive_file 200000\n",
		"sys/fs/cgroup/pod/container/cpu.max":              "150000 100000\n",
		"sys/fs/cgroup/pod/container/pids.max":             "max\n",
		"sys/fs/cgroup/pod/container/inner/memory.max":     "max\n",
		"sys/fs/cgroup/pod/container/inner/memory.current": "800000\n",
	})
	assert.Equal(t, Bounds{MemoryBytes: 1000000, MemoryUsed: 900000, MemoryInactive: 200000, CPUMillis: 1500, Processes: 70}, Around(root))
}

func TestWithoutALimitTheUseIsThatOfTheCallersGroup(t *testing.T) {
	root := recorded(t, map[string]string{
		"proc/self/cgroup":                          "0::/user/session\n",
		"proc/self/mountinfo":                       unifiedMount,
		"sys/fs/cgroup/user/memory.max":             "max\n",
		"sys/fs/cgroup/user/memory.current":         "5000\n",
		"sys/fs/cgroup/user/session/memory.max":     "max\n",
		"sys/fs/cgroup/user/session/memory.current": "4000\n",
	})
	assert.Equal(t, Bounds{MemoryBytes: Unlimited, MemoryUsed: 4000, CPUMillis: Unlimited, Processes: Unlimited}, Around(root))
}

func TestLimitsOfVersion1AreReadByController(t *testing.T) {
	root := recorded(t, map[string]string{
		"proc/self/cgroup":    "9:cpu,cpuacct:/a\n4:memory:/jobs/one\n3:pids:/outer/here\n0::/\n",
		"proc/self/mountinfo": splitMounts,
		"sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes": "9223372036854771712\n",
		"sys/fs/cgroup/memory/jobs/one/memory.usage_in_bytes": "4096\n",
		"sys/fs/cgroup/memory/jobs/memory.limit_in_bytes":     "8192\n",
		"sys/fs/cgroup/memory/jobs/memory.usage_in_bytes":     "5000\n",
		"sys/fs/cgroup/memory/jobs/memory.stat":               "inactive_file 1\ntotal_inactive_file 700\n",
		"sys/fs/cgroup/memory/memory.limit_in_bytes":          "9223372036854771712\n",
		"sys/fs/cgroup/pids/here/pids.max":                    "7\n",
		"sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us":        "50000\n",
		"sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us":       "100000\n",
		"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us":          "-1\n",
		"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us":         "100000\n",
	})
	assert.Equal(t, Bounds{MemoryBytes: 8192, MemoryUsed: 5000, MemoryInactive: 700, CPUMillis: 500, Processes: 7}, Around(root))
}

func TestWhatIsNotThereOrNotUnderstoodIsNoLimit(t *testing.T) {
	none := Bounds{MemoryBytes: Unlimited, MemoryUsed: Unlimited, CPUMillis: Unlimited, Processes: Unlimited}
	assert.Equal(t, none, Around(t.TempDir()))
	root := recorded(t, map[string]string{
		"proc/self/cgroup": "0::/a\nnonsense\n", "proc/self/mountinfo": unifiedMount + "nonsense\n",
		"sys/fs/cgroup/a/memory.max": "many\n", "sys/fs/cgroup/a/pids.max": "", "sys/fs/cgroup/a/cpu.max": "5 0\n",
	})
	assert.Equal(t, none, Around(root))
}
