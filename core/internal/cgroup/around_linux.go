package cgroup

import (
	"strconv"
	"strings"

	"libmimir/core/internal/procfs"
)

// mostOfVersion1 is the least that version 1 writes for no limit of memory: the largest number, in whole pages of 64 KiB or less.
const mostOfVersion1 = 1<<63 - 1<<16

// Around reads the limits of the caller's groups and of those above them, as far as they are seen from here, by the files below
// root ("" is the system's own).
func Around(root string) Bounds {
	b := Bounds{MemoryBytes: Unlimited, MemoryUsed: Unlimited, CPUMillis: Unlimited, Processes: Unlimited}
	eachOwn(root, func(c Controller, mounts []byte, group string) {
		kind := "cgroup"
		if c == "" {
			kind = "cgroup2"
		}
		for ; group != ""; group = above(group) {
			dir := mounted(root, mounts, kind, string(c), group)
			if dir == "" {
				continue
			}
			if c == "" || c == Memory {
				b.memory(dir, c == Memory)
			}
			if c == "" || c == PIDs {
				b.Processes = min(b.Processes, limitIn(dir+"/pids.max"))
			}
			if c == "" || c == CPU {
				b.CPUMillis = min(b.CPUMillis, rateIn(dir, c == CPU))
			}
		}
	})
	return b
}

// memory takes a group's limit if it is the least, and its use: of the caller's own group until a limit is found.
func (b *Bounds) memory(dir string, split bool) {
	limit, used, inactive := dir+"/memory.max", dir+"/memory.current", "inactive_file "
	if split {
		limit, used, inactive = dir+"/memory.limit_in_bytes", dir+"/memory.usage_in_bytes", "total_inactive_file "
	}
	bytes := limitIn(limit)
	if bytes >= mostOfVersion1 {
		bytes = Unlimited
	}
	if bytes < b.MemoryBytes || b.MemoryUsed == Unlimited {
		b.MemoryUsed = limitIn(used)
		b.MemoryInactive = number(dir+"/memory.stat", inactive)
	}
	b.MemoryBytes = min(b.MemoryBytes, bytes)
}

// limitIn is the number in a file; "max", and no file, are none.
func limitIn(file string) uint64 {
	text, err := procfs.ReadFile(file)
	if err != nil {
		return Unlimited
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return Unlimited
	}
	return n
}

// rateIn is a group's share of CPU time in thousandths of one CPU.
func rateIn(dir string, split bool) uint64 {
	quota, period := "", ""
	if split {
		q, _ := procfs.ReadFile(dir + "/cpu.cfs_quota_us")
		p, _ := procfs.ReadFile(dir + "/cpu.cfs_period_us")
		quota, period = strings.TrimSpace(string(q)), strings.TrimSpace(string(p))
	} else if text, err := procfs.ReadFile(dir + "/cpu.max"); err == nil {
		quota, period, _ = strings.Cut(strings.TrimSpace(string(text)), " ")
	}
	q, err := strconv.ParseUint(quota, 10, 64) // "max" and -1 are none
	if err != nil {
		return Unlimited
	}
	p, err := strconv.ParseUint(period, 10, 64)
	if err != nil || p == 0 {
		return Unlimited
	}
	return q * 1000 / p
}
