//go:build linux

// Package hammer calls every function of the C interface from many C threads at once. The functions are those of the program
// that the package is linked into: a test of package export, for Go's race detector.
package hammer

// #cgo CFLAGS: -D_GNU_SOURCE -I${SRCDIR}/.. -I${SRCDIR}/../../../include
// #cgo LDFLAGS: -pthread -ldl -Wl,--unresolved-symbols=ignore-all
// #include <stdint.h>
// int64_t hammer_run(int threads, double seconds);
import "C"

// Run makes the calls for some seconds and tells how many they were. A wrong answer ends the program.
func Run(threads int, seconds float64) int64 {
	return int64(C.hammer_run(C.int(threads), C.double(seconds)))
}
