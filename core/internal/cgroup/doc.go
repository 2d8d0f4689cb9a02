// Package cgroup makes control groups for jobs: by the unified hierarchy (version 2) where a part of it has been delegated to
// the caller, by the older ones (version 1) where they can be written.
package cgroup

import "errors"

// ErrUnavailable means that the caller can make no group with what is needed.
var ErrUnavailable = errors.New("no control group can be written")

// Controller is what a group limits or counts.
type Controller string

// The controllers that jobs use.
const (
	Memory Controller = "memory"
	PIDs   Controller = "pids"
	CPU    Controller = "cpu"
)

// Limits of a group. Nil is no limit.
type Limits struct {
	MemoryBytes *uint64
	Processes   *uint64
	// CPUMillis are thousandths of a CPU.
	CPUMillis *uint64
}

// Bounds are the limits around the caller, and what has been used of them. Unlimited is no limit, and a use that is not told.
type Bounds struct {
	MemoryBytes, MemoryUsed uint64
	// MemoryInactive is the part of MemoryUsed that the kernel gives up first: file pages that nobody has used for a while.
	MemoryInactive       uint64
	CPUMillis, Processes uint64
}

// Unlimited stands for no limit.
const Unlimited = ^uint64(0)

// Events are what the kernel has done to a group's processes.
type Events struct {
	// OOMKills is how many were ended for want of memory.
	OOMKills uint64
	// ProcessesRefused is how often a fork was refused.
	ProcessesRefused uint64
}
