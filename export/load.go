package main

// #include "internal.h"
import "C"

import "libmimir/core"

// The last of Go's initializations: package syscall has raised the limit of open files by now.
func init() {
	core.RestoreFileLimit(func() (soft, hard uint64) {
		var s, h C.uint64_t
		C.mimir_load_files(&s, &h)
		return uint64(s), uint64(h)
	})
	C.mimir_load_ready()
}
