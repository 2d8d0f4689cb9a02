//go:build !linux

package procfs

const canReadWithoutAllocation = false
