// Package rlimit reads and sets the resource limits of Unix processes by system calls alone.
package rlimit

// Infinity is the kernel's "no limit".
const Infinity = ^uint64(0)
