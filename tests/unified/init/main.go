// Command init is the first process of a machine that exists to run one test binary, under a kernel whose control groups are
// all of version 2 and are delegated to it.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"golang.org/x/sys/unix"
)

func main() {
	if err := run(); err != nil {
		fmt.Println("init:", err)
	}
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func run() error {
	for _, m := range []struct{ kind, at string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"cgroup2", "/sys/fs/cgroup"}, {"tmpfs", "/tmp"},
	} {
		if err := os.MkdirAll(m.at, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.kind, m.at, m.kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.at, err)
		}
	}
	// As a service manager delegates: a parent whose children have controllers, and this process in one of them.
	const parent = "/sys/fs/cgroup/delegated"
	for _, step := range []struct{ file, text string }{
		{"/sys/fs/cgroup/cgroup.subtree_control", "+memory +pids +cpu"},
		{parent + "/", ""},
		{parent + "/cgroup.subtree_control", "+memory +pids +cpu"},
		{parent + "/host/", ""},
		{parent + "/host/cgroup.procs", strconv.Itoa(os.Getpid())},
	} {
		if step.text == "" {
			if err := os.Mkdir(step.file, 0o755); err != nil {
				return err
			}
			continue
		}
		if err := os.WriteFile(step.file, []byte(step.text), 0o644); err != nil {
			return fmt.Errorf("%s: %w", step.file, err)
		}
	}
	test := exec.Command("/test", "-test.v", "-test.run=^TestUnified")
	test.Env = []string{"MIMIR_UNIFIED=1", "PATH=/", "TMPDIR=/tmp"}
	test.Stdout, test.Stderr = os.Stdout, os.Stdout
	err := test.Run()
	fmt.Printf("exit status %d\n", test.ProcessState.ExitCode())
	return err
}
