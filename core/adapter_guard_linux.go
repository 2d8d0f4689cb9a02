package core

import (
	"fmt"

	"golang.org/x/sys/unix"

	"libmimir/core/internal/spawn"
	"libmimir/core/internal/tree"
)

// guardian ends the jobs of a host that has died, even by SIGKILL. It is a shell of its own, waiting at a pipe that only the
// host holds open, and knows the processes of the host's jobs, and their control groups, by their mark. A host that
// closes all its descriptors has not died yet: its process id tells.
const guardian = `trap '' HUP INT QUIT TERM TSTP PIPE
(
read -r _
while kill -0 %d 2>/dev/null; do sleep 1; done
left=yes
while [ "$left" ]; do
  left=
  for file in $(grep -lE '^Max realtime timeout .*%d[0-9]{7} ' /proc/[0-9]*/limits 2>/dev/null); do
    process=${file%%/limits}
    read -r stat < "$process/stat" 2>/dev/null || continue
    case $stat in *') Z '*|*') X '*) continue;; esac
    kill -9 "${process#/proc/}" 2>/dev/null && left=yes
  done
done
for directory; do
  rmdir "$directory"/libmimir-%d* 2>/dev/null
done
) &
`

// guard starts the guardian with the first job. Its shell leaves it to init at once, so that the host has no child that it
// did not start. The first process of a system or container needs none: with it everything ends.
func (a *unixAdapter) guard() {
	a.guardOnce.Do(func() {
		prefix, ok := tree.HostPrefix()
		if !ok || unix.Getpid() == 1 {
			return
		}
		var ends [2]int
		if unix.Pipe2(ends[:], unix.O_CLOEXEC) != nil {
			return
		}
		null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			_ = unix.Close(ends[0])
			_ = unix.Close(ends[1])
			return
		}
		process, err := spawn.Start(&spawn.Spec{
			Path: "/bin/sh",
			Args: append([]string{"sh", "-c", fmt.Sprintf(guardian, unix.Getpid(), prefix, prefix), "libmimir-guardian"},
				a.groupParents().Dirs()...),
			Env: []string{"PATH=/bin:/usr/bin"}, Dir: "/", Files: [3]int{ends[0], null, null},
			Umask: spawn.Absent, Ruleset: spawn.Absent, Cgroup: spawn.Absent, NewSession: true,
		})
		_ = unix.Close(null)
		_ = unix.Close(ends[0])
		if err != nil { // a system without a shell has no guardian
			_ = unix.Close(ends[1])
			return
		}
		if process.PIDFD >= 0 {
			_ = unix.Close(process.PIDFD)
		}
		for {
			if _, err := unix.Wait4(process.PID, nil, 0, nil); err != unix.EINTR {
				break
			}
		}
		// Away from the numbers that a program closes, counts and reuses.
		if high, err := unix.FcntlInt(uintptr(ends[1]), unix.F_DUPFD_CLOEXEC, 192); err == nil {
			_ = unix.Close(ends[1])
			ends[1] = high
		}
		KeptForLife(ends[1])
	})
}
