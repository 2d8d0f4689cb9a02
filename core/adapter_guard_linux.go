package core

import (
	"fmt"

	"golang.org/x/sys/unix"

	"libmimir/core/internal/spawn"
	"libmimir/core/internal/tree"
)

// guardian ends the jobs of a host that has died, even by SIGKILL. It is a shell of its own, waiting at a pipe that only the
// host holds open, and knows the processes of the host's jobs, and their control groups, by their mark. A host that
// closes all its descriptors has not died yet: /proc tells, by the process id and the time of the start. One that nobody has waited
// for yet has died; its parent may be waiting for the end of an output that the jobs hold open. But one whose first thread
// alone has ended looks alike, and has other threads.
const guardian = `trap '' HUP INT QUIT TERM TSTP PIPE
look() {
  read -r stat 2>/dev/null < /proc/%[1]d/stat || stat=
  set -- ${stat##*) }
  state=$1 start=${20}
}
died() {
  look
  [ "$start" ] && [ "$start" = "$born" ] || return 0
  case $state in Z|X) set -- /proc/%[1]d/task/*; [ $# -le 1 ];; *) return 1;; esac
}
look
born=$start
exec 3<&0
(
read -r _ <&3
until died; do sleep 1; done
left=yes
while [ "$left" ]; do
  left=
  for file in $(grep -lE '^Max realtime timeout .*%[2]d[0-9]{7} ' /proc/[0-9]*/limits 2>/dev/null); do
    process=${file%%/limits}
    read -r stat < "$process/stat" 2>/dev/null || continue
    case $stat in *') Z '*|*') X '*) continue;; esac
    kill -9 "${process#/proc/}" 2>/dev/null && left=yes
  done
done
for directory; do
  rmdir "$directory"/libmimir-%[2]d* 2>/dev/null
done
) &
`

// guard starts the guardian with the first job. Its shell leaves it to init at once, so that the host has no child that it
// did not start. The first process of a system or container needs none: with it everything ends.
func (a *unixAdapter) guard() {
	a.guardOnce.Do(func() {
		prefix, ok := tree.HostPrefix()
		host := unix.Getpid()
		if !ok || host == 1 {
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
			Args: append([]string{"sh", "-c", fmt.Sprintf(guardian, host, prefix), "libmimir-guardian"},
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
