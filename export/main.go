// Command export is the C interface of libmimir, built with -buildmode=c-shared. It converts, calls core and converts
// back. What is visible outside are the generated entry points in entry_gen.c, which delegate to the functions here.
package main

// #cgo CFLAGS: -I${SRCDIR}/../include -DMIMIR_BUILD -std=gnu11 -O2 -Wall -fvisibility=hidden
// #cgo linux LDFLAGS: -pthread -Wl,--wrap=x_cgo_sys_thread_create -Wl,--wrap=x_cgo_mmap -Wl,--wrap=x_cgo_thread_start
// #cgo linux LDFLAGS: -Wl,--wrap=malloc -Wl,--wrap=free
import "C"

func main() {}
