package main

// #include "internal.h"
import "C"

import (
	"os"
	"runtime"
	"strings"
	"sync"
	"unsafe"
)

// environment is the host's environment as it was asked for last. It seldom changes between two commands, and is text enough to
// make most of the garbage of one.
var environment = struct {
	mu        sync.Mutex
	space     []byte // what it is read into, each variable with its final zero
	text      string // what was read last
	variables []string
}{space: make([]byte, 4<<10), variables: []string{}}

// hostEnvironment is the environment as it is now, strings "NAME=value", and whether it is the same slice as long as it is the
// same environment, and not to be changed.
func hostEnvironment() (variables []string, kept bool) {
	if runtime.GOOS == "windows" {
		return os.Environ(), false
	}
	e := &environment
	e.mu.Lock()
	defer e.mu.Unlock()
	needed := readEnvironment(e.space)
	for needed > len(e.space) { // another thread of the host may add to it meanwhile
		spend(2 * needed)
		e.space = make([]byte, 2*needed)
		needed = readEnvironment(e.space)
	}
	if text := e.space[:needed]; string(text) != e.text {
		spend(6 * needed) // with what a command is started with, which is made of it
		e.text = string(text)
		e.variables = []string{}
		if e.text != "" {
			e.variables = strings.Split(e.text[:needed-1], "\x00")
		}
	}
	return e.variables, true
}

func readEnvironment(space []byte) (needed int) {
	return int(C.mimir_environment_copy((*C.char)(unsafe.Pointer(&space[0])), C.size_t(len(space))))
}
