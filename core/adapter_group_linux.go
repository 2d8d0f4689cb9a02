package core

import (
	"strconv"

	"golang.org/x/sys/unix"

	"libmimir/core/internal/cgroup"
	"libmimir/core/internal/tree"
)

// controllers are those of control groups that keep limits of jobs.
var controllers = [limitEnd]cgroup.Controller{LimitMemory: cgroup.Memory, LimitProcesses: cgroup.PIDs, LimitCPURate: cgroup.CPU}

// groupParents looks once for control groups that can be written. LIBMIMIR_CGROUPS=off in the host's environment, as it is then,
// does without.
func (a *unixAdapter) groupParents() *cgroup.Parents {
	a.groupsOnce.Do(func() {
		if hostVariable("LIBMIMIR_CGROUPS") == "off" {
			a.groups = &cgroup.Parents{}
			return
		}
		a.groups = cgroup.Find(a.files)
	})
	return a.groups
}

// newGroup makes the control group of a command whose limits it can keep: nil where a watchdog has to.
func (a *unixAdapter) newGroup(c *Command, mark tree.Mark) (*cgroup.Group, error) {
	value := func(limit Limit) *uint64 {
		if v, given := c.Limits.Of(limit); given {
			return &v
		}
		return nil
	}
	limits := cgroup.Limits{MemoryBytes: value(LimitMemory), Processes: value(LimitProcesses), CPUMillis: value(LimitCPURate)}
	if limits == (cgroup.Limits{}) {
		return nil, nil
	}
	parents := a.groupParents()
	rateAlone := limits.CPUMillis != nil && !parents.Has(cgroup.CPU)
	if rateAlone {
		return nil, notSupported("find limit", "CPU rate: no control group can be written here")
	}
	if limits.MemoryBytes != nil && !parents.Has(cgroup.Memory) {
		limits.MemoryBytes = nil
	}
	if limits.Processes != nil && !parents.Has(cgroup.PIDs) {
		limits.Processes = nil
	}
	if limits == (cgroup.Limits{}) {
		return nil, nil
	}
	group, err := parents.New("libmimir-"+strconv.FormatUint(mark.Soft, 10), limits)
	if err != nil && limits.CPUMillis != nil {
		return nil, OSError(err, "make control group", "")
	}
	if err != nil { // it was removed, or taken away, since it was found: the watchdog keeps the limits
		return nil, nil
	}
	return group, nil
}

func closeGroup(group *cgroup.Group) {
	if group != nil {
		group.Close()
	}
}

// confine makes the Landlock ruleset of a command that may change files below some directories only.
func (a *unixAdapter) confine(c *Command) (int, error) {
	if c.Writable == nil {
		return -1, nil
	}
	ruleset, err := landlockRuleset(c.Writable)
	if err != nil {
		return -1, OSError(err, "landlock", "confine changes of files")
	}
	return ruleset, nil
}

func (a *unixAdapter) Offers(option Option) error {
	switch option {
	case 0:
		if landlockVersion() < 1 {
			return notSupported("landlock", "the kernel has no Landlock, or it is switched off")
		}
	case OptionNoNetwork:
		if unix.Access("/proc/self/ns/net", unix.F_OK) != nil {
			return notSupported("find network namespaces", "the kernel has none")
		}
	case OptionNoDesktop:
		return notSupported("find option", "keeping a command from the desktop on Linux")
	}
	return nil
}

func (a *unixAdapter) StartOf(pid int64) (uint64, error) {
	stat, err := a.proc.Stat(int(pid))
	if err == nil && stat.Dead() {
		err = unix.ESRCH
	}
	if err != nil {
		return 0, usageError(err, "read /proc/<pid>/stat", pid)
	}
	return stat.StartTicks, nil
}

func (a *unixAdapter) Descendants(pid int64, all bool) ([]int64, error) {
	if _, err := a.proc.Stat(int(pid)); err != nil {
		return nil, usageError(err, "read /proc/<pid>/stat", pid)
	}
	var found []int64
	for _, p := range tree.Descendants(a.proc, int(pid), all) {
		found = append(found, int64(p))
	}
	return found, nil
}

func (a *unixAdapter) KillTree(pid int64) error {
	if err := checkPID(pid); err != nil {
		return err
	}
	if pid <= 1 || pid == int64(unix.Getpid()) {
		return Errorf(StatusEINVAL, "check process id", "the tree of process %d cannot be killed by this process", pid)
	}
	if _, err := a.proc.Stat(int(pid)); err != nil {
		return usageError(err, "read /proc/<pid>/stat", pid)
	}
	if err := tree.Kill(a.proc, int(pid)); err != nil {
		return OSError(err, "kill", "process %d", pid)
	}
	return nil
}
