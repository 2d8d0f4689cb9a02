package main

import "testing"

func TestGoNamesBecomeSnakeCase(t *testing.T) {
	for name, want := range map[string]string{
		"Memory": "memory", "CPUTime": "cpu_time", "UserTimeNs": "user_time_ns", "MemoryMB": "memory_mb", "OSCode": "os_code",
		"ENOTSUP": "enotsup", "PID": "pid", "AddressSpace": "address_space", "KernelPerUser": "kernel_per_user",
		"already_snake": "already_snake", "LogicalCPUCount": "logical_cpu_count",
	} {
		if got := snake(name); got != want {
			t.Errorf("snake(%q) = %q, want %q", name, got, want)
		}
	}
}
